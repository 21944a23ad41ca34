package publish

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"moult/cmd/internal/command"
	"moult/cmd/internal/device"
	"moult/config"
	"moult/fault"
	"moult/keyfile"
	"moult/release"
	"moult/repository"
	"moult/update"
	"moult/web"
)

// addFlags are what add is asked for.
type addFlags struct {
	from, tag, channel, dir, asset, forge string // from a source
	version, source, commit               string // from a folder
	prerelease                            bool
	devices, signers                      []string
	threshold                             int
}

func (r *repo) add() *cobra.Command {
	var f addFlags
	cmd := &cobra.Command{
		Use:   "add MODULE (FOLDER --version V | --from URL)",
		Short: "Publish a release: its files, its manifest, its bundles, and sign",
		Long: `Add takes a release's files from a folder, or from a release of any source, and makes it visible to devices in one step. What is
there already is not added again; a release that was published never changes. Releases beyond those that are kept leave.

A new module is signed by the online key, or by the keys of --signer: its author's, so that whoever holds the online key cannot forge it.
A module that is new needs the root's keys.

` + command.ExitHelp,
		Example: `  moult repo add irrigation ./src --version 1.0 -C updates
  moult repo add irrigation --from https://github.com/owner/irrigation --tag v1.3
  moult repo add controller --from https://github.com/owner/controller --asset controller_linux_arm64.tar.gz --device linux/arm64

  # in CI: the folder is a checkout, and where it came from stands in the manifest
  moult repo add irrigation main --version "$TAG" --source https://github.com/owner/irrigation --commit "$COMMIT"`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: r.modules,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.fit(cmd.Flags(), args); err != nil {
				return command.Usage(err)
			}
			return r.runAdd(cmd.Context(), f, args)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.version, "version", "", "of a folder: the release's version")
	flags.StringVar(&f.source, "source", "", "the URL of the repository that it came from (default: that of --from, where it is one)")
	flags.StringVar(&f.commit, "commit", "", "of a folder: the commit that it came from")
	flags.StringVar(&f.from, "from", "", "a repository on GitHub, Gitea, Forgejo, GitLab, or any git repository (token: MOULT_TOKEN)")
	flags.StringVar(&f.tag, "tag", "", "with --from: the release (default: the newest of the channel)")
	flags.StringVar(&f.channel, "channel", "", `with --from: stable, beta, or a constraint such as "~> 1.2"`)
	flags.StringVar(&f.dir, "dir", config.DefaultDir, "with --from: the directory to publish; . for all of it")
	flags.StringVar(&f.asset, "asset", "", "with --from: a release asset to publish instead")
	flags.StringVar(&f.forge, "forge", "", "with --from: github, gitea, gitlab or git, where the host does not tell")
	flags.BoolVar(&f.prerelease, "prerelease", false, "only devices on the channel beta take it")
	flags.StringArrayVar(&f.devices, "device", nil, "a kind of devices that the release is for, such as esp32; may be repeated (default: all)")
	flags.StringArrayVar(&f.signers, "signer", nil, "of a new module: a public key that signs its releases; may be repeated (default: the online key)")
	flags.IntVar(&f.threshold, "threshold", 1, "of a new module: how many of its keys it takes")
	return cmd
}

// fit refuses flags that do not go together.
func (f *addFlags) fit(flags *pflag.FlagSet, args []string) error {
	folder, source := []string{"version", "commit"}, []string{"tag", "channel", "dir", "asset", "forge"}
	switch {
	case len(args) == 2 && f.from != "":
		return fmt.Errorf("got the folder %s and --from, want one of them", args[1])
	case len(args) == 1 && f.from == "":
		return fault.Hint(errors.New("got nothing to publish, want a folder or --from"), "moult repo add "+args[0]+" FOLDER --version V")
	case len(args) == 2 && f.version == "":
		return errors.New("--version: a folder needs one")
	case f.tag != "" && f.channel != "":
		return errors.New("got --tag and --channel, want one of them")
	}
	wrong := source
	if f.from != "" {
		wrong = folder
	}
	for _, name := range wrong {
		if flags.Changed(name) {
			return fmt.Errorf("--%s: does not go with what is published", name)
		}
	}
	if f.asset != "" && !flags.Changed("dir") {
		f.dir = ""
	}
	return release.CheckModule(args[0])
}

