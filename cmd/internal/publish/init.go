package publish

import (
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"moult/cmd/internal/command"
	"moult/fault"
	"moult/keyfile"
	"moult/repository"
)

// initFlags are what init is asked for.
type initFlags struct {
	root, online []string
	threshold    int
	kind         string
	encrypt      bool
	expires      map[string]string
	settings     repository.Settings
}

func (r *repo) init() *cobra.Command {
	f := initFlags{kind: string(repository.RSA2048), settings: repository.DefaultSettings}
	cmd := &cobra.Command{
		Use:   "init FOLDER",
		Short: "Make a repository, and the keys that it has not been given",
		Long: `Init makes a repository without modules. Two keys are made in FOLDER-keys where none are given: root.pem, which signs root and
targets (which key may sign which module), and online.pem, which signs what changes every day. Move root.pem to a safe place,
such as two sticks: it is needed when a module is added, when keys change, and once a year.

Then give every device FOLDER/metadata/1.root.json: it is what they trust.

` + command.ExitHelp,
		Example: `  moult repo init updates

  # two of three people must agree; their private keys are at hand now, and then no more
  moult repo init updates --root-key ana.pem --root-key bo.pem --root-key cy.pub --threshold 2`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.dir = args[0]
			return r.runInit(f)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.root, "root-key", nil, "a key of the root; may be repeated, and public ones too, as long as the threshold is at hand")
	flags.StringArrayVar(&f.online, "online-key", nil, "a key that signs timestamp, snapshot and modules; may be repeated")
	flags.IntVar(&f.threshold, "threshold", 1, "how many of the root's keys it takes")
	kindFlag(cmd, &f.kind)
	flags.BoolVar(&f.encrypt, "encrypt", false, "encrypt the root key that is made with a passphrase")
	flags.StringToStringVar(&f.expires, "expires", nil, "lifetimes, such as root=365d,targets=365d,module=365d,snapshot=30d,timestamp=7d")
	flags.IntVar(&f.settings.Keep, "keep", f.settings.Keep, "releases of a module that stay")
	flags.IntVar(&f.settings.Window, "window", f.settings.Window, "the window of bundles, 2^10 to 2^15 bytes: a device needs that much RAM")
	return cmd
}

// lifetimes reads --expires.
func (f *initFlags) lifetimes() error {
	l := &f.settings.Expires
	of := map[string]*repository.Lifetime{repository.Root: &l.Root, repository.Targets: &l.Targets, "module": &l.Module,
		repository.Snapshot: &l.Snapshot, repository.Timestamp: &l.Timestamp}
	for role, text := range f.expires {
		if of[role] == nil {
			return fmt.Errorf("--expires: got %q, want root, targets, module, snapshot or timestamp", role)
		}
		if err := of[role].Set(text); err != nil {
			return fmt.Errorf("--expires %s: %w", role, err)
		}
	}
	return nil
}

func (r *repo) runInit(f initFlags) error {
	if err := f.lifetimes(); err != nil {
		return command.Usage(err)
	}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return err
	}
	d, unlock, err := r.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := repository.Look(d, time.Now); !errors.Is(err, repository.ErrNone) {
		return errors.Join(fault.Hint(fmt.Errorf("%s: there is a repository already", r.dir), "moult repo status shows it"), err)
	}
	if err := r.collect(); err != nil {
		return err
	}
	plan := repository.Plan{Settings: f.settings, Threshold: f.threshold}
	if plan.Root, err = r.publicKeys(f.root, "root.pem", f.kind, f.encrypt); err != nil {
		return err
	}
	if plan.Online, err = r.publicKeys(f.online, "online.pem", f.kind, false); err != nil {
		return err
	}
	made, err := repository.Init(d, time.Now, r.ring, plan)
	if err != nil {
		return err
	}
	if err := r.remember(made.View); err != nil {
		return err
	}
	if r.JSON() {
		status, err := made.Status()
		if err != nil {
			return err
		}
		return r.Object(status)
	}
	fmt.Fprintf(r.Out(), "made the repository %s\n", r.dir)
	r.used()
	fmt.Fprintf(r.Out(), "devices trust %s: give it to them\nput the root's key in a safe place; add releases with: moult repo add MODULE FOLDER --version V -C %s\n",
		filepath.Join(r.dir, "metadata", "1.root.json"), r.dir)
	return nil
}

// publicKeys returns the keys that were named; where none was, the one of that name in the folder of keys, which is made where it is not there.
func (r *repo) publicKeys(names []string, name, kind string, encrypt bool) ([]crypto.PublicKey, error) {
	if len(names) == 0 {
		dir, _, err := r.keysDir()
		if err != nil {
			return nil, err
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		name = filepath.Join(dir, name)
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			f, err := makeKey(r.Shell, name, kind, encrypt)
			if err != nil {
				return nil, err
			}
			if !r.JSON() {
				fmt.Fprintf(r.Out(), "made the key %s (%s)\n", name, repository.Short(f.ID))
			}
		}
		names = []string{name}
	}
	var keys []crypto.PublicKey
	for _, name := range names {
		f, err := keyfile.Read(name)
		if err != nil {
			return nil, err
		}
		r.ring.Add(f)
		keys = append(keys, f.Public)
	}
	return keys, nil
}
