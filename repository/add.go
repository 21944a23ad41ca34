package repository

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"moult/disk"
	"moult/fault"
	"moult/release"
)

// Head is what a release is published as.
type Head struct {
	Module     string
	Version    release.Version
	Repository string   // where it came from: a URL, without user or password
	Commit     string   // in hex, where it is known beforehand; what Fill returns wins
	Prerelease bool     // the source says so; a version may say so too
	Devices    []string // the kinds of devices that it is for; none: all

	// Signers are the public keys that a new module's releases are signed with; none: the online key. Threshold is how many of them
	// it takes, 0 for one.
	Signers   []crypto.PublicKey
	Threshold int
	Limits    release.Limits
}

// Fill gives the files of a release to put, one after another, and returns the commit where it learned it.
type Fill func(put func(release.File) error) (commit string, err error)

// Added is what Add did.
type Added struct {
	Manifest *release.Manifest `json:"manifest"`
	SHA256   string            `json:"sha256"`   // of the manifest
	Length   int64             `json:"length"`   // of the manifest
	NewFiles int               `json:"newFiles"` // that the repository had not
	NewBytes int64             `json:"newBytes"`
	Signed   []string          `json:"signed"` // the roles; none where the release was there already
}

// custom is what a target says beyond TUF. The fields stand in the order of their names.
type custom struct {
	Devices    []string `json:"devices,omitempty"`
	Prerelease bool     `json:"prerelease,omitempty"`
}

// ErrOther means that the repository has another release of that version: a release never changes.
var ErrOther = errors.New("there is another release of this version")

// Add publishes a release: its files, its manifest, and then, in one step, the metadata that names them. A release that is
// there already, with the same files, is no change.
func (r *Repository) Add(ctx context.Context, keys Keys, head Head, fill Fill) (Added, error) {
	added, err := r.add(ctx, keys, head, fill)
	if err != nil {
		return Added{}, fmt.Errorf("add %s %s: %w", head.Module, head.Version, err)
	}
	return added, nil
}

func (r *Repository) add(ctx context.Context, keys Keys, head Head, fill Fill) (Added, error) {
	if err := head.check(); err != nil {
		return Added{}, err
	}
	d, err := r.draft(keys)
	if err != nil {
		return Added{}, err
	}
	needs := []string{head.Module, Snapshot, Timestamp}
	if d.delegation(head.Module) == nil {
		if err := d.delegate(head); err != nil {
			return Added{}, err
		}
		needs = append([]string{Targets}, needs...)
	} else if len(head.Signers) > 0 || head.Threshold > 1 {
		return Added{}, fault.Hint(errors.New("the module is there already, with its own keys"), "moult repo rotate changes them")
	}
	if err := d.canSign(needs...); err != nil {
		return Added{}, err
	}
	s := &store{Repository: r, ctx: ctx, dirs: map[string]bool{filesDir: true}, buf: make([]byte, 64<<10),
		added: Added{Manifest: &release.Manifest{Module: head.Module, Version: head.Version, Repository: head.Repository, Commit: head.Commit}}}
	if err := disk.MkdirAll(r.disk, filesDir, 0o755); err != nil {
		return Added{}, err
	}
	guard := release.NewGuard(head.Limits)
	commit, err := fill(func(f release.File) error {
		if release.IsOurs(f.Path) {
			return nil // what a release ships under the updater's own names is not installed
		}
		return guard.Pass(f, s.put)
	})
	if err != nil {
		return Added{}, err
	}
	if commit != "" {
		s.added.Manifest.Commit = commit
	}
	if err := s.finish(); err != nil {
		return Added{}, err
	}
	if err := d.name(head, s.added); err != nil {
		return Added{}, err
	}
	if s.added.Signed, err = d.publish(); err != nil {
		return Added{}, err
	}
	return s.added, r.follow(ctx)
}

func (h Head) check() error {
	if err := release.CheckModule(h.Module); err != nil {
		return err
	}
	if err := release.CheckPublished(h.Version); err != nil {
		return err
	}
	for _, kind := range h.Devices {
		if err := release.CheckKind(kind); err != nil {
			return err
		}
	}
	return nil
}

// delegate makes a role for a new module.
func (d *draft) delegate(head Head) error {
	signed := &d.targets.Signed
	if signed.Delegations == nil {
		signed.Delegations = &metadata.Delegations{Keys: map[string]*metadata.Key{}}
	}
	role := metadata.DelegatedRole{Name: head.Module, Threshold: max(head.Threshold, 1), Terminating: true, Paths: []string{head.Module + "/*"}}
	var err error
	if len(head.Signers) > 0 {
		role.KeyIDs, err = addKeys(signed.Delegations.Keys, head.Signers)
	} else { // the online key signs it
		online := d.root.Signed.Roles[Timestamp]
		role.KeyIDs = slices.Clone(online.KeyIDs)
		for _, id := range online.KeyIDs {
			signed.Delegations.Keys[id] = d.root.Signed.Keys[id]
		}
	}
	if err == nil && role.Threshold > len(role.KeyIDs) {
		err = fmt.Errorf("threshold: got %d with %d keys", role.Threshold, len(role.KeyIDs))
	}
	signed.Delegations.Roles = append(signed.Delegations.Roles, role)
	d.due[Targets] = true
	d.settle()
	return err
}

// name puts a release into its module's role, the oldest beyond what is kept out of it.
func (d *draft) name(head Head, added Added) error {
	target := head.Module + "/" + head.Version.String()
	hash, err := hexBytes(added.SHA256)
	if err != nil {
		return err
	}
	file := &metadata.TargetFiles{Length: added.Length, Hashes: metadata.Hashes{"sha256": hash}}
	if head.Prerelease || len(head.Devices) > 0 {
		data, err := json.Marshal(custom{slices.Sorted(slices.Values(head.Devices)), head.Prerelease})
		if err != nil {
			return err
		}
		raw := json.RawMessage(data)
		file.Custom = &raw
	}
	role := d.modules[head.Module]
	if old := role.Signed.Targets[target]; old != nil {
		if !old.Hashes.Equal(file.Hashes) || old.Length != file.Length || customOf(old) != customOf(file) {
			return fault.Hint(fmt.Errorf("%w: the manifest has the hash %s, want %s", ErrOther, Short(added.SHA256), Short(old.Hashes["sha256"].String())),
				"a release never changes: devices that have it would not see it; publish it under a new version")
		}
		return nil
	}
	role.Signed.Targets[target] = file
	d.keep(head.Module, d.settings.Keep)
	if role.Signed.Targets[target] == nil {
		return fault.Hint(fmt.Errorf("it is older than the %d releases that are kept", d.settings.Keep), "settings.json says how many are kept")
	}
	d.due[head.Module] = true
	return nil
}

// customOf returns what a target says beyond TUF, as text.
func customOf(f *metadata.TargetFiles) string {
	if f.Custom == nil {
		return ""
	}
	return string(*f.Custom)
}
