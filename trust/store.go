package trust

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"moult/disk"
	"moult/tuf"
)

// Dir is where trusted metadata lies, below the device's root.
const Dir = ".moult/trust"

// Store is the trusted metadata of a device. What cannot be read, as on a worn disk, is as if it had never been there:
// the floor still holds.
type Store struct{ disk disk.Disk }

// NewStore returns the store of the device on d. It writes nothing yet.
func NewStore(d disk.Disk) *Store { return &Store{d} }

// The files of a store. A module's role is roleFile.
const (
	anchorFile    = "anchor.json"
	rootFile      = "root.json"
	timestampFile = "timestamp.json"
	snapshotFile  = "snapshot.json"
	targetsFile   = "targets.json"
	floorFile     = "floor.json"
)

func roleFile(module string) string { return "role-" + module + ".json" }

// load returns a file; nil where there is none, or none of a size that metadata may have.
func (s *Store) load(name string) ([]byte, error) {
	data, err := disk.ReadFile(s.disk, path.Join(Dir, name), tuf.MaxMetadata)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, disk.ErrTooLarge) {
		return nil, nil
	}
	return data, err
}

// save makes a file durable, wholly or not at all. One that is the same already is not written again.
func (s *Store) save(name string, data []byte) error {
	if old, err := s.load(name); err == nil && old != nil && string(old) == string(data) {
		return nil
	}
	if err := disk.MkdirAll(s.disk, Dir, 0o755); err != nil {
		return err
	}
	return disk.WriteFile(s.disk, path.Join(Dir, name), data, 0o644)
}

// reset forgets all, but for the files to keep: the floor last, so that a cut leaves nothing unguarded.
func (s *Store) reset(keep ...string) error {
	entries, err := s.disk.ReadDir(Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(rank(a.Name()), rank(b.Name())) })
	for _, e := range entries {
		if slices.Contains(keep, e.Name()) {
			continue
		}
		if err := disk.Remove(s.disk, path.Join(Dir, e.Name())); err != nil {
			return err
		}
	}
	return s.disk.SyncDir(Dir)
}

// rank sorts the floor behind every other name.
func rank(name string) string {
	if name == floorFile {
		return "~"
	}
	return name
}

// floor is what no metadata may fall below. It is of no use to who trusts the disk: it is for the files that a disk lost.
type floor struct {
	Root      int64            `json:"root"`
	Keys      string           `json:"keys,omitempty"` // of timestamp and snapshot: the versions below are of metadata that these signed
	Timestamp int64            `json:"timestamp,omitempty"`
	Snapshot  int64            `json:"snapshot,omitempty"`
	Roles     map[string]int64 `json:"roles,omitempty"` // targets, and each module's role, by the snapshot's names
	Time      time.Time        `json:"time,omitzero"`   // the latest time at which verified metadata was issued
}

// loadFloor returns the floor; the zero floor where there is none yet, or none that can be read.
func (s *Store) loadFloor() (floor, error) {
	data, err := s.load(floorFile)
	if err != nil || data == nil {
		return floor{}, err
	}
	var f floor
	if json.Unmarshal(data, &f) != nil {
		return floor{}, nil
	}
	return f, nil
}

func (s *Store) saveFloor(f floor) error {
	data, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return s.save(floorFile, append(data, '\n'))
}

// raiseTime moves the time up, never down.
func (f *floor) raiseTime(issued time.Time) {
	if issued.After(f.Time) {
		f.Time = issued
	}
}

// raise moves the versions that a snapshot names up, never down.
func (f *floor) raise(versions map[string]int64) {
	roles := maps.Clone(f.Roles)
	if roles == nil {
		roles = map[string]int64{}
	}
	for name, version := range versions {
		roles[name] = max(roles[name], version)
	}
	f.Roles = roles
}

// forget removes files.
func (s *Store) forget(names ...string) error {
	for _, name := range names {
		if err := disk.Remove(s.disk, path.Join(Dir, name)); err != nil {
			return err
		}
	}
	return nil
}
