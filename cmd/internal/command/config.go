package command

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"moult/cmd/internal/device"
)

func (a *app) config() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Look at the device's configuration",
	}
	a.holdsCommands(cmd)
	cmd.AddCommand(&cobra.Command{
		Use:   "check",
		Short: "Check the configuration, and show what it comes to",
		Long: "Check reads config/moult.json and the earlier systems' files, and shows each module as it would be updated.\n" +
			"Every problem is shown, with its file, line and key. Passwords and tokens are not shown.\n\n" + exitHelp,
		Example: "  moult config check --root /srv/greenhouse",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.checkConfig(cmd.Context()) },
	})
	return cmd
}

func (a *app) checkConfig(ctx context.Context) error {
	printer := newPrinter(a.out, a.err, a.json, true)
	d, unrecovered := a.open(ctx, device.Options{Tell: printer.tell, Look: true})
	if d == nil {
		return unrecovered
	}
	defer d.Close()
	c := d.Config
	if a.json {
		return errors.Join(printer.object(c), unrecovered)
	}
	fmt.Fprintf(a.out, "read from %s\n", strings.Join(c.Files, ", "))
	for _, m := range c.Modules {
		from := m.URL
		if m.Asset != "" {
			from += " asset " + m.Asset
		} else if m.Dir != "" {
			from += " directory " + m.Dir
		}
		fmt.Fprintf(a.out, "%s  %s  channel %s\n", m.Name, from, m.Channel)
		if len(m.Keep) > 0 {
			fmt.Fprintf(a.out, "  keeps %s\n", strings.Join(m.Keep, ", "))
		}
	}
	return unrecovered
}
