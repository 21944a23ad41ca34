package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"moult/source/sourcetest"
	"moult/update"
)

// agentBench is a bench whose device is looked after by a real agent.
type agentBench struct {
	*bench
	module string // more keys of the module's configuration
	more   string // more keys of the device's
	stdin  *os.File
}

// patience is how long a test waits for what must happen. It is a net under a program that hangs, and times nothing.
const patience = 60 * time.Second

// program is a release whose program is a shell script.
func shellProgram(tag, script string) sourcetest.Release {
	return tagged(tag, map[string]string{"app.sh": script})
}

// good is a program that stays up.
const good = "echo up; while :; do sleep 0.05; done\n"

func newAgentBench(t *testing.T, module, more string, releases ...sourcetest.Release) *agentBench {
	b := &agentBench{bench: newBench(t, false, releases...), module: module, more: more}
	b.write()
	return b
}

func (b *agentBench) write() {
	more := b.more
	if more != "" {
		more = ", " + more
	}
	writeFile(b.t, filepath.Join(b.dir, "config/moult.json"), fmt.Sprintf(
		`{"modules": {"irrigation": {"url": "%s/%s", "forge": "github", "run": ["sh", "main/app.sh"], %s}}%s}`, b.forge.URL, repository, b.module, more))
}

// unit lets systemd run the module's program, in place of the agent.
func (b *agentBench) unit(name, trial string) {
	writeFile(b.t, filepath.Join(b.dir, "config/moult.json"), fmt.Sprintf(
		`{"modules": {"irrigation": {"url": "%s/%s", "forge": "github", "unit": "%s", "trial": {%s}}}, %s}`, b.forge.URL, repository, name, trial, b.more))
}

// running is an agent that runs.
type running struct {
	t    testing.TB
	cmd  *exec.Cmd
	done chan struct{}

	mu     sync.Mutex
	events []update.Event
	lights []string // as --draw-leds draws them
	other  []string // what else it printed
	news   *sync.Cond
}

// start starts the agent, under another command where before names one. It is killed with the test.
func (b *agentBench) start(before ...string) *running {
	b.t.Helper()
	return startAgentWith(b.t, b.stdin, b.dir, before...)
}

// startAgent starts the agent of a device.
func startAgent(t testing.TB, dir string) *running { return startAgentWith(t, nil, dir) }

func startAgentWith(t testing.TB, stdin *os.File, dir string, before ...string) *running {
	t.Helper()
	command := append(before, "moult", "agent", "--root", dir, "--draw-leds", "--json")
	r := &running{t: t, cmd: exec.Command(command[0], command[1:]...), done: make(chan struct{})}
	r.news = sync.NewCond(&r.mu)
	if stdin != nil {
		r.cmd.Stdin = stdin
	}
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.cmd.Stderr = r.cmd.Stdout
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go r.read(bufio.NewScanner(out))
	t.Cleanup(r.kill)
	return r
}

func (r *running) read(lines *bufio.Scanner) {
	for lines.Scan() {
		line := lines.Text()
		r.mu.Lock()
		var e update.Event
		switch {
		case json.Unmarshal([]byte(line), &e) == nil && e.Kind != "":
			r.events = append(r.events, e)
		case strings.HasPrefix(line, "leds"):
			r.lights = append(r.lights, strings.TrimSpace(strings.TrimPrefix(line, "leds")))
		default:
			r.other = append(r.other, line)
		}
		r.news.Broadcast()
		r.mu.Unlock()
	}
	_ = r.cmd.Wait()
	close(r.done)
	r.mu.Lock()
	r.news.Broadcast()
	r.mu.Unlock()
}

// kill ends the agent as a power cut does: it and all that it started.
func (r *running) kill() {
	_ = syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL)
	<-r.done
}

// stop ends the agent as the system does, and wants it to end well.
func (r *running) stop() {
	r.t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
	<-r.done
	if code := r.cmd.ProcessState.ExitCode(); code != 0 {
		r.t.Errorf("got exit code %d, want 0\n%s", code, r.said())
	}
}

// until waits until holds, of what was printed so far.
func (r *running) until(what string, holds func() bool) {
	r.t.Helper()
	timer := time.AfterFunc(patience, r.news.Broadcast)
	defer timer.Stop()
	deadline := time.Now().Add(patience)
	r.mu.Lock()
	defer r.mu.Unlock()
	for !holds() {
		ended := false
		select {
		case <-r.done:
			ended = true
		default:
		}
		if ended || time.Now().After(deadline) {
			r.t.Fatalf("waited in vain for %s (ended: %v)\n%s", what, ended, r.saidLocked())
		}
		r.news.Wait()
	}
}

// event waits for an event of a kind, the n-th of it counted from 1.
func (r *running) event(kind update.Kind, n int) (found update.Event) {
	r.t.Helper()
	r.until(fmt.Sprintf("%s %d", kind, n), func() bool {
		seen := 0
		for _, e := range r.events {
			if e.Kind == kind {
				if seen++; seen == n {
					found = e
					return true
				}
			}
		}
		return false
	})
	return found
}

// count returns how many events of a kind there were so far.
func (r *running) count(kind update.Kind) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

func (r *running) said() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.saidLocked()
}

func (r *running) saidLocked() string {
	var b strings.Builder
	for _, e := range r.events {
		fmt.Fprintf(&b, "%s %s: %s\n", e.Kind, e.Module, e.Text)
	}
	return b.String() + strings.Join(r.lights, "\n") + "\n" + strings.Join(r.other, "\n")
}

// installed reads what main/ of the device's module says, "" where there is none.
func installed(root string) string { return installedModule(root, "irrigation") }

func installedModule(root, module string) string {
	data, _ := os.ReadFile(filepath.Join(root, module, "main/.version"))
	return string(data)
}

// startWith starts the agent as start does, with a standard input.
func (b *agentBench) startWith(stdin *os.File, before ...string) *running {
	b.stdin = stdin
	defer func() { b.stdin = nil }()
	return b.start(before...)
}

// stepOf reads the state of the module from the journal.
func stepOf(t *testing.T, b *agentBench) update.Step {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(b.dir, ".moult/state/irrigation.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s update.State
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	return s.Step
}

// waitStep waits until the journal names a step, or the agent was killed in it.
func waitStep(t *testing.T, b *agentBench, step update.Step, r *running) {
	t.Helper()
	waitUntil(t, "the step "+string(step), func() bool {
		select {
		case <-r.done:
			return true
		default:
			return stepOf(t, b) == step
		}
	})
}

func waitUntil(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
