package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func shell(t *testing.T, script string) *Process {
	t.Helper()
	p := New(Options{Command: []string{"sh", "-c", script}, Dir: t.TempDir(), Grace: 50 * time.Millisecond})
	t.Cleanup(p.Stop)
	return p
}

func started(t *testing.T, p *Process) <-chan Exit {
	t.Helper()
	exit, err := p.Start()
	if err != nil {
		t.Fatal(err)
	}
	return exit
}

// ended waits for the end; the time is a safety net for a program that never ends.
func ended(t *testing.T, exit <-chan Exit) Exit {
	t.Helper()
	select {
	case e := <-exit:
		return e
	case <-time.After(20 * time.Second):
		t.Fatal("it did not end")
		return Exit{}
	}
}

func TestExit(t *testing.T) {
	tests := []struct {
		name, script string
		want         Exit
		tail         string
	}{
		{"good", "echo done", Exit{Text: "exit status 0", Good: true}, "done"},
		{"bad", "echo out; echo err >&2; exit 3", Exit{Text: "exit status 3"}, "out\nerr"},
		{"killed", "kill -9 $$", Exit{Text: "signal: killed"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := shell(t, test.script)
			for range 2 { // it may be started again, and prints anew
				if got := ended(t, started(t, p)); got != test.want {
					t.Errorf("got %+v, want %+v", got, test.want)
				}
				if got := p.Tail(); got != test.tail {
					t.Errorf("tail: got %q, want %q", got, test.tail)
				}
			}
			if p.Running() {
				t.Error("it still runs")
			}
		})
	}
	if _, err := New(Options{Command: []string{"./no-such-program"}}).Start(); err == nil || !strings.Contains(err.Error(), "no-such-program") {
		t.Errorf("got %v, want that there is no such program", err)
	}
}

func TestStop(t *testing.T) {
	for name, script := range map[string]string{
		"a program that ends when asked": "echo up; exec sleep 600",
		"one that does not listen":       "trap '' TERM; echo up; while :; do sleep 0.01; done",
	} {
		t.Run(name, func(t *testing.T) {
			p := shell(t, script)
			exit := started(t, p)
			waitFor(t, func() bool { return p.Tail() == "up" })
			p.Stop()
			if got := ended(t, exit); !got.Stopped {
				t.Errorf("got %+v, want it stopped", got)
			}
			p.Stop() // once more is nothing
		})
	}
}

// TestChildrenEnd leaves nothing behind of a program that forks: into the background, into another group, into another
// session, with the output open.
func TestChildrenEnd(t *testing.T) {
	for name, script := range map[string]string{
		"background":     "sleep 600 & echo $!",
		"own session":    "setsid sh -c 'echo $$; exec sleep 600' &\nsleep 0.2",
		"forked twice":   "(setsid sh -c 'echo $$; exec sleep 600' &) ; sleep 0.2",
		"deaf to TERM":   "(trap '' TERM; sh -c 'echo $$; exec sleep 600') & sleep 0.2",
		"no environment": "env -i setsid sh -c 'echo $$; exec sleep 600' & sleep 0.2",
		"and an orphan":  "(env -i setsid sh -c 'echo $$; exec sleep 600' &) ; sleep 0.2",
		"killed parent":  "setsid sh -c 'echo $$; exec sleep 600' & sleep 0.2; kill -9 $$",
	} {
		t.Run(name, func(t *testing.T) {
			p := shell(t, script)
			ended(t, started(t, p))
			var child int
			if _, err := fmt.Sscan(p.Tail(), &child); err != nil {
				t.Fatalf("got %q, want the child's number", p.Tail())
			}
			waitFor(t, func() bool { return !alive(child) })
		})
	}
}

// alive reports whether a process runs; a zombie that nobody has reaped does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return syscall.Kill(pid, 0) == nil
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

// TestGraceIsForChildrenToo lets what a shell started save its work, although the shell itself is gone at once.
func TestGraceIsForChildrenToo(t *testing.T) {
	p := New(Options{Command: []string{"sh", "-c", "sh -c 'trap \"sleep 0.5; echo saved >saved; exit\" TERM; echo up; while :; do sleep 0.05; done'; echo never"}, Dir: t.TempDir()})
	exit := started(t, p)
	waitFor(t, func() bool { return p.Tail() == "up" })
	p.Stop()
	ended(t, exit)
	if data, err := os.ReadFile(filepath.Join(p.opt.Dir, "saved")); err != nil || string(data) != "saved\n" {
		t.Errorf("got %q %v, want that it saved", data, err)
	}
}

// TestNeverTwo ends what an agent that was killed left running, before it starts the program again.
func TestNeverTwo(t *testing.T) {
	left := exec.Command("sleep", "600")
	name := "pump:" + t.TempDir()
	if err := newMark(name).start(left); err != nil {
		t.Fatal(err)
	}
	defer left.Wait()
	defer left.Process.Kill()
	p := New(Options{Command: []string{"sleep", "600"}, Mark: name, Grace: 50 * time.Millisecond})
	started(t, p)
	defer p.Stop()
	if alive(left.Process.Pid) || !p.Running() {
		t.Errorf("got the one left running: %v, and the new one: %v, want only the new one", alive(left.Process.Pid), p.Running())
	}
}

func TestTailIsBounded(t *testing.T) {
	p := shell(t, "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done")
	ended(t, started(t, p))
	if got := p.Tail(); len(got) > maxTail || !strings.HasSuffix(got, "line 1999") {
		t.Errorf("got %d bytes ending in %q, want the last %d", len(got), got[max(0, len(got)-20):], maxTail)
	}
}

func TestLog(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log/app.log")
	l, err := OpenLog(name)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 * maxLog / 1024 {
		l.write([]byte(strings.Repeat("x", 1023) + "\n"))
	}
	l.Line("the end %d", 1)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{name, name + ".1"} {
		info, err := os.Stat(file)
		if err != nil || info.Size() > maxLog+2048 {
			t.Errorf("%s: got %v %v, want at most %d bytes", file, info, err, maxLog)
		}
	}
	data, err := os.ReadFile(name)
	if err != nil || !strings.HasSuffix(string(data), "\nmoult: the end 1\n") {
		t.Errorf("got %q %v, want the last line at its end", data[max(0, len(data)-30):], err)
	}
}
