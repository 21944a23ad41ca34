package publish

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"moult/cmd/internal/command"
	"moult/disk"
	"moult/release"
	"moult/repository"
	"moult/update"
)

func (r *repo) status() *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "Show roles, keys, expiries, modules and releases",
		Long:    "Status shows what stands in the repository, each signature proven. It needs no key.\n\n" + command.ExitHelp,
		Example: "  moult repo status -C updates",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v, done, err := r.look()
			if err != nil {
				return err
			}
			defer done()
			status, err := v.Status()
			if err != nil {
				return err
			}
			if r.JSON() {
				return r.Object(status)
			}
			r.printStatus(status)
			return nil
		},
	}
}

func (r *repo) printStatus(s *repository.Status) {
	now := time.Now()
	for _, role := range s.Roles {
		due := ""
		if role.Due {
			due = ", due to be signed"
		}
		fmt.Fprintf(r.Out(), "%-12s version %d, %s%s, %d bytes\n", role.Role, role.Version, until(now, role.Expires), due, role.Bytes)
		var keys []string
		for _, k := range role.Keys {
			keys = append(keys, repository.Short(k.ID)+" "+k.Kind)
		}
		fmt.Fprintf(r.Out(), "  %d of %s\n", role.Threshold, strings.Join(keys, ", "))
	}
	for _, m := range s.Modules {
		fmt.Fprintf(r.Out(), "%s\n", m.Module)
		for _, t := range m.Releases {
			text := t.Version.String()
			if t.Prerelease {
				text += ", pre-release"
			}
			if len(t.Devices) > 0 {
				text += ", for " + strings.Join(t.Devices, " ")
			}
			fmt.Fprintf(r.Out(), "  %s\n", text)
		}
	}
}

// errFound ends verify where something is wrong: it was printed already.
var errFound = errors.New("the repository is not as it must be")

func (r *repo) verify() *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Check every signature, version, expiry, file and bundle",
		Long: `Verify checks the whole repository as devices would, and more: signatures, thresholds, versions, expiries, each manifest and file
by its hash, each bundle to its last byte. What nothing names is a warning. It needs no key.

` + command.ExitHelp,
		Example: "  moult repo verify -C updates",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return r.runVerify(cmd.Context()) },
	}
}

func (r *repo) runVerify(ctx context.Context) error {
	v, done, err := r.look()
	if err != nil {
		return err
	}
	defer done()
	step, ended := r.Steps("verify")
	report, err := v.Verify(ctx, func(t repository.Target) { step(t.Module + " " + t.Version.String()) })
	ended()
	if err != nil {
		return err
	}
	if r.JSON() {
		if err := r.Object(report); err != nil {
			return err
		}
	} else {
		for _, f := range report.Findings {
			word := "wrong"
			if f.Warning {
				word = "warning"
			} else if f.Reason != "" {
				word = "wrong (" + string(f.Reason) + ")"
			}
			fmt.Fprintf(r.Out(), "%s: %s\n", word, f.Text)
		}
		fmt.Fprintf(r.Out(), "checked %s, %s, %s of %s, %s\n", update.Plural(report.Modules, "module"), update.Plural(report.Releases, "release"),
			update.Plural(report.Files, "file"), command.Size(report.Bytes), update.Plural(report.Bundles, "bundle"))
	}
	if !report.OK() {
		return errFound
	}
	return nil
}

func (r *repo) remove() *cobra.Command {
	return &cobra.Command{
		Use:   "remove MODULE [VERSION]",
		Short: "Withdraw a release, or a module with all of its releases",
		Long: `Remove takes a release out of its module's role, or a module out of the repository, which takes the root's key. Devices that have the
release keep it, and are led away from it by a newer one.

` + command.ExitHelp,
		Example:           "  moult repo remove irrigation 1.3 -C updates",
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: r.modules,
		RunE: func(cmd *cobra.Command, args []string) error {
			var v release.Version
			if len(args) == 2 {
				var err error
				if v, err = release.ParseVersion(args[1]); err != nil {
					return command.Usage(err)
				}
			}
			opened, done, err := r.open()
			if err != nil {
				return err
			}
			defer done()
			signed, err := opened.Remove(cmd.Context(), r.ring, args[0], v)
			if err != nil {
				return err
			}
			if r.JSON() {
				return r.Object(signedRoles{signed})
			}
			fmt.Fprintf(r.Out(), "removed %s\n", strings.Join(args, " "))
			r.changed(signed)
			return nil
		},
	}
}

