package repository

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"moult/disk"
	"moult/release"
)

const bundlesDir = "bundles"

// standing is a bundle that stands in the repository as a file.
type standing struct {
	name    string // its path
	to      Target
	from    *Target
	pointer bool   // for a device that has to, or what is newer still
	same    string // the path of one with the same content; "" where there is none
}

// standingOf lists the bundles that a module is to have (docs/formats.md): for each channel, from nothing and from each older release,
// and a pointer for each that is not older.
func standingOf(module string, targets []Target) (all []standing) {
	var stable *Target
	for _, channel := range []release.Channel{release.Stable, release.Beta} {
		to, found := newestOf(targets, channel)
		if !found {
			continue
		}
		dir := path.Join(bundlesDir, module, channel.String())
		add := func(s standing, below string) {
			s.name = dir + below
			if stable != nil && stable.SHA256 == to.SHA256 {
				s.same = path.Join(bundlesDir, module, release.Stable.String()) + below
			}
			all = append(all, s)
		}
		add(standing{to: to}, ".bundle")
		for i, from := range targets {
			below := "/" + from.Version.String() + ".bundle"
			if newestFirst(to.Version, from.Version) < 0 {
				add(standing{to: to, from: &targets[i]}, below)
			} else {
				add(standing{to: to, pointer: true}, below)
			}
		}
		if channel.IsStable() {
			stable = &to
		}
	}
	return all
}

// bundle makes the bundles that are not there or were made for other metadata, and removes those that are not wanted.
func (r *Repository) bundle(ctx context.Context) error {
	g, err := r.View.read()
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, module := range g.moduleNames() {
		targets, err := g.releases(module)
		if err != nil {
			return err
		}
		mark := mark(r.settings.Window, g.version(Root), g.version(Targets), g.version(module))
		for _, s := range standingOf(module, targets) {
			wanted[s.name] = true
			if of, made := r.madeFor(s.name); of == module && made == mark {
				continue
			}
			if err := r.makeStanding(ctx, g, s); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	return r.sweepBelow(ctx, bundlesDir, wanted, new(Pruned))
}

// makeStanding writes a bundle beside where it is to stand, and then in its place.
func (r *Repository) makeStanding(ctx context.Context, g *generation, s standing) error {
	if err := disk.MkdirAll(r.disk, path.Dir(s.name), 0o755); err != nil {
		return err
	}
	r.tell(s.name)
	beside := path.Join(path.Dir(s.name), "."+path.Base(s.name)+".new")
	if err := disk.Remove(r.disk, beside); err != nil {
		return err
	}
	if err := r.writeStanding(ctx, g, s, beside); err != nil {
		_ = disk.Remove(r.disk, beside)
		return err
	}
	if err := r.disk.Rename(beside, s.name); err != nil {
		return err
	}
	return r.disk.SyncDir(path.Dir(s.name))
}

func (r *Repository) writeStanding(ctx context.Context, g *generation, s standing, beside string) error {
	if s.same != "" {
		return copyFile(r.disk, s.same, beside)
	}
	f, err := r.disk.Create(beside, 0o644)
	if err != nil {
		return err
	}
	w := &counter{w: f, ctx: ctx}
	if s.pointer {
		err = writePointer(w, g, s.to.Module, r.settings.Window)
	} else {
		err = r.writeBundle(w, g, s.to, s.from, r.settings.Window, s.from == nil)
	}
	return disk.Finish(f, err)
}

// below lists the files below a folder.
func (v *View) below(dir string) (names []string, err error) {
	entries, err := v.disk.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if !e.IsDir() {
			names = append(names, name)
			continue
		}
		deeper, err := v.below(name)
		if err != nil {
			return nil, err
		}
		names = slices.Concat(names, deeper)
	}
	return names, nil
}
