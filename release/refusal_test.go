package release_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"testing"

	"moult/fault"
	"moult/release"
)

func TestReasonOf(t *testing.T) {
	refused := release.Refuse(release.BadLength, "manifest length: got %d, want %d", 512, 498)
	tests := []struct {
		name string
		in   error
		want release.Reason
	}{
		{"nil", nil, ""},
		{"a failure", io.ErrUnexpectedEOF, ""},
		{"refused", refused, release.BadLength},
		{"deep in a chain", fmt.Errorf("stage: %w", fault.Hint(refused, "do this")), release.BadLength},
		{"the outer one knows more", release.Refuse(release.BadFormat, "role: %w", refused), release.BadFormat},
		{"one of several", errors.Join(io.EOF, refused), release.BadLength},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := release.ReasonOf(test.in); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if got := refused.Error(); got != "manifest length: got 512, want 498" {
		t.Errorf("text: got %q", got)
	}
	if err := release.Refuse(release.BadFormat, "bundle: %w, %w", io.ErrUnexpectedEOF, os.ErrClosed); !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v, which has lost its causes", err)
	}
}

// TestReasons holds the code to the table of docs/formats.md.
func TestReasons(t *testing.T) {
	doc, err := os.ReadFile("../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	section := regexp.MustCompile(`(?s)### Reasons\n.*?\n## `).Find(doc)
	var documented []release.Reason
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllSubmatch(section, -1) {
		documented = append(documented, release.Reason(row[1]))
	}
	if got := release.Reasons(); len(got) == 0 || fmt.Sprint(got) != fmt.Sprint(documented) {
		t.Errorf("got %q, documented %q", got, documented)
	}
}