func (r *repo) prune() *cobra.Command {
	keep := 0
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Take old releases out, and remove what nothing names any more",
		Long: `Prune keeps the newest releases of each module, and the newest of each channel and kind of devices. Roots always stay; what the state
before the last names stays once more, for devices in the middle of an update.

` + command.ExitHelp,
		Example: "  moult repo prune -C updates --keep 3",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opened, done, err := r.open()
			if err != nil {
				return err
			}
			defer done()
			if !cmd.Flags().Changed("keep") {
				keep = opened.Settings().Keep
			}
			pruned, err := opened.Prune(cmd.Context(), r.ring, keep)
			if err != nil {
				return err
			}
			if r.JSON() {
				return r.Object(pruned)
			}
			fmt.Fprintf(r.Out(), "took out %s, removed %s of %s\n", update.Plural(len(pruned.Releases), "release"), update.Plural(pruned.Files, "file"), command.Size(pruned.Bytes))
			r.changed(pruned.Signed)
			return nil
		},
	}
	cmd.Flags().IntVar(&keep, "keep", 0, "releases of a module that stay (default: as settings.json says)")
	return cmd
}

func (r *repo) bundle() *cobra.Command {
	var b repository.Bundle
	var out, from, to, channel string
	cmd := &cobra.Command{
		Use:   "bundle MODULE -o FILE",
		Short: "Make a bundle: a whole update in one file, as for a stick",
		Long: `Bundle writes one file that holds a release with all that proves it. A device that has nothing of the module takes it, or, with --from,
one that has that version, in far fewer bytes. It is good until the repository's timestamp expires. It needs no key.

` + command.ExitHelp,
		Example: `  moult repo bundle irrigation -C updates -o /media/stick/irrigation.bundle
  moult repo bundle irrigation -C updates -o small.bundle --from 1.2 --window 10`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.modules,
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return command.Usage(errors.New("got no -o FILE to write the bundle to"))
			}
			if b.Window != 0 && (b.Window < 10 || b.Window > 15) {
				return command.Usage(fmt.Errorf("--window: got %d, want 10 to 15", b.Window))
			}
			b.Module = args[0]
			var err error
			b.Channel, err = release.ParseChannel(channel)
			if err == nil {
				err = b.From.UnmarshalText([]byte(from))
			}
			if err == nil {
				err = b.To.UnmarshalText([]byte(to))
			}
			if err != nil {
				return command.Usage(err)
			}
			return r.runBundle(cmd.Context(), b, out)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&out, "output", "o", "", "the file to write")
	flags.StringVar(&from, "from", "", "the version that the device has (default: nothing)")
	flags.StringVar(&to, "to", "", "the version to bundle (default: the newest of the channel)")
	flags.StringVar(&channel, "channel", "", `stable, beta, or a constraint such as "~> 1.2"`)
	flags.IntVar(&b.Window, "window", 0, "reach back 2^10 to 2^15 bytes: the device needs that much RAM (default: as settings.json says)")
	return cmd
}

func (r *repo) runBundle(ctx context.Context, b repository.Bundle, out string) error {
	v, done, err := r.look()
	if err != nil {
		return err
	}
	defer done()
	dir, err := disk.OpenDir(filepath.Dir(out))
	if err != nil {
		return err
	}
	defer dir.Close()
	name := filepath.Base(out)
	beside := "." + name + ".new"
	if err := disk.Remove(dir, beside); err != nil {
		return err
	}
	f, err := dir.Create(beside, 0o644)
	if err != nil {
		return err
	}
	made, err := v.WriteBundle(ctx, f, b)
	if err = disk.Finish(f, err); err == nil {
		err = dir.Rename(beside, name)
	}
	if err != nil {
		return errors.Join(err, disk.Remove(dir, beside))
	}
	if err := dir.SyncDir("."); err != nil {
		return err
	}
	if r.JSON() {
		return r.Object(made)
	}
	what := "whole"
	if !made.From.IsZero() {
		what = "from " + made.From.String()
	}
	fmt.Fprintf(r.Out(), "%s: %s %s, %s, %s\n", out, made.Module, made.To, what, command.Size(made.Bytes))
	return nil
}
