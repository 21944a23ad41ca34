package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"moult/cmd/internal/device"
	"moult/config"
	"moult/fault"
	"moult/release"
	"moult/update"
)

// updateFlags are what update is asked for.
type updateFlags struct {
	url, dir, name, forge, channel, asset string
	to                                    string
	dirGiven                              bool
	check, dryRun                         bool
	opt                                   update.Options
	wait                                  time.Duration
}

func (a *app) update() *cobra.Command {
	var f updateFlags
	cmd := &cobra.Command{
		Use:   "update [MODULE…]",
		Short: "Check, download, verify and switch, once",
		Long: `Update checks each module, or those named, and where a newer release is out, downloads it, verifies it, and makes it
the running version. What is the device's own in main/ goes along. A failed update changes nothing.

Without any configuration, --url names a repository, and the module stands in a folder of the repository's name.
For a private repository put its token into the environment as MOULT_TOKEN, or into the configuration.

` + exitHelp,
		Example: `  # all modules of the device in the current folder
  moult update

  # is there anything new? exit code 10 says yes
  moult update --check || echo "something new"

  # one repository, without configuration: its directory src goes into ./blink/main
  moult update --url https://github.com/owner/blink --dir src

  # back to an older release, on purpose
  moult update irrigation --to 1.2 --allow-downgrade

  # a local git repository, as on a stick
  moult update --url /media/stick/blink.git`,
		ValidArgsFunction: a.moduleNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.fit(cmd.Flags()); err != nil {
				return usageError{err}
			}
			return a.runUpdate(cmd.Context(), f, args)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.url, "url", "", "a repository to update from, instead of the configuration")
	flags.StringVar(&f.dir, "dir", "main", "with --url: the directory of the repository to install; . for all of it")
	flags.StringVar(&f.name, "name", "", "with --url: the module's name (default: the repository's)")
	flags.StringVar(&f.forge, "forge", "", "with --url: github, gitea, gitlab or git, where the host does not tell")
	flags.StringVar(&f.asset, "asset", "", `with --url: a release asset to install instead, such as "app_{os}_{arch}.tar.gz"`)
	flags.StringVar(&f.channel, "channel", "", `stable, beta, or a constraint such as "~> 1.2" (default: as configured)`)
	flags.StringVar(&f.to, "to", "", "install this version and no other")
	flags.BoolVar(&f.check, "check", false, "only say whether there is something new (exit code 10)")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print what would be done")
	flags.BoolVar(&f.opt.Downgrade, "allow-downgrade", false, "take an older version")
	flags.BoolVar(&f.opt.Again, "retry", false, "try a version again that was rolled back")
	flags.BoolVar(&f.opt.Reinstall, "reinstall", false, "install the installed version anew")
	flags.DurationVar(&f.wait, "wait", 0, "wait this long for another run to end, such as 30s")
	for _, name := range []string{"name", "forge", "asset"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	return cmd
}

func (a *app) runUpdate(ctx context.Context, f updateFlags, names []string) error {
	given, err := f.config(names)
	if err != nil {
		return err
	}
	var channel *release.Channel
	if f.channel != "" {
		c, err := release.ParseChannel(f.channel)
		if err != nil {
			return usageError{fmt.Errorf("--channel: %w", err)}
		}
		channel = &c
	}
	if f.to != "" {
		if f.opt.To, err = release.ParseVersion(f.to); err != nil {
			return usageError{fmt.Errorf("--to: %w", err)}
		}
	}
	printer := newPrinter(a.out, a.err, a.json, f.check || f.dryRun)
	d, err := a.open(ctx, device.Options{Config: given, Tell: printer.tell, Wait: f.wait})
	if d == nil {
		return err
	}
	defer d.Close()
	modules, unknown := d.Select(names)
	if unknown != nil {
		return errors.Join(err, usageError{unknown})
	}
	printer.width = widest(modules)
	failed := []error{err} // what could not be recovered
	isNew := false
	for _, m := range modules {
		if channel != nil {
			m.Channel = *channel
		}
		var plan update.Plan
		err := d.Locked(ctx, m, nil, func() (err error) {
			plan, err = a.updateOne(ctx, d, m, f, printer)
			return err
		})
		printer.done()
		failed = append(failed, err)
		isNew = isNew || err == nil && plan.Changes()
		if ctx.Err() != nil {
			failed = append(failed, ctx.Err()) // those that follow were not begun
			break
		}
	}
	if err := errors.Join(failed...); err != nil {
		return err
	}
	if f.check && isNew {
		return errNew
	}
	return nil
}

func (a *app) updateOne(ctx context.Context, d *device.Device, m *device.Module, f updateFlags, p *printer) (update.Plan, error) {
	if !f.check && !f.dryRun {
		plan, err := d.Engine.Update(ctx, &m.Module, f.opt)
		if err == nil && plan.Action == update.Refuse && !f.opt.To.IsZero() {
			err = refused(m, plan)
		}
		return plan, err
	}
	plan, err := d.Engine.Check(ctx, &m.Module, f.opt)
	if err != nil {
		return plan, err
	}
	if f.dryRun {
		own, err := m.Slots.Own()
		return plan, errors.Join(err, p.plan(plan, own))
	}
	return plan, p.check(plan)
}

// config makes the configuration of --url; nil without it.
func (f *updateFlags) config(names []string) (*config.Config, error) {
	if f.url == "" {
		return nil, nil
	}
	if len(names) > 0 {
		return nil, usageError{fmt.Errorf("got --url and the module %s, want one of them; --name names the module of --url", names[0])}
	}
	url := f.url
	if !strings.Contains(url, "://") && !strings.Contains(url, "@") {
		if info, err := os.Stat(url); err != nil || !info.IsDir() {
			return nil, usageError{fault.Hint(fmt.Errorf("--url: there is no folder %s", url), "a repository is a folder, or a URL such as https://github.com/owner/irrigation")}
		}
	}
	if abs, err := filepath.Abs(url); err == nil { // a folder that is there, relative to where the person stands
		if info, err := os.Stat(url); err == nil && info.IsDir() {
			url = abs
		}
	}
	c, err := config.Single(url, f.dir, f.name)
	if err != nil {
		return nil, usageError{err}
	}
	m := &c.Modules[0]
	m.Forge, m.Asset, m.Token = f.forge, f.asset, config.NewSecret(os.Getenv("MOULT_TOKEN"))
	switch m.Forge {
	case "", "github", "gitea", "gitlab", "git":
	default:
		return nil, usageError{fmt.Errorf("--forge: got %q, want github, gitea, gitlab or git", m.Forge)}
	}
	if m.Asset != "" && !f.dirGiven {
		m.Dir = ""
	}
	return c, nil
}

// fit refuses flags that do not go together, and those that would be passed over.
func (f *updateFlags) fit(flags *pflag.FlagSet) error {
	f.dirGiven = flags.Changed("dir")
	if flags.Changed("url") && f.url == "" {
		return fmt.Errorf("--url: got an empty one")
	}
	if f.url == "" {
		for _, name := range []string{"dir", "name", "forge", "asset"} {
			if flags.Changed(name) {
				return fmt.Errorf("--%s: goes with --url", name)
			}
		}
	}
	for _, pair := range [][2]string{{"check", "dry-run"}, {"to", "channel"}} {
		if flags.Changed(pair[0]) && flags.Changed(pair[1]) {
			return fmt.Errorf("got --%s and --%s, want one of them", pair[0], pair[1])
		}
	}
	if f.wait < 0 {
		return fmt.Errorf("--wait: got %s, want 0 or more", f.wait)
	}
	return nil
}

func refused(m *device.Module, plan update.Plan) error {
	err := fmt.Errorf("update %s: refused: %s", m.Name, plan.Reason)
	if order, known := release.Compare(plan.Release.Version, plan.Installed); known && order < 0 {
		return hintDowngrade(err)
	}
	return err
}

func widest(modules []*device.Module) int {
	width := 0
	for _, m := range modules {
		width = max(width, len(m.Name))
	}
	return cmp.Or(width, 1)
}
