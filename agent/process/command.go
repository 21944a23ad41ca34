package process

import (
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// MaxOutput bounds what is kept of a command's output, in bytes.
const MaxOutput = 16 << 10

// Run runs a command to its end and returns the first of its output. When it ends, or its time is over, all that it started ends too.
func Run(cmd *exec.Cmd) (output string, err error) {
	var b limited
	mark := newMark("")
	cmd.Stdout, cmd.Stderr = &b, &b
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what it sends to its group is not for the agent
	cmd.WaitDelay = time.Second                           // a child that keeps the output open must not hold up the end
	if err := mark.start(cmd); err != nil {
		return "", err
	}
	err = cmd.Wait()
	mark.end(0)
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	return strings.TrimSpace(string(b.data)), err
}

// limited keeps the first bytes, and takes all.
type limited struct{ data []byte }

func (l *limited) Write(p []byte) (int, error) {
	l.data = append(l.data, p[:min(len(p), MaxOutput-len(l.data))]...)
	return len(p), nil
}
