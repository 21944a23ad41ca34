package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"moult/agent"
	"moult/agent/systemd"
	"moult/cmd/internal/device"
	"moult/journal"
	"moult/update"
)

// lockWait is how long the agent's work on a module waits for another run's: a person's update of a large release.
const lockWait = 10 * time.Minute

func (a *app) agent() *cobra.Command {
	var draw bool
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Look after the device: check, update, run the modules, judge new versions",
		Long: `Agent is the routine of a device, for as long as it runs: it brings Wi-Fi up where that is configured, checks and updates
when "check" says so, runs each module's program or unit, and puts a new version on trial: one that does not stay up, fails its
health check or does not confirm itself goes back by itself. LEDs and MQTT tell what happens, where they are configured.

The programs start whatever the network and the updates do. Commands that MQTT takes:

  ` + strings.Join(agent.Commands(), "\n  ") + `

and every executable in the device's folder commands/, by its name.

` + exitHelp,
		Example: `  moult agent --root /srv/greenhouse

  # as a service that starts with the machine
  sudo moult agent install --root /srv/greenhouse
  moult agent status --root /srv/greenhouse
  moult agent logs --root /srv/greenhouse irrigation`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runAgent(cmd.Context(), draw) },
	}
	cmd.Flags().BoolVar(&draw, "draw-leds", false, "draw the LEDs here, in place of the configured ones")
	cmd.AddCommand(a.agentInstall(), a.agentStatus(), a.agentLogs())
	return cmd
}

func (a *app) runAgent(ctx context.Context, draw bool) error {
	unlock, err := device.AgentLock(a.root)
	switch {
	case errors.Is(err, journal.ErrBusy):
		return err
	case err != nil: // a disk that takes nothing must not keep the programs from running
		fmt.Fprintf(a.err, "%s: another agent cannot be kept away: %v\n", a.Name, err)
	default:
		defer unlock()
	}
	log := &agentLog{printer: newPrinter(a.out, a.err, a.json, false)}
	d, err := a.open(ctx, device.Options{Apart: true, Wait: lockWait})
	if err != nil {
		return err
	}
	defer d.Close()
	log.printer.width = widest(d.Modules)
	opt := device.AgentOptions{Version: a.Version, Tell: log.event, Log: log.line}
	if draw {
		opt.Lights = log.light
	}
	routine, beside, end, err := d.Agent(opt)
	if err != nil {
		return err
	}
	defer end()
	// What runs beside the agent outlives it by a moment: the broker is told that the device goes offline after all else.
	apart, stop := context.WithCancel(context.WithoutCancel(ctx))
	var all sync.WaitGroup
	for _, run := range beside {
		all.Go(func() { run(apart) })
	}
	_ = systemd.Notify("READY=1")
	err = routine.Run(ctx)
	_ = systemd.Notify("STOPPING=1")
	stop()
	all.Wait()
	if errors.Is(err, context.Canceled) { // it was asked to end, and did
		return nil
	}
	return err
}

// agentLog prints what the agent tells, from several goroutines.
type agentLog struct {
	mu      sync.Mutex
	printer *printer
	lights  map[string]bool
}

func (l *agentLog) event(e update.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Kind == update.Failed && !l.printer.json { // there is no error that it would come back as
		l.printer.line(e.Module, "failed: "+e.Text)
		return
	}
	l.printer.tell(e)
}

func (l *agentLog) line(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(l.printer.err, text)
}

// drawn is an LED that is drawn.
type drawn struct {
	log  *agentLog
	name string
}

func (l *agentLog) light(name string) agent.Light { return drawn{l, name} }

// Set draws both LEDs, whenever one changes.
func (d drawn) Set(on bool) error {
	l := d.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lights == nil {
		l.lights = map[string]bool{}
	}
	if was, known := l.lights[d.name]; known && was == on {
		return nil
	}
	l.lights[d.name] = on
	draw := func(name string) string {
		if l.lights[name] {
			return "● " + name
		}
		return "○ " + name
	}
	_, err := fmt.Fprintf(l.printer.out, "%-*s  %s  %s\n", l.printer.width, "leds", draw("yellow"), draw("green"))
	return err
}

