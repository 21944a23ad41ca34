package update_test

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"moult/disk"
	"moult/disk/disktest"
	"moult/journal"
	"moult/release"
	"moult/slot"
	"moult/trust"
	"moult/trust/trusttest"
	"moult/update"
)

// tree is what a release ships: path to content. A content that begins with "-> " is a link, with "#!" executable.
type tree map[string]string

// shelf is a source in memory.
type shelf struct {
	releases []release.Release // the newest first
	trees    map[string]tree
	err      error // of every Latest
	fetchErr []error
	fetches  int
}

func newShelf(versions ...string) *shelf {
	s := &shelf{trees: map[string]tree{}}
	for _, v := range versions {
		s.add(v, tree{"app.py": "app " + v})
	}
	return s
}

func (s *shelf) add(version string, files tree) {
	s.releases = append([]release.Release{{Version: release.MustVersion(version)}}, s.releases...)
	s.trees[version] = files
}

func (s *shelf) Latest(_ context.Context, q release.Query) (release.Answer, error) {
	if s.err != nil {
		return release.Answer{}, s.err
	}
	r, found := q.Channel.Newest(s.releases)
	if !found {
		return release.Answer{}, release.ErrNoRelease
	}
	return release.Answer{Release: r}, nil
}

func (s *shelf) Fetch(_ context.Context, r release.Release, _ release.Want, put func(release.File) error) (release.Fetched, error) {
	s.fetches++
	files := s.trees[r.Version.String()]
	for i, name := range slices.Sorted(maps.Keys(files)) {
		if i == 1 && len(s.fetchErr) > 0 { // in the middle
			err := s.fetchErr[0]
			s.fetchErr = s.fetchErr[1:]
			return release.Fetched{}, err
		}
		content := files[name]
		f := release.File{Path: name, Size: int64(len(content)), Body: strings.NewReader(content), Executable: strings.HasPrefix(content, "#!")}
		if target, isLink := strings.CutPrefix(content, "-> "); isLink {
			f = release.File{Path: name, Link: target}
		}
		if err := put(f); err != nil {
			return release.Fetched{}, err
		}
	}
	return release.Fetched{Commit: fmt.Sprintf("%040x", len(files))}, nil
}

// device is a device on a disk in memory, as a program finds it at a start.
type device struct {
	disk    *disktest.Disk
	engine  *update.Engine
	modules []*update.Module
	events  []update.Event
}

// moduleSpec is how a module is configured.
type moduleSpec struct {
	name   string
	source release.Source
	signed *trusttest.Site // in place of source
	keep   []string
	judged bool
}

func start(d *disktest.Disk, specs ...moduleSpec) *device {
	dev := &device{disk: d}
	dev.engine = &update.Engine{
		Journal: journal.New(d),
		Now:     func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
		Sleep:   func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Tell:    func(e update.Event) { dev.events = append(dev.events, e) },
	}
	for _, spec := range specs {
		slots := slot.New(d, slot.ModulePlace(spec.name), func(name string) bool { return slices.Contains(spec.keep, name) })
		source := spec.source
		if spec.signed != nil {
			source = trust.NewSource(trust.Options{Disk: d, Module: spec.name, Clock: dev.engine.Now, Slot: slots, Site: spec.signed})
		}
		dev.modules = append(dev.modules, &update.Module{Name: spec.name, Source: source, Judged: spec.judged, Slots: slots})
	}
	return dev
}

func (dev *device) recoverAll() error {
	for _, m := range dev.modules {
		if err := dev.engine.Recover(m); err != nil {
			return err
		}
	}
	return nil
}

func (dev *device) updateAll() error {
	for _, m := range dev.modules {
		if _, err := dev.engine.Update(context.Background(), m, update.Options{}); err != nil {
			return err
		}
	}
	return nil
}

// files reads a folder into a tree, with the marks of a tree's contents.
func files(t testing.TB, d disk.Reader, dir string) tree {
	t.Helper()
	return disktest.Tree(t, d, dir)
}

func write(t testing.TB, d disk.Disk, name, content string) {
	t.Helper()
	must(t, disk.MkdirAll(d, path.Dir(name), 0o755))
	must(t, disk.WriteFile(d, name, []byte(content), 0o644))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
