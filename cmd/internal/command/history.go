package command

import (
	"fmt"

	"github.com/spf13/cobra"

	"moult/cmd/internal/device"
)

func (a *app) history() *cobra.Command {
	var last int
	cmd := &cobra.Command{
		Use:   "history [MODULE]",
		Short: "Show what happened",
		Long:  "History shows the updates, confirmations, roll backs and failures of a module or of all, the oldest first.\n\n" + exitHelp,
		Example: `  moult history
  moult history irrigation --last 5 --json`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.moduleNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if last < 1 {
				return usageError{fmt.Errorf("--last: got %d, want 1 or more", last)}
			}
			d, err := a.open(cmd.Context(), device.Options{Look: true, Offline: true})
			if d == nil {
				return err
			}
			defer d.Close()
			name := ""
			if len(args) > 0 {
				if _, err := d.Select(args); err != nil {
					return usageError{err}
				}
				name = args[0]
			}
			events, damaged, readErr := d.Journal.History(name, last)
			if readErr != nil {
				return readErr
			}
			printer := newPrinter(a.out, a.err, a.json, false)
			printer.width = widest(d.Modules)
			for _, e := range events {
				if a.json {
					if err := printer.object(e); err != nil {
						return err
					}
					continue
				}
				fmt.Fprintf(a.out, "%s  %-*s  %-11s  %s\n", local(e.Time, d.Config.Timezone), printer.width, e.Module, e.Kind, e.Text)
			}
			if damaged > 0 {
				fmt.Fprintf(a.err, "%s: history: %d lines were cut off by a power cut and are left out\n", a.Name, damaged)
			}
			return err
		},
	}
	cmd.Flags().IntVar(&last, "last", 50, "how many events to show")
	return cmd
}