func (a *app) agentInstall() *cobra.Command {
	var user string
	var print bool
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Write and enable a systemd unit for this device's agent",
		Long: "Install writes /etc/systemd/system/moult-agent.service, hardened for what this device's configuration needs, and starts it.\n" +
			"Where the configuration names a file or folder in a home, the unit may read the homes: install again after a change of that.\n" +
			"With --print it only shows the unit.\n\n" + exitHelp,
		Example: `  moult agent install --root /srv/greenhouse --print
  sudo moult agent install --root /srv/greenhouse`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.install(cmd.Context(), user, print) },
	}
	cmd.Flags().StringVar(&user, "user", "", "the user to run as (default: root, who may restart the machine and its units)")
	cmd.Flags().BoolVar(&print, "print", false, "show the unit and install nothing")
	return cmd
}

// unitPath is where a machine's administrator puts units: systemd.unit(5).
const unitPath = "/etc/systemd/system/moult-agent.service"

func (a *app) install(ctx context.Context, user string, print bool) error {
	d, err := a.open(ctx, device.Options{Apart: true})
	if err != nil {
		return err
	}
	defer d.Close()
	program, err := os.Executable()
	if err != nil {
		return err
	}
	root, err := filepath.Abs(a.root)
	if err != nil {
		return err
	}
	opt := systemd.UnitOptions{Command: []string{program, "agent", "--root", root}, Root: root, User: user, Reads: d.Reads()}
	for _, name := range []string{d.Config.LEDs.Yellow, d.Config.LEDs.Green} {
		switch {
		case strings.Contains(name, "/"):
			opt.GPIO = true
		case name != "":
			opt.LEDs = true
		}
	}
	// What the application's own commands and checks need is known no better than what its program does.
	_, err = os.Stat(filepath.Join(root, device.CommandsDir))
	opt.Application = err == nil
	for _, m := range d.Modules {
		checks := m.Config.Health != nil && len(m.Config.Health.Command) > 0
		opt.Application = opt.Application || len(m.Config.Run) > 0 || checks
	}
	text := systemd.Unit(opt)
	if print {
		_, err := io.WriteString(a.out, text)
		return err
	}
	if err := os.WriteFile(unitPath, []byte(text), 0o644); err != nil {
		return err
	}
	if err := systemd.New("").Enable(ctx, filepath.Base(unitPath)); err != nil {
		return fmt.Errorf("enable %s: %w", unitPath, err)
	}
	fmt.Fprintf(a.out, "%s is written, enabled and started\n", unitPath)
	return nil
}

func (a *app) agentStatus() *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "Show whether the agent runs, and how the modules stand",
		Long:    "Status shows whether an agent runs on this device, and what 'moult status' shows.\n\n" + exitHelp,
		Example: "  moult agent status --root /srv/greenhouse",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			running, err := journal.AgentRuns(a.root)
			if err != nil {
				return err
			}
			if a.json {
				fmt.Fprintf(a.out, "{\"agent\":{\"running\":%v}}\n", running)
			} else if running {
				fmt.Fprintln(a.out, "an agent runs on this device")
			} else {
				fmt.Fprintln(a.out, "no agent runs on this device")
			}
			return a.showStatus(cmd.Context(), args)
		},
	}
}

func (a *app) agentLogs() *cobra.Command {
	var lines int
	cmd := &cobra.Command{
		Use:               "logs MODULE",
		Short:             "Show what a module's program printed",
		Long:              "Logs shows the last lines that a module's program printed, with the agent's own about it. A unit's are in the system's journal.\n\n" + exitHelp,
		Example:           "  moult agent logs irrigation --last 20",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.moduleNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.open(cmd.Context(), device.Options{Apart: true, Offline: true})
			if err != nil {
				return err
			}
			defer d.Close()
			if _, err := d.Select(args); err != nil {
				return usageError{err}
			}
			if lines < 1 {
				return usageError{fmt.Errorf("--last: got %d, want 1 or more", lines)}
			}
			var text []byte
			for _, suffix := range []string{".1", ""} {
				part, err := os.ReadFile(filepath.Join(a.root, device.LogFile(args[0])) + suffix)
				if err != nil && !errors.Is(err, os.ErrNotExist) {
					return err
				}
				text = append(text, part...)
			}
			all := strings.SplitAfter(strings.TrimRight(string(text), "\n"), "\n")
			_, err = fmt.Fprintln(a.out, strings.Join(all[max(0, len(all)-lines):], ""))
			return err
		},
	}
	cmd.Flags().IntVar(&lines, "last", 100, "how many lines to show")
	return cmd
}
