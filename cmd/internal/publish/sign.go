package publish

import (
	"context"
	"crypto"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"moult/clock"
	"moult/cmd/internal/command"
	"moult/keyfile"
	"moult/repository"
)

func (r *repo) sign() *cobra.Command {
	force, restored, every := false, false, time.Duration(0)
	cmd := &cobra.Command{
		Use:   "sign",
		Short: "Sign anew what has spent more than half its life",
		Long: `Sign keeps a repository from expiring: what has spent more than half its life is signed anew, of all that the keys at hand can sign.
Let a scheduled job run it, once a day, where nothing runs all the time; or let it run all the time with --every.

A folder that is older than what was published (floor.json in the folder of keys says) is not signed. Where it is your own backup, and what was
newer is lost, --restored signs it with versions above all that devices have seen, so that they take it.

` + command.ExitHelp,
		Example: `  moult repo sign -C updates
  moult repo sign -C updates --every 1h`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if every != 0 && every < time.Second {
				return command.Usage(fmt.Errorf("--every: got %s, want at least 1s", every))
			}
			if restored && (force || every != 0) {
				return command.Usage(fmt.Errorf("--restored: does not go with --force and --every"))
			}
			if restored {
				return r.runRestore(cmd.Context())
			}
			for {
				err := r.runSign(cmd.Context(), force)
				if err != nil && (every == 0 || cmd.Context().Err() != nil) {
					return err
				}
				if err != nil { // the next round may do better, as when the disk has room again
					fmt.Fprintf(r.Err(), "sign: %v\n", err)
				}
				if every == 0 {
					return nil
				}
				if err := clock.Sleep(cmd.Context(), every); err != nil {
					return err
				}
			}
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "sign the timestamp in any case")
	cmd.Flags().BoolVar(&restored, "restored", false, "sign a backup that was put back, above what was published")
	cmd.Flags().DurationVar(&every, "every", 0, "go on, and look again each time this has passed, such as 1h")
	return cmd
}

func (r *repo) runRestore(ctx context.Context) error {
	opened, done, err := r.open()
	if err != nil {
		return err
	}
	defer done()
	signed, err := opened.Restore(ctx, r.ring)
	if err != nil {
		return err
	}
	if r.JSON() {
		return r.Object(signedRoles{signed})
	}
	r.changed(signed)
	return nil
}

func (r *repo) runSign(ctx context.Context, force bool) error {
	opened, done, err := r.open()
	if err != nil {
		return err
	}
	defer done()
	signed, err := opened.Sign(ctx, r.ring, force)
	if err != nil {
		return err
	}
	if r.JSON() {
		return r.Object(signed)
	}
	r.changed(signed.Roles)
	for _, w := range signed.Wait {
		fmt.Fprintf(r.Out(), "%s waits for its key: %s\n", w.Role, until(time.Now(), w.Expires))
	}
	if len(signed.Roles) == 0 {
		fmt.Fprintf(r.Out(), "nothing to sign before %s\n", signed.Next.Local().Format(time.DateTime))
	}
	return nil
}

func (r *repo) rotate() *cobra.Command {
	var role string
	var add, remove []string
	var threshold int
	cmd := &cobra.Command{
		Use:   "rotate --role ROLE [--add KEY…] [--remove ID…]",
		Short: "Change the keys of a role",
		Long: `Rotate gives a role other keys, as TUF prescribes: a new root is signed by the threshold of the old root and by its own, and devices
follow from one to the next. What has too few good signatures then is signed anew.

A role is root, targets, timestamp, snapshot or a module; online is timestamp, snapshot and the modules that the online key signs;
offline is root and targets. Keys to add may be public ones; an id to remove may be cut short.

` + command.ExitHelp,
		Example: `  # the online key was stolen
  moult key make updates-keys/online2.pem
  moult repo rotate -C updates --role online --add updates-keys/online2.pem --remove 1f6b02c4

  # the author signs from now on
  moult repo rotate -C updates --role irrigation --add author.pem --remove 1f6b02c4`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			change := repository.Rotation{Role: role, Remove: remove, Threshold: threshold}
			if role == "" || len(add)+len(remove) == 0 && threshold == 0 {
				return command.Usage(fmt.Errorf("got nothing to change, want --role and --add, --remove or --threshold"))
			}
			return r.runRotate(cmd.Context(), change, add)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&role, "role", "", "root, targets, timestamp, snapshot, a module, online or offline")
	flags.StringArrayVar(&add, "add", nil, "a key's file, public or private; may be repeated")
	flags.StringArrayVar(&remove, "remove", nil, "a key's id, or its beginning; may be repeated")
	flags.IntVar(&threshold, "threshold", 0, "how many of the role's keys it takes (default: as it is)")
	_ = cmd.RegisterFlagCompletionFunc("role", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		names, _ := r.modules(nil, nil, "")
		return append(names, repository.Online, repository.Offline, repository.Root, repository.Targets, repository.Snapshot, repository.Timestamp), cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

func (r *repo) runRotate(ctx context.Context, change repository.Rotation, add []string) error {
	opened, done, err := r.open()
	if err != nil {
		return err
	}
	defer done()
	for _, name := range add {
		f, err := keyfile.Read(name)
		if err != nil {
			return fmt.Errorf("--add: %w", err)
		}
		r.ring.Add(f)
		change.Add = append(change.Add, crypto.PublicKey(f.Public))
	}
	signed, err := opened.Rotate(ctx, r.ring, change)
	if err != nil {
		return err
	}
	if err := r.remember(opened.View); err != nil {
		return err
	}
	if r.JSON() {
		return r.Object(signedRoles{signed})
	}
	if len(signed) == 0 {
		fmt.Fprintf(r.Out(), "%s has these keys already\n", change.Role)
	}
	r.changed(signed)
	return nil
}
