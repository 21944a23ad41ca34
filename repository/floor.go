package repository

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"moult/fault"
	"moult/release"
)

// Floor is what a publisher remembers of what was published: the version of each role, by its name. It is kept where nobody writes who can
// write to the folder, and written after the metadata is visible for good, so that it is never ahead of it.
type Floor map[string]int64

// Hold refuses from now on what is below a floor (rollback): an older state that somebody put back. The default is none.
func (v *View) Hold(floor Floor) { v.floor = floor }

// floorOf returns the versions of all roles, those of modules that are gone too, as devices remember them as well.
func (g *generation) floorOf() Floor {
	floor := Floor{Root: g.version(Root), Timestamp: g.version(Timestamp), Snapshot: g.version(Snapshot)}
	for name, file := range g.snapshot.Signed.Meta {
		floor[strings.TrimSuffix(name, ".json")] = file.Version
	}
	return floor
}

// check refuses a generation that is below the floor.
func (f Floor) check(g *generation) error {
	got := g.floorOf()
	var below []string
	for _, role := range slices.Sorted(maps.Keys(f)) {
		if got[role] < f[role] {
			below = append(below, fmt.Sprintf("%s %d, want at least %d", role, got[role], f[role]))
		}
	}
	if below == nil {
		return nil
	}
	return fault.Hint(release.Refuse(release.Rollback, "got an older state than was published: %s", strings.Join(below, "; ")),
		"somebody put it there: do not sign, put the newest back. If it is your own backup, and the newest is lost: moult repo sign --restored")
}

// Restore signs a state that is below the floor, as a backup is that was put back because the newest is lost, with versions above it:
// devices then take it. It needs the keys of all roles that are below. It returns the roles that were signed.
func (r *Repository) Restore(ctx context.Context, keys Keys) ([]string, error) {
	signed, err := r.restore(keys)
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	return signed, r.follow(ctx)
}

func (r *Repository) restore(keys Keys) ([]string, error) {
	g, err := r.readAny()
	if err != nil {
		return nil, err
	}
	if got := g.version(Root); got < r.floor[Root] { // roots are counted without a gap: it cannot be signed above
		return nil, fault.Hint(release.Refuse(release.Rollback, "root: got version %d, want %d", got, r.floor[Root]),
			"put the newer roots back beside the others: the folder of keys has the newest as root.json, and so has every device")
	}
	if r.floor.check(g) == nil {
		return nil, errors.New("the repository is not below what was published")
	}
	d, got := newDraft(r, g, keys), g.floorOf()
	for role, version := range r.floor {
		switch {
		case role == Root || got[role] >= version:
		case role == Timestamp:
			d.timestamp.Signed.Version = version
			d.due[role] = true
		case role == Snapshot:
			d.snapshot.Signed.Version = version
			d.due[role] = true
		case role == Targets || d.modules[role] != nil:
			d.targetsOf(role).Signed.Version = version
			d.due[role] = true
		default: // a module that the backup does not know: the snapshot names it for ever
			d.snapshot.Signed.Meta[role+".json"] = &metadata.MetaFiles{Version: version}
			d.due[Snapshot] = true
		}
	}
	return d.publish()
}
