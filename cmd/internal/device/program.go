package device

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"time"

	"moult/agent"
	"moult/agent/process"
	"moult/config"
	"moult/journal"
)

// child is a module's program as the agent runs it.
type child struct {
	process *process.Process
	log     *process.Log
}

var _ agent.Program = (*child)(nil)
var _ agent.Talker = (*child)(nil)

// LogFile is where a module's program prints to, below the device's root.
func LogFile(module string) string { return filepath.Join(journal.Dir, "log", module+".log") }

// child makes a module's program. It comes with an error, and without a log, where that cannot be opened.
func (d *Device) child(m config.Module) (*child, error) {
	log, err := process.OpenLog(filepath.Join(d.opt.Root, LogFile(m.Name)))
	if err != nil {
		log = nil
	}
	return &child{log: log, process: process.New(process.Options{
		Command: m.Run, Dir: d.home(m), Env: d.environment(m), Log: log, Mark: m.Name + ":" + d.opt.Root,
	})}, err
}

// home is the folder in which a module's program runs: the one that has main/.
func (d *Device) home(m config.Module) string {
	if m.Root {
		return d.opt.Root
	}
	return filepath.Join(d.opt.Root, m.Name)
}

// environment is what a module's program and its checks are told.
func (d *Device) environment(m config.Module) []string {
	return []string{"MOULT_ROOT=" + d.opt.Root, "MOULT_MODULE=" + m.Name}
}

// Start starts the program.
func (c *child) Start(context.Context) (<-chan string, error) {
	exit, err := c.process.Start()
	if err != nil {
		c.log.Line("%v", err)
		return nil, err
	}
	ended := make(chan string, 1)
	go func() {
		e := <-exit
		c.log.Line("%s", e.Text)
		if e.Stopped {
			return
		}
		text := e.Text
		if said := c.process.Tail(); said != "" {
			text += ": " + said
		}
		ended <- text
	}()
	return ended, nil
}

// Stop ends the program and all that it left behind.
func (c *child) Stop(context.Context) error {
	c.process.Stop()
	return nil
}

// Said returns what the program printed last.
func (c *child) Said() string { return c.process.Tail() }

// The bounds of one health check: a check that takes longer is not good.
const maxCheck = 10 * time.Second

// health returns the check of a module; nil where none is configured.
func (d *Device) health(m config.Module) func(context.Context) error {
	if m.Health == nil {
		return nil
	}
	return func(ctx context.Context) error {
		limit := min(maxCheck, cmp.Or(m.Health.Within, maxCheck))
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		if len(m.Health.Command) > 0 {
			if err := d.checkCommand(ctx, m, limit); err != nil {
				return err
			}
		}
		if m.Health.HTTP != "" {
			return checkHTTP(ctx, m.Health.HTTP)
		}
		return nil
	}
}

func (d *Device) checkCommand(ctx context.Context, m config.Module, limit time.Duration) error {
	cmd := exec.CommandContext(ctx, m.Health.Command[0], m.Health.Command[1:]...)
	cmd.Dir = d.home(m)
	cmd.Env = append(process.Environ(), d.environment(m)...)
	output, err := process.Run(cmd)
	if ctx.Err() != nil {
		return fmt.Errorf("%s took longer than %s", m.Health.Command[0], limit)
	}
	if err != nil {
		return fmt.Errorf("%s: %w%s", m.Health.Command[0], err, prefixed(": ", output))
	}
	return nil
}

func checkHTTP(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("%s: got status %d, want 200 to 299", url, resp.StatusCode)
	}
	return nil
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}
