package command

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"moult/cmd/internal/device"
	"moult/fault"
	"moult/update"
)

func (a *app) confirm() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "confirm [MODULE…]",
		Short: "Keep the version that is on trial",
		Long: "Confirm ends the trial of a module, or of all, well: the new version stays. The program itself may call it\n" +
			"once it has seen that it works. Where nothing is on trial there is nothing to do.\n\n" + exitHelp,
		Example: `  moult confirm
  moult confirm irrigation`,
		ValidArgsFunction: a.moduleNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.each(cmd, args, wait, func(d *device.Device, m *device.Module, p *printer) error {
				state, err := d.Journal.Load(m.Name)
				if err == nil && (state.Step == update.Idle || state.Step == update.Fetching) { // another run's download is not waited for
					if !a.json {
						p.line(m.Name, "nothing is on trial")
					}
					return nil
				}
				return errors.Join(err, d.Locked(cmd.Context(), m, nil, func() error { return d.Engine.Confirm(&m.Module) }))
			})
		},
	}
	// A program that confirms itself while the agent has the module in hand must not be turned away.
	cmd.Flags().DurationVar(&wait, "wait", lockWait, "wait this long for another run to end")
	return cmd
}

func (a *app) rollback() *cobra.Command {
	var reason string
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "rollback MODULE…",
		Short: "Go back to the version before",
		Long: "Rollback makes prev/ the running version again. The device's own files stay as they are now.\n" +
			"The version that is left is not installed again until a newer release is out, or update --retry asks for it.\n\n" + exitHelp,
		Example:           `  moult rollback irrigation --reason "the pump does not start"`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.moduleNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.each(cmd, args, wait, func(d *device.Device, m *device.Module, _ *printer) error {
				err := d.Locked(cmd.Context(), m, nil, func() error { return d.Engine.RollBack(cmd.Context(), &m.Module, reason) })
				if errors.Is(err, update.ErrNothingToGoBackTo) {
					err = fault.Hint(err, fmt.Sprintf("'%s update %s --to VERSION --allow-downgrade' fetches an older one", a.Name, m.Name))
				}
				return err
			})
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", 0, "wait this long for another run to end, such as 30s")
	cmd.Flags().StringVar(&reason, "reason", "a person asked for it", "why, for the history")
	return cmd
}

// each does one thing to each of the modules named, and comes back with every error.
func (a *app) each(cmd *cobra.Command, names []string, wait time.Duration, do func(*device.Device, *device.Module, *printer) error) error {
	printer := newPrinter(a.out, a.err, a.json, false)
	d, err := a.open(cmd.Context(), device.Options{Tell: printer.tell, Offline: true, Wait: wait})
	if d == nil {
		return err
	}
	defer d.Close()
	modules, unknown := d.Select(names)
	if unknown != nil {
		return usageError{unknown}
	}
	printer.width = widest(modules)
	all := []error{err}
	for _, m := range modules {
		all = append(all, do(d, m, printer))
	}
	return errors.Join(all...)
}
