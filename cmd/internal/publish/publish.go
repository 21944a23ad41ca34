// Package publish is what a person types who publishes releases: the commands key and repo of moult. An agent has none of them.
package publish

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"moult/cmd/internal/command"
	"moult/disk"
	"moult/fault"
	"moult/journal"
	"moult/keyfile"
	"moult/repository"
)

// Commands are key and repo.
func Commands(s *command.Shell) []*cobra.Command {
	return []*cobra.Command{keyCommand(s), repoCommand(s)}
}

// repo is what the commands below repo share.
type repo struct {
	*command.Shell
	dir  string
	keys []string // files
	from string   // the folder of keys
	root string   // the trusted root: a file, or the SHA-256 of one
	ring *keyfile.Ring
	said map[string]string // passphrases, by the files that they unlock: nobody is asked twice
}

func repoCommand(s *command.Shell) *cobra.Command {
	r := &repo{Shell: s, said: map[string]string{}}
	cmd := &cobra.Command{
		Use:   "repo",
		Short: "Publish signed releases, as files for any web server",
		Long: `A signed repository is a folder of plain files that any static web server can host; devices trust what is signed in it,
and not the server. The root's keys, kept offline, say which keys may do what; the online key signs what changes every day.

Keys are looked for in --key FILE, in the folder --keys (by default the repository's name with -keys), and in the environment
as MOULT_KEY (PEM, for a CI's secrets). The passphrase of an encrypted key is asked at the terminal, or taken from MOULT_PASSPHRASE.

A command that is killed leaves the repository of before or after; what it left half-done, the next one finishes.

` + command.ExitHelp,
		Example: `  # make a repository with keys beside it, publish a folder, and look at it
  moult repo init updates
  moult repo add irrigation ./src --version 1.0 -C updates
  moult repo status -C updates`,
	}
	s.Holds(cmd)
	flags := cmd.PersistentFlags()
	flags.StringVarP(&r.dir, "directory", "C", cmp.Or(os.Getenv("MOULT_REPOSITORY"), "."), "the repository's folder (MOULT_REPOSITORY)")
	flags.StringArrayVar(&r.keys, "key", nil, "a private key's file; may be repeated")
	flags.StringVar(&r.from, "keys", "", "a folder of private keys (default: the repository's folder with -keys)")
	flags.StringVar(&r.root, "trust", os.Getenv("MOULT_TRUST"), "a root that must be in the repository, a file or its SHA-256 (MOULT_TRUST; default: root.json in the folder of keys)")
	_ = cmd.MarkPersistentFlagDirname("directory")
	_ = cmd.MarkPersistentFlagDirname("keys")
	cmd.AddCommand(r.init(), r.add(), r.sign(), r.rotate(), r.status(), r.verify(), r.remove(), r.prune(), r.bundle())
	return cmd
}

// keysDir is the folder of keys, and whether it was asked for.
func (r *repo) keysDir() (name string, asked bool, err error) {
	if r.from != "" {
		return r.from, true, nil
	}
	abs, err := filepath.Abs(r.dir)
	return abs + "-keys", false, err
}

// open reads the keys that the flags name, and opens the repository to change it.
func (r *repo) open() (*repository.Repository, func(), error) {
	if err := r.collect(); err != nil {
		return nil, nil, err
	}
	d, unlock, err := r.lock()
	if err != nil {
		return nil, nil, err
	}
	opened, err := repository.Open(d, time.Now)
	if err == nil {
		opened.Remember = r.rememberFloor
		err = r.pin(opened.View, true)
	}
	if err != nil {
		unlock()
		return nil, nil, err
	}
	return opened, unlock, nil
}

// What the folder of keys holds besides keys: the newest root that was seen, and the versions that were published.
const (
	trustedRoot = "root.json"
	floorFile   = "floor.json"
)

// pin says which root the repository must hold, and which versions it must not be below. Where no root is known, and something is
// to be signed, that is told.
func (r *repo) pin(v *repository.View, signs bool) error {
	floor, err := r.floor()
	if err != nil {
		return err
	}
	v.Hold(floor)
	if isDigest(r.root) {
		v.Trust(strings.ToLower(r.root))
		return nil
	}
	name := r.root
	if name == "" {
		dir, _, err := r.keysDir()
		if err != nil {
			return err
		}
		name = filepath.Join(dir, trustedRoot)
	}
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && r.root == "" {
		if !signs {
			return nil
		}
		if _, err := os.Stat(filepath.Dir(name)); err == nil { // an init that was cut, or keys that were moved: what is there now is trusted from now on
			return r.remember(v)
		}
		fmt.Fprintln(r.Err(), "warning: no root is trusted (--trust, MOULT_TRUST): who can write to the repository's folder could have something signed")
		return nil
	}
	if err != nil {
		return fmt.Errorf("--trust: %w", err)
	}
	v.Trust(fmt.Sprintf("%x", sha256.Sum256(data)))
	return nil
}

func isDigest(text string) bool {
	digest, err := hex.DecodeString(text)
	return err == nil && len(digest) == sha256.Size
}

// floor reads what was published from this folder of keys; none where there is no such file.
func (r *repo) floor() (repository.Floor, error) {
	dir, _, err := r.keysDir()
	if err != nil {
		return nil, err
	}
	name := filepath.Join(dir, floorFile)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var floor repository.Floor
	if err == nil {
		err = json.Unmarshal(data, &floor)
	}
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("%s: %w", name, err), "it holds the versions that were published; without it the repository's folder is believed as it is")
	}
	return floor, nil
}

