package command

import (
	"io"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"moult/cmd/internal/device"
	"moult/update"
)

// Shell is where the commands of another package stand: the same flags, outputs, errors and exit codes.
type Shell struct{ app *app }

// Out is where results go.
func (s *Shell) Out() io.Writer { return s.app.out }

// Err is where progress and questions go.
func (s *Shell) Err() io.Writer { return s.app.err }

// JSON reports whether results are to be JSON.
func (s *Shell) JSON() bool { return s.app.json }

// Version is the program's.
func (s *Shell) Version() string { return s.app.Version }

// Linked are the program's sources.
func (s *Shell) Linked() device.Linked { return s.app.Linked }

// Object prints a result as JSON, on one line.
func (s *Shell) Object(v any) error { return newPrinter(s.app.out, s.app.err, true, true).object(v) }

// Holds makes a command one that only holds others: it shows its help, and refuses what it has not.
func (s *Shell) Holds(cmd *cobra.Command) { s.app.holdsCommands(cmd) }

// Usage marks an error as that of a wrong flag or argument.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

// ExitHelp is for the help of every command.
const ExitHelp = exitHelp

// Size is a number of bytes as a person reads it.
func Size(bytes int64) string { return size(bytes) }

// Received returns what a fetch tells of its progress to: a bar on a terminal, a line now and then elsewhere. Done takes the bar away.
func (s *Shell) Received(name string) (told func(received, total int64), done func()) {
	p := newPrinter(s.app.err, s.app.err, s.app.json, false)
	return func(received, total int64) {
		p.tell(update.Event{Kind: update.Progress, Module: name, Received: received, Total: total})
	}, p.done
}

// Steps returns what long work tells of its steps to: on a terminal they are shown as they go, elsewhere not at all.
func (s *Shell) Steps(what string) (step func(text string), done func()) {
	p := newPrinter(s.app.err, s.app.err, s.app.json, false)
	if !p.tty || p.json {
		return func(string) {}, func() {}
	}
	bar := progressbar.NewOptions64(-1, progressbar.OptionSetWriter(s.app.err), progressbar.OptionSetDescription(what), progressbar.OptionClearOnFinish())
	return func(text string) { bar.Describe(what + " " + text); _ = bar.Add(1) }, func() { _ = bar.Finish(); _ = bar.Clear() }
}
