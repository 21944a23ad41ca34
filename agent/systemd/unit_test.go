package systemd_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"moult/agent/systemd"
)

var update = flag.Bool("update", false, "write the golden files")

var units = map[string]systemd.UnitOptions{
	"plain": {
		Command: []string{"/usr/local/bin/moult", "agent", "--root", "/srv/device"}, Root: "/srv/device",
	},
	"reads": {
		Command: []string{"/usr/local/bin/moult", "agent", "--root", "/srv/device"}, Root: "/srv/device", Reads: []string{"/etc/ssl/ca.pem", "/home/pi/ca.pem"},
	},
	"lines": {
		Command: []string{"/usr/local/bin/moult-agent", "--root", "/srv/device"}, Root: "/srv/device", GPIO: true,
		User: "moult", Groups: []string{"gpio", "netdev"}, Capabilities: []string{"CAP_NET_BIND_SERVICE"},
	},
	"application": {
		Command: []string{"/usr/local/bin/moult", "agent", "--root", "/home/pi/device"}, Root: "/home/pi/device", LEDs: true,
		Application: true, Watchdog: 90 * time.Second, Paths: []string{"/var/lib/readings"},
	},
	"devices": {
		Command: []string{"/usr/local/bin/moult", "agent", "--root", "/srv/device"}, Root: "/srv/device", GPIO: true,
		Application: true, Devices: []string{"/dev/ttyUSB0", "char-i2c"}, Privileges: true,
	},
	"hostile": {
		Command: []string{"/opt/a b/moult", "agent", "--root", "/srv/100%/$HOME/\"x\"\\\nExecStart=/bin/false"}, Root: "/srv/100%/$HOME/\"x\"\\\nUser=root",
		User: "pi\n", Groups: []string{"gp io\n"},
	},
}

func TestUnit(t *testing.T) {
	for name, opt := range units {
		t.Run(name, func(t *testing.T) {
			golden := filepath.Join("testdata", name+".service")
			got := systemd.Unit(opt)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("unit (-want +got; -update writes it):\n%s", diff)
			}
			for _, key := range []string{"ExecStart=", "User="} {
				if n := strings.Count("\n"+got, "\n"+key); n > 1 {
					t.Errorf("lines with %s: got %d, want at most one", key, n)
				}
			}
		})
	}
}

// TestUnitVerifies has systemd itself read the units. Their program must be there for it, and their users and paths need not.
func TestUnitVerifies(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatalf(`%v; run "make deps"`, err)
	}
	for name, opt := range units {
		t.Run(name, func(t *testing.T) {
			opt.Command = slices.Clone(opt.Command)
			opt.Command[0] = program(t, filepath.Base(filepath.Dir(opt.Command[0])))
			file := filepath.Join(t.TempDir(), name+".service")
			if err := os.WriteFile(file, []byte(systemd.Unit(opt)), 0o644); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(analyze, "verify", "--man=no", "--recursive-errors=no", file).CombinedOutput()
			if said := strings.TrimSpace(string(out)); err != nil || strings.Contains(said, filepath.Base(file)) {
				t.Errorf("systemd-analyze verify: %v\n%s", err, said)
			}
		})
	}
}

// program makes an executable in a folder of the given name.
func program(t *testing.T, folder string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), folder, "moult")
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}
