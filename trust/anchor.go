package trust

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"moult/fault"
	"moult/release"
	"moult/tuf"
)

// Anchor is a root of trust as a person compares it.
type Anchor struct {
	SHA256    string    `json:"sha256"` // of the file
	Version   int64     `json:"version"`
	Expires   time.Time `json:"expires"`
	Threshold int       `json:"threshold"` // of the keys below
	Keys      []string  `json:"keys"`      // that may sign the next root
}

// MaxAnchor bounds a root of trust, in bytes.
const MaxAnchor = tuf.MaxRoot

// ErrTrusted means that the device has another root of trust already.
var ErrTrusted = errors.New("the device has another root of trust")

// ReadAnchor reads a root of trust, and refuses one that its own keys did not sign.
func ReadAnchor(data []byte) (Anchor, error) {
	if len(data) > tuf.MaxRoot {
		return Anchor{}, release.Refuse(release.BadLength, "root of trust: got %d bytes, want at most %d", len(data), tuf.MaxRoot)
	}
	root, err := selfSigned(data)
	if err != nil {
		return Anchor{}, fault.Hint(fmt.Errorf("root of trust: %w", err), "take the repository's metadata/1.root.json, or a newer one")
	}
	role := root.Signed.Roles[metadata.ROOT]
	return Anchor{digest(data), root.Signed.Version, root.Signed.Expires, role.Threshold, slices.Sorted(slices.Values(role.KeyIDs))}, nil
}

// Install makes a root the device's root of trust. Where the device has another it is ErrTrusted, unless it is to be replaced:
// then all that the other led to is forgotten.
func (s *Store) Install(data []byte, replace bool) (Anchor, error) {
	a, err := ReadAnchor(data)
	if err != nil {
		return a, err
	}
	old, err := s.load(anchorFile)
	if err != nil {
		return a, err
	}
	if old != nil && digest(old) == a.SHA256 {
		return a, nil
	}
	if old != nil && !replace {
		return a, fault.Hint(fmt.Errorf("%w, SHA-256 %s", ErrTrusted, digest(old)), "--replace takes the new one, and forgets the other with all that it led to")
	}
	if err := s.reset(); err != nil {
		return a, err
	}
	return a, s.save(anchorFile, data)
}

// Held is what a device holds of a role.
type Held struct {
	Role    string    `json:"role"`
	Version int64     `json:"version"`
	Expires time.Time `json:"expires"`
}

// State is what a device trusts.
type State struct {
	Anchor *Anchor   `json:"anchor,omitempty"` // nil: nothing, and so nothing is installed
	Roles  []Held    `json:"roles,omitempty"`  // root, timestamp, snapshot, targets, then the modules'
	Floor  time.Time `json:"floor,omitzero"`   // no time before this is believed
}

// State tells what the device trusts. It changes nothing.
func (s *Store) State() (State, error) {
	var state State
	anchor, err := s.load(anchorFile)
	if err != nil || anchor == nil {
		return state, err
	}
	a, err := ReadAnchor(anchor)
	if err != nil {
		return state, err
	}
	state.Anchor = &a
	f, err := s.loadFloor()
	if err != nil {
		return state, err
	}
	state.Floor = f.Time
	entries, err := s.disk.ReadDir(Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return state, err
	}
	for _, e := range entries {
		name, isJSON := strings.CutSuffix(e.Name(), ".json")
		if !isJSON || e.Name() == anchorFile || e.Name() == floorFile {
			continue
		}
		data, err := s.load(e.Name())
		if err != nil {
			return state, err
		}
		if held, ok := heldRole(strings.TrimPrefix(name, "role-"), data); ok {
			state.Roles = append(state.Roles, held)
		}
	}
	order := []string{metadata.TARGETS, metadata.SNAPSHOT, metadata.TIMESTAMP, metadata.ROOT}
	slices.SortStableFunc(state.Roles, func(a, b Held) int {
		return cmp.Compare(slices.Index(order, b.Role), slices.Index(order, a.Role))
	})
	return state, nil
}

func heldRole(name string, data []byte) (Held, bool) {
	held := Held{Role: name}
	if m, err := parse[metadata.RootType](data); err == nil {
		held.Version, held.Expires = m.Signed.Version, m.Signed.Expires
	} else if m, err := parse[metadata.TimestampType](data); err == nil {
		held.Version, held.Expires = m.Signed.Version, m.Signed.Expires
	} else if m, err := parse[metadata.SnapshotType](data); err == nil {
		held.Version, held.Expires = m.Signed.Version, m.Signed.Expires
	} else if m, err := parse[metadata.TargetsType](data); err == nil {
		held.Version, held.Expires = m.Signed.Version, m.Signed.Expires
	} else {
		return held, false
	}
	return held, true
}

// Vouches reports whether a module's role, as it was last verified, names a manifest of these bytes.
func (s *Store) Vouches(module string, manifest []byte) (bool, error) {
	data, err := s.load(roleFile(module))
	if err != nil || data == nil || manifest == nil {
		return false, err
	}
	role, err := parse[metadata.TargetsType](data)
	if err != nil || checkModule(role, module) != nil {
		return false, nil
	}
	for _, target := range role.Signed.Targets {
		if target.Hashes["sha256"].String() == digest(manifest) {
			return true, nil
		}
	}
	return false, nil
}
