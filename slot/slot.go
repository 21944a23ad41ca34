// Package slot keeps the versions of one module on a disk: main/ (running), next/ (being staged),
// prev/ (to go back to). It is what makes a power cut harmless.
//
// A slot is whole when it holds .version, which is written last. Beside it stands .manifest, the list of the files
// that a release put there: every other file is the device's own, and goes along to the next version.
//
// The switch, by the state that a cut can leave (the journal says that a switch from one version to another was begun):
//
//	main   next   prev   what it means                       what Switch does
//	old    new    any    not switched yet                    all of it, from the start
//	–      new    old    cut between the two renames         next → main
//	new    old    –      exchanged, the old not yet put away  next → prev
//	new    –      old    done                                nothing
//
// The two versions are told apart by .version; where both are the same (a version installed again) nothing is exchanged,
// and the two renames, in which a name's absence tells, are taken instead.
package slot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"moult/disk"
	"moult/release"
	"moult/update"
)

// The files of a slot that are the updater's.
const (
	VersionFile  = release.VersionFile
	ManifestFile = release.ManifestFile
)

// Place names the three folders of a module, relative to the device's root. All lie in one folder,
// so that each change of a name is one step on the disk.
type Place struct{ Main, Next, Prev string }

// ModulePlace is where a module's versions live: <module>/main, next and prev.
func ModulePlace(module string) Place {
	return Place{path.Join(module, "main"), path.Join(module, "next"), path.Join(module, "prev")}
}

// RootPlace is where the one module of a device lives that runs it from a folder at its root.
func RootPlace(dir string) Place {
	parent := path.Dir(dir)
	return Place{dir, path.Join(parent, "next"), path.Join(parent, "prev")}
}

// Slots are one module's.
type Slots struct {
	disk  disk.Disk
	place Place
	keep  func(path string) bool
}

var _ update.Slots = (*Slots)(nil)

// New returns the slots of the module at place. Keep says which files of main stay even where a release ships one
// of that name; nil for none.
func New(d disk.Disk, place Place, keep func(path string) bool) *Slots {
	if keep == nil {
		keep = func(string) bool { return false }
	}
	return &Slots{d, place, keep}
}

// Look says what stands where.
func (s *Slots) Look() (update.Look, error) {
	var look update.Look
	for name, to := range map[string]*update.Copy{s.place.Main: &look.Main, s.place.Next: &look.Next, s.place.Prev: &look.Prev} {
		found, err := s.copyAt(name)
		if err != nil {
			return update.Look{}, err
		}
		*to = found
	}
	return look, nil
}

func (s *Slots) copyAt(name string) (update.Copy, error) {
	info, err := s.disk.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return update.Copy{}, nil
	}
	if err != nil {
		return update.Copy{}, err
	}
	if !info.IsDir() {
		return update.Copy{}, fmt.Errorf("%s: got %s, want a folder", name, disk.Describe(info.Mode()))
	}
	data, err := disk.ReadFile(s.disk, path.Join(name, VersionFile), 4096)
	if errors.Is(err, fs.ErrNotExist) {
		return update.Copy{There: true}, nil
	}
	if err != nil {
		return update.Copy{}, err
	}
	// A text that is no version says nothing: the slot is then as one without.
	v, err := release.ParseVersion(strings.TrimSpace(string(data)))
	if err != nil {
		return update.Copy{There: true}, nil
	}
	return update.Copy{There: true, Version: v}, nil
}

// Manifest returns the list of what the release in main put there; nil where none is known,
// as after another updater.
func (s *Slots) Manifest() (*release.Manifest, error) { return s.manifest(s.place.Main) }

func (s *Slots) manifest(name string) (*release.Manifest, error) {
	data, err := disk.ReadFile(s.disk, path.Join(name, ManifestFile), release.MaxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m, err := release.ParseManifest(data)
	if err != nil {
		// Damaged from outside: every file is then taken for the device's own, so that none is lost.
		return nil, nil
	}
	return m, nil
}

// Raw returns the bytes of main's manifest; nil where there is none.
func (s *Slots) Raw() ([]byte, error) {
	data, err := disk.ReadFile(s.disk, path.Join(s.place.Main, ManifestFile), release.MaxManifest)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, disk.ErrTooLarge) {
		return nil, nil
	}
	return data, err
}

// Open opens a file of main.
func (s *Slots) Open(name string) (io.ReadCloser, error) { return s.open(s.place.Main, name) }

// OpenStaged opens a file of next.
func (s *Slots) OpenStaged(name string) (io.ReadCloser, error) { return s.open(s.place.Next, name) }

func (s *Slots) open(slot, name string) (io.ReadCloser, error) {
	if err := release.CheckPath(name); err != nil {
		return nil, err
	}
	return s.disk.Open(path.Join(slot, name))
}

// Discard drops next.
func (s *Slots) Discard() error {
	if err := s.drop(s.place.Next); err != nil {
		return fmt.Errorf("discard %s: %w", s.place.Next, err)
	}
	return nil
}

// drop removes a slot. What says that it is whole goes first and for good, so that a half is never taken for one.
func (s *Slots) drop(name string) error {
	there, err := disk.Exists(s.disk, name)
	if err != nil || !there {
		return err
	}
	for _, proof := range []string{VersionFile, ManifestFile} {
		if err := disk.Remove(s.disk, path.Join(name, proof)); err != nil {
			return err
		}
	}
	if err := s.disk.SyncDir(name); err != nil {
		return err
	}
	if err := disk.RemoveAll(s.disk, name); err != nil {
		return err
	}
	return s.disk.SyncDir(path.Dir(name))
}
