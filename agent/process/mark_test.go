package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// orphan is a script that leaves a process behind which has nothing of it: no parent, no session, no group, no environment.
const orphan = "(env -i setsid sh -c 'echo $$; exec sleep 600' &)\n"

// numberOf waits for the number that a program prints.
func numberOf(t *testing.T, p *Process) (pid int) {
	t.Helper()
	waitFor(t, func() bool { _, err := fmt.Sscan(p.Tail(), &pid); return err == nil })
	return pid
}

// TestOnlyItsOwnEnd ends one of two programs, whose children are orphans both: the other's run on.
func TestOnlyItsOwnEnd(t *testing.T) {
	one, two := shell(t, orphan+"exec sleep 600"), shell(t, orphan+"exec sleep 600")
	started(t, one)
	started(t, two)
	ofOne, ofTwo := numberOf(t, one), numberOf(t, two)
	one.Stop()
	if runs(ofOne) {
		t.Error("a child of the program that was stopped runs on")
	}
	if !two.Running() || !runs(ofTwo) {
		t.Error("a child of the other program was ended too")
	}
	two.Stop()
	if runs(ofTwo) {
		t.Error("a child of the second program runs on")
	}
}

// TestMarkIsNotKept starts a program, and wants this process to be as it was.
func TestMarkIsNotKept(t *testing.T) {
	limit := func() (l unix.Rlimit) {
		t.Helper()
		if err := unix.Getrlimit(unix.RLIMIT_LOCKS, &l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	before := limit()
	ended(t, started(t, shell(t, "true")))
	if after := limit(); after != before {
		t.Errorf("got the limit %v, want %v", after, before)
	}
}

func TestRun(t *testing.T) {
	tests := []struct {
		name, script string
		late         bool // its time is over as soon as it has printed
		want         string
		wantErr      string
	}{
		{name: "good", script: "echo out; echo err >&2", want: "out\nerr"},
		{name: "bad", script: "echo why; exit 3", want: "why", wantErr: "exit status 3"},
		{name: "too much output", script: "head -c 100000 /dev/zero | tr '\\0' x", want: strings.Repeat("x", MaxOutput)},
		{name: "its time is over", script: "echo $$; touch up; exec sleep 600", late: true, wantErr: "signal: killed"},
		{name: "a child", script: "sleep 600 & echo $!"},
		{name: "a child when its time is over", script: "sh -c 'echo $$; touch up; exec sleep 600' & wait", late: true, wantErr: "signal: killed"},
		{name: "a child in a session of its own", script: "setsid sh -c 'echo $$; exec sleep 600' & sleep 0.2"},
		{name: "an orphan without an environment", script: orphan + "sleep 0.2"},
		{name: "the same when its time is over", script: orphan + "sleep 0.2; touch up; exec sleep 600", late: true, wantErr: "signal: killed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ctx, over := context.WithCancel(t.Context())
			defer over()
			cmd := exec.CommandContext(ctx, "sh", "-c", test.script)
			cmd.Dir, cmd.Env = t.TempDir(), Environ()
			if test.late {
				go func() {
					defer over()
					waitFor(t, func() bool { _, err := os.Stat(filepath.Join(cmd.Dir, "up")); return err == nil })
				}()
			}
			got, err := Run(cmd)
			if text := fmt.Sprint(err); (err != nil || test.wantErr != "") && text != test.wantErr {
				t.Errorf("got error %v, want %q", err, test.wantErr)
			}
			var child int
			if _, err := fmt.Sscan(got, &child); err == nil {
				if runs(child) {
					t.Errorf("process %d runs on", child)
				}
			} else if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestEnvironIsNotTheAgents keeps from a program what the service manager told the agent alone.
func TestEnvironIsNotTheAgents(t *testing.T) {
	for name, kept := range map[string]bool{"NOTIFY_SOCKET": false, "WATCHDOG_USEC": false, "WATCHDOG_PID": false, "NOTIFY": true} {
		t.Setenv(name, "x")
		if got := slices.Contains(Environ(), name+"=x"); got != kept {
			t.Errorf("%s: got it handed on: %v, want %v", name, got, kept)
		}
	}
}
