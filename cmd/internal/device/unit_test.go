package device

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnitSaid asks a journalctl of the test's own.
func TestUnitSaid(t *testing.T) {
	tests := []struct {
		name, script string // "" for no journalctl
		want         string
	}{
		{"what it printed", "echo Traceback; echo \"  KeyError: 'pump'\"", "Traceback\n  KeyError: 'pump'"},
		{"of that unit, and no more than some lines", `echo "$@"`, "--unit=irrigation.service --lines=20 --output=cat --quiet --no-pager"},
		{"long lines", "head -c 5000 /dev/zero | tr '\\0' x; echo end", strings.Repeat("x", saidBytes-3) + "end"},
		{"not allowed", "echo no permission >&2; exit 1", ""},
		{"there is none", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir, path := t.TempDir(), os.Getenv("PATH")
			if test.script == "" {
				path = ""
			} else {
				write(t, filepath.Join(dir, "journalctl"), "#!/bin/sh\n"+test.script+"\n", 0o755)
			}
			t.Setenv("PATH", dir+":"+path)
			if got := (&unit{name: "irrigation.service"}).Said(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