func (r *repo) runAdd(ctx context.Context, f addFlags, args []string) error {
	head := repository.Head{Module: args[0], Repository: f.source, Commit: f.commit, Prerelease: f.prerelease, Devices: f.devices, Threshold: f.threshold}
	for _, name := range f.signers {
		key, err := keyfile.Read(name)
		if err != nil {
			return fmt.Errorf("--signer: %w", err)
		}
		head.Signers = append(head.Signers, crypto.PublicKey(key.Public))
	}
	opened, done, err := r.open()
	if err != nil {
		return err
	}
	defer done()
	var fill repository.Fill
	if f.from == "" {
		if head.Version, err = release.ParseVersion(f.version); err != nil {
			return command.Usage(fmt.Errorf("--version: %w", err))
		}
		own, err := r.own()
		if err != nil {
			return err
		}
		fill = fromFolder(args[1], own)
	} else {
		s, err := r.source(ctx, f, args[0])
		if err != nil {
			return fmt.Errorf("--from: %w", err)
		}
		defer s.close()
		head.Version, head.Commit = s.release.Version, s.release.Commit
		if head.Repository == "" {
			head.Repository = s.url
		}
		head.Prerelease = head.Prerelease || s.release.Prerelease
		told, ended := r.Received(args[0])
		defer ended()
		s.want.Progress = told
		fill = func(put func(release.File) error) (string, error) {
			fetched, err := s.source.Fetch(ctx, s.release, s.want, put)
			return fetched.Commit, err
		}
	}
	step, ended := r.Steps("publish")
	if f.from == "" { // what is received has a bar of its own
		opened.Tell = step
	}
	added, err := opened.Add(ctx, r.ring, head, fill)
	ended()
	if err != nil {
		return err
	}
	if r.JSON() {
		return r.Object(added)
	}
	m := added.Manifest
	if len(added.Signed) == 0 {
		fmt.Fprintf(r.Out(), "%s %s is published already\n", m.Module, m.Version)
		return nil
	}
	fmt.Fprintf(r.Out(), "published %s %s: %s, %s; %s new, %s\n", m.Module, m.Version, update.Plural(len(m.Files), "file"), command.Size(m.Size()),
		update.Plural(added.NewFiles, "file"), command.Size(added.NewBytes))
	r.changed(added.Signed)
	return nil
}

// origin is a release of a source, before it is fetched.
type origin struct {
	source  release.Source
	release release.Release
	want    release.Want
	url     string
	close   func()
}

// source finds the release that --from means.
func (r *repo) source(ctx context.Context, f addFlags, module string) (o origin, err error) {
	if info, err := os.Stat(f.from); err == nil && info.IsDir() {
		if f.from, err = filepath.Abs(f.from); err != nil {
			return o, err
		}
	}
	dir := f.dir
	if dir == "." {
		dir = ""
	}
	c, err := config.Single(f.from, dir, module)
	if err != nil {
		return o, command.Usage(err)
	}
	m := c.Modules[0]
	m.Forge, m.Asset, m.Token = f.forge, f.asset, config.NewSecret(os.Getenv("MOULT_TOKEN"))
	channel, err := release.ParseChannel(f.channel)
	if err == nil && f.tag != "" {
		var v release.Version
		v, err = release.ParseVersion(f.tag)
		channel = release.Pin(v)
	}
	if err != nil {
		return o, command.Usage(err)
	}
	temp, err := os.MkdirTemp("", "moult-")
	if err != nil {
		return o, err
	}
	client := web.New(web.Options{Version: r.Version()})
	o = origin{want: release.Want{Dir: m.Dir, Asset: m.Asset}, close: func() { client.Close(); os.RemoveAll(temp) }}
	if o.source, err = (device.Origin{Config: c, Client: client, Linked: r.Linked(), Temp: temp}).Source(ctx, m); err == nil {
		var answer release.Answer
		answer, err = o.source.Latest(ctx, release.Query{Channel: channel})
		o.release = answer.Release
	}
	if err != nil {
		o.close()
	}
	if strings.Contains(f.from, "://") { // a folder of this computer is nobody else's business
		o.url = f.from
	}
	return o, err
}
