package repository

import (
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"moult/disk"
	"moult/release"
)

// Plan is what a new repository is made with.
type Plan struct {
	Settings  Settings           // zero: DefaultSettings
	Root      []crypto.PublicKey // sign root and targets; meant to be offline
	Threshold int                // of the root's keys; 0 for one
	Online    []crypto.PublicKey // sign timestamp and snapshot, and the modules that are given no other
}

// Init makes a repository without modules in a folder. Where a cut left a part of one, it begins anew.
func Init(d disk.Disk, now func() time.Time, keys Keys, plan Plan) (*Repository, error) {
	if plan.Settings == (Settings{}) {
		plan.Settings = DefaultSettings
	}
	if err := plan.Settings.check(); err != nil {
		return nil, err
	}
	if err := recoverCut(d); err != nil {
		return nil, err
	}
	_, err := Look(d, now)
	if err == nil {
		return nil, fmt.Errorf("there is a repository already: %w", fs.ErrExist)
	}
	if !errors.Is(err, ErrNone) {
		return nil, err
	}
	g := &generation{root: metadata.Root(), timestamp: metadata.Timestamp(), snapshot: metadata.Snapshot(), targets: metadata.Targets(),
		modules: map[string]*metadata.Metadata[metadata.TargetsType]{}}
	// publish signs the next version of each
	g.root.Signed.Version, g.timestamp.Signed.Version, g.snapshot.Signed.Version, g.targets.Signed.Version = 0, 0, 0, 0
	if err := plan.assign(g.root.Signed); err != nil {
		return nil, err
	}
	settings, err := json.MarshalIndent(plan.Settings, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := disk.WriteFile(d, settingsFile, append(settings, '\n'), 0o644); err != nil {
		return nil, err
	}
	r := &Repository{View: &View{disk: d, now: now, settings: plan.Settings}, disk: d}
	who, _ := g.signatoryOf(Root)
	first := &draft{Repository: r, generation: g, oldRoot: who, keys: keys, due: map[string]bool{Root: true, Targets: true}}
	if _, err := first.publish(); err != nil {
		return nil, fmt.Errorf("init: %w", err)
	}
	return r, nil
}

// assign gives the root's roles their keys.
func (p Plan) assign(root metadata.RootType) error {
	for _, of := range []struct {
		roles     []string
		keys      []crypto.PublicKey
		threshold int
	}{
		{[]string{Root, Targets}, p.Root, max(p.Threshold, 1)},
		{[]string{Snapshot, Timestamp}, p.Online, 1},
	} {
		for _, role := range of.roles {
			ids, err := addKeys(root.Keys, of.keys)
			if err != nil {
				return err
			}
			if len(ids) < of.threshold {
				return release.Refuse(release.Untrusted, "%s: got %d different keys, want at least %d", role, len(ids), of.threshold)
			}
			root.Roles[role] = &metadata.Role{KeyIDs: ids, Threshold: of.threshold}
		}
	}
	return nil
}
