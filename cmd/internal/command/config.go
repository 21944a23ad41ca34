package command

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"moult/config"
	"moult/fault"
)

func (a *app) config() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Look at the device's configuration",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "check",
		Short: "Check the configuration, and show what it comes to",
		Long: "Check reads config/moult.json and the earlier systems' files, and shows each module as it would be updated.\n" +
			"Every problem is shown, with its file, line and key. Passwords and tokens are not shown.\n\n" + exitHelp,
		Example: "  moult config check --root /srv/greenhouse",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return a.checkConfig() },
	})
	return cmd
}

func (a *app) checkConfig() error {
	root, err := os.OpenRoot(a.root)
	if err != nil {
		return fault.Hint(err, "--root names the device's directory; make it first")
	}
	defer root.Close()
	c, err := config.Load(root.FS(), config.Options{})
	if err != nil {
		return err
	}
	if a.json {
		return newPrinter(a.out, a.err, true, true).object(c)
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
	return nil
}