// rememberFloor keeps what was published. Where that cannot be, as with keys on a stick that is not to be written to, the floor is behind,
// which is no harm but to what it is for.
func (r *repo) rememberFloor(floor repository.Floor) error {
	data, err := json.Marshal(floor)
	if err == nil {
		err = r.keep(floorFile, append(data, '\n'))
	}
	if err != nil {
		fmt.Fprintf(r.Err(), "warning: what was published is not remembered, and an older state would not be noticed: %v\n", err)
	}
	return nil
}

// remember keeps the newest root: the next command trusts it.
func (r *repo) remember(v *repository.View) error {
	root, err := v.NewestRoot()
	if err != nil {
		return err
	}
	return r.keep(trustedRoot, root)
}

// keep writes a file into the folder of keys, where there is one.
func (r *repo) keep(file string, data []byte) error {
	name, _, err := r.keysDir()
	if err != nil {
		return err
	}
	dir, err := disk.OpenDir(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	return disk.WriteFile(dir, file, data, 0o644)
}

// lock opens the repository's folder, and keeps others from changing it.
func (r *repo) lock() (*disk.Dir, func(), error) {
	d, err := r.folder()
	if err != nil {
		return nil, nil, err
	}
	unlock, err := journal.LockFile(filepath.Join(r.dir, ".lock"), "this repository")
	if err != nil {
		d.Close()
		return nil, nil, err
	}
	return d, func() { unlock(); d.Close() }, nil
}

func (r *repo) folder() (*disk.Dir, error) {
	info, err := os.Stat(r.dir)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("-C: got %s, which is %s, want a folder", r.dir, disk.Describe(info.Mode()))
	}
	if err != nil {
		return nil, command.Usage(fault.Hint(err, "-C names the repository's folder; make one: moult repo init FOLDER"))
	}
	return disk.OpenDir(r.dir)
}

// look opens the repository to look at it alone: no key, no lock.
func (r *repo) look() (*repository.View, func(), error) {
	d, err := r.folder()
	if err != nil {
		return nil, nil, err
	}
	v, err := repository.Look(d, time.Now)
	if err == nil {
		err = r.pin(v, false)
	}
	if err != nil {
		d.Close()
		return nil, nil, err
	}
	return v, func() { d.Close() }, nil
}

// collect finds the keys.
func (r *repo) collect() error {
	r.ring = keyfile.NewRing(r.passphrase)
	for _, name := range r.keys {
		if err := r.ring.AddFile(name); err != nil {
			return fmt.Errorf("--key: %w", err)
		}
	}
	if text := os.Getenv("MOULT_KEY"); text != "" {
		files, err := keyfile.ParseAll("MOULT_KEY", []byte(text))
		if err != nil {
			return err
		}
		for _, f := range files {
			r.ring.Add(f)
		}
	}
	dir, asked, err := r.keysDir()
	if err != nil {
		return err
	}
	err = r.ring.AddDir(dir)
	if errors.Is(err, fs.ErrNotExist) && !asked {
		return nil
	}
	if err != nil {
		return fmt.Errorf("--keys: %w", err)
	}
	return nil
}

// passphrase asks for a key's passphrase.
func (r *repo) passphrase(name string) (text string, err error) {
	if text, known := r.said[name]; known {
		return text, nil
	}
	if text, err = askPassphrase(r.Shell, name, false); err == nil {
		r.said[name] = text
	}
	return text, err
}

// askPassphrase asks at the terminal, twice for a new one; or takes what the environment says.
func askPassphrase(s *command.Shell, name string, isNew bool) (string, error) {
	if text := os.Getenv("MOULT_PASSPHRASE"); text != "" {
		return text, nil
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return "", fault.Hint(errors.New("it needs a passphrase, and there is no terminal to ask at"), "set MOULT_PASSPHRASE")
	}
	defer tty.Close()
	read := func(question string) (string, error) {
		fmt.Fprintf(tty, "%s: ", question)
		text, err := term.ReadPassword(int(tty.Fd()))
		fmt.Fprintln(tty)
		return string(text), err
	}
	if !isNew {
		return read("passphrase of " + name)
	}
	text, err := read("new passphrase of " + name)
	if err != nil || text == "" {
		return "", errors.Join(err, errors.New("got an empty passphrase"))
	}
	if again, err := read("once more"); err != nil || again != text {
		return "", errors.Join(err, errors.New("got two different passphrases"))
	}
	return text, nil
}

// used tells which keys signed, so that nobody need guess.
func (r *repo) used() {
	if r.JSON() {
		return
	}
	for _, f := range r.ring.Used() {
		fmt.Fprintf(r.Out(), "signed with %s (%s)\n", repository.Short(f.ID), f.Name)
	}
}

// signedRoles is what a command signed, in JSON.
type signedRoles struct {
	Signed []string `json:"signed"`
}

// changed tells what a command signed.
func (r *repo) changed(roles []string) {
	if len(roles) > 0 && !r.JSON() {
		fmt.Fprintf(r.Out(), "signed %s\n", strings.Join(roles, ", "))
		r.used()
	}
}

// modules completes the names of modules, for the first argument.
func (r *repo) modules(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	v, done, err := r.look()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer done()
	status, err := v.Status()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, m := range status.Modules {
		names = append(names, m.Module)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// until is a time in words that a person needs no calendar for.
func until(now, t time.Time) string {
	left := t.Sub(now)
	switch {
	case left <= 0:
		return "expired on " + t.Format(time.DateOnly)
	case left < 48*time.Hour:
		return fmt.Sprintf("%d hours left", int(left.Hours()))
	}
	return fmt.Sprintf("%d days left", int(left.Hours()/24))
}
