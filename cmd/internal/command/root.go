// Package command is what a person types: the commands of moult and moult-agent, their flags, what they print, and their exit codes.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"moult/cmd/internal/device"
	"moult/config"
	"moult/disk"
	"moult/fault"
	"moult/journal"
)

// The exit codes, one meaning each.
const (
	exitOK          = 0
	exitFailed      = 1   // something could not be done; the running versions are as they were
	exitUsage       = 2   // a flag, an argument or the configuration is wrong
	exitNew         = 10  // update --check: there is something new
	exitBusy        = 75  // another run is at work on this device (EX_TEMPFAIL of sysexits.h)
	exitInterrupted = 130 // Ctrl-C; nothing is left half-done
)

const exitHelp = `Exit codes:
  0    done, or nothing to do
  1    something could not be done; the running versions are as they were
  2    a flag, an argument or the configuration is wrong
  10   update --check: there is something new
  75   another run is at work on this device
  130  interrupted; nothing is left half-done`

// Program is what a main package is made of.
type Program struct {
	Name, Short string
	Version     string // "" for what the build says
	Linked      device.Linked
	More        func(*Shell) []*cobra.Command // the commands that not every program has, because they make it large
}

// app is one run of a program.
type app struct {
	Program
	root string
	json bool
	out  io.Writer
	err  io.Writer
}

// errNew ends update --check where there is something new.
var errNew = errors.New("there is something new")

// usageError is a wrong flag or argument.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Main runs a program with the process's arguments and returns its exit code.
func (p Program) Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return p.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

// Run runs a program with other arguments and outputs.
func (p Program) Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if p.Version == "" {
		p.Version = buildVersion()
	}
	a := &app{Program: p, out: stdout, err: stderr}
	root := a.command()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	code := exitCode(ctx, err)
	if err != nil && code != exitNew {
		a.report(code, err)
	}
	return code
}

// exitCode is the one place where an error becomes an exit code.
func exitCode(ctx context.Context, err error) int {
	var usage usageError
	var problems config.Problems
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errNew):
		return exitNew
	case errors.As(err, &usage), errors.As(err, &problems), errors.Is(err, device.ErrConfigured):
		return exitUsage
	case errors.Is(err, journal.ErrBusy):
		return exitBusy
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitFailed
}

// report tells the person what went wrong and what to do.
func (a *app) report(code int, err error) {
	if code == exitInterrupted {
		fmt.Fprintf(a.err, "%s: interrupted; nothing is left half-done\n", a.Name)
		return
	}
	for _, one := range split(err) {
		fmt.Fprintf(a.err, "%s: %v\n", a.Name, one)
		if hint := fault.HintOf(one); hint != "" {
			fmt.Fprintf(a.err, "hint: %s\n", hint)
		}
	}
}

// split parts errors that were joined, so that each gets its own line and hint.
func split(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, one := range joined.Unwrap() {
			all = append(all, split(one)...)
		}
		return all
	}
	return []error{err}
}

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   a.Name,
		Short: a.Short,
		Long: a.Short + `.

A device is a directory: its configuration in config/, each module in <module>/main.
What a power cut or a kill left half-done is finished or undone before any command does its work on the modules.

` + exitHelp,
		Example: `  # what is there, and is anything new?
  ` + a.Name + ` status
  ` + a.Name + ` update --check

  # update every module of the device in /srv/greenhouse
  ` + a.Name + ` update --root /srv/greenhouse`,
		Version:       a.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fault.Hint(err, fmt.Sprintf("see '%s --help'", cmd.CommandPath()))}
	})
	a.holdsCommands(root)
	root.PersistentFlags().StringVar(&a.root, "root", device.Root(), "the device's directory (MOULT_ROOT)")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON, one object a line")
	root.AddCommand(a.update(), a.status(), a.history(), a.confirm(), a.rollback(), a.config(), a.agent())
	if a.More != nil {
		root.AddCommand(a.More(&Shell{a})...)
	}
	for _, cmd := range root.Commands() {
		wrapArgs(cmd)
	}
	return root
}

// holdsCommands is for a command that does nothing itself: it shows its help, and refuses what it has not.
func (a *app) holdsCommands(cmd *cobra.Command) {
	cmd.Args = cobra.ArbitraryArgs
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		hint := fmt.Sprintf("see '%s --help'", cmd.CommandPath())
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			hint = fmt.Sprintf("did you mean '%s %s'?", cmd.CommandPath(), near[0])
		}
		return usageError{fault.Hint(fmt.Errorf("got the command %q, which there is not", args[0]), hint)}
	}
}

// wrapArgs makes wrong arguments a usage error, of a command and of those below it.
func wrapArgs(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError{fault.Hint(err, fmt.Sprintf("see '%s --help'", cmd.CommandPath()))}
			}
			return nil
		}
	}
	for _, below := range cmd.Commands() {
		wrapArgs(below)
	}
}

// open opens the device. What could not be recovered is an error of its own and does not keep the rest from being done.
func (a *app) open(ctx context.Context, opt device.Options) (*device.Device, error) {
	info, err := os.Stat(a.root)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("--root: got %s, which is %s, want a folder", a.root, disk.Describe(info.Mode()))
	}
	if errors.Is(err, os.ErrNotExist) {
		err = fault.Hint(fmt.Errorf("--root: there is no folder %s", a.root), "--root names the device's directory; make it first")
	}
	if err != nil {
		return nil, usageError{err}
	}
	opt.Root, opt.Version, opt.Linked = a.root, a.Version, a.Linked
	return device.Open(ctx, opt)
}

// moduleNames completes the names of modules.
func (a *app) moduleNames(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	root, err := os.OpenRoot(a.root)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer root.Close()
	cfg, err := config.Load(root.FS(), config.Options{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, m := range cfg.Modules {
		names = append(names, m.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return strings.TrimPrefix(info.Main.Version, "v")
	}
	return "dev"
}

// local is a time as a person reads it where the device stands.
func local(t time.Time, zone *time.Location) string {
	if zone == nil {
		zone = time.Local
	}
	return t.In(zone).Format("2006-01-02 15:04:05")
}
