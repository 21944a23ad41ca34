// Package process runs a module's program: starts it, keeps what it prints, and ends it with everything that it left behind.
package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Options say what to run.
type Options struct {
	Command []string      // the program and its arguments; a program without a slash is looked for in PATH
	Dir     string        // where it runs
	Env     []string      // beside the agent's own environment
	Log     *Log          // where its output goes; may be nil
	Mark    string        // what its processes are known by, the same at each start of the agent; "" for one of this run alone
	Grace   time.Duration // between SIGTERM and SIGKILL; 0: 10 s
}

// Process is one program, not started yet, running, or ended. It may be started again.
type Process struct {
	opt  Options
	tail *tail

	mu      sync.Mutex
	running *run
}

// run is one run of the program, from its start to its end.
type run struct {
	pid   int
	mark  mark
	ended chan struct{} // closed once the program and all it left behind are gone
	exit  Exit
}

// Exit is how a run ended.
type Exit struct {
	Text    string // in plain words: "exit status 1", "signal: killed"
	Good    bool   // status 0
	Stopped bool   // because Stop asked it to
}

// New returns a program that is not started yet.
func New(opt Options) *Process {
	if opt.Grace == 0 {
		opt.Grace = 10 * time.Second
	}
	return &Process{opt: opt, tail: &tail{}}
}

// Environ is this process's environment without what its own service manager told it: a program that is started here must
// not speak for the agent.
func Environ() []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "NOTIFY_SOCKET=") || strings.HasPrefix(entry, "WATCHDOG_")
	})
}

// Start starts the program. The channel gives its end, once. What the run before printed is forgotten by Tail.
func (p *Process) Start() (<-chan Exit, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil {
		return nil, errors.New("start: it runs already")
	}
	r := &run{ended: make(chan struct{}), mark: newMark(p.opt.Mark)}
	exit := make(chan Exit, 1)
	started := make(chan error, 1)
	p.tail.reset()
	go p.watch(r, started, exit)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", p.opt.Command[0], err)
	}
	p.running = r
	return exit, nil
}

// watch starts the program and waits for it, on one thread of its own: the kernel ends the program (Pdeathsig) when the
// thread that started it ends, which so is only when the agent itself does.
func (p *Process) watch(r *run, started chan<- error, exit chan<- Exit) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command(p.opt.Command[0], p.opt.Command[1:]...)
	cmd.Dir = p.opt.Dir
	r.mark.end(0) // what an agent that was killed left running: never are there two
	cmd.Env = append(Environ(), p.opt.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	output := &output{tail: p.tail, log: p.opt.Log}
	cmd.Stdout, cmd.Stderr = output, output
	cmd.WaitDelay = time.Second // a child that keeps the output open must not hold up the end
	err := r.mark.start(cmd)
	if err == nil {
		r.pid = cmd.Process.Pid
	}
	started <- err
	if err != nil {
		return
	}
	err = cmd.Wait()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	p.mu.Lock()
	stopped := r.exit.Stopped
	p.mu.Unlock()
	if stopped { // what the program started has the same grace as the program itself
		for deadline := time.Now().Add(p.opt.Grace); len(r.mark.family()) > 0 && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
	}
	r.mark.end(r.pid)
	p.mu.Lock()
	r.exit.Good, r.exit.Text = err == nil, "exit status 0"
	if err != nil {
		r.exit.Text = err.Error()
	}
	p.running = nil
	p.mu.Unlock()
	close(r.ended)
	exit <- r.exit
}

// Stop ends the program: SIGTERM, and after the grace SIGKILL; then whatever it left behind. It returns once all is gone.
// A program that does not run is stopped already.
func (p *Process) Stop() {
	p.mu.Lock()
	r := p.running
	if r != nil {
		r.exit.Stopped = true
	}
	p.mu.Unlock()
	if r == nil {
		return
	}
	_ = syscall.Kill(-r.pid, syscall.SIGTERM)
	for _, pid := range r.mark.family() { // those that left the group are asked as well
		_ = syscall.Kill(pid, syscall.SIGTERM)
	}
	timer := time.NewTimer(p.opt.Grace)
	defer timer.Stop()
	select {
	case <-r.ended:
	case <-timer.C:
		_ = syscall.Kill(-r.pid, syscall.SIGKILL)
		<-r.ended
	}
}

// Running reports whether the program runs.
func (p *Process) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running != nil
}

// Tail returns the last lines that the program printed, at most maxTail bytes of them.
func (p *Process) Tail() string { return strings.TrimSpace(p.tail.String()) }
