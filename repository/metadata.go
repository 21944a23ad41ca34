package repository

import (
	"cmp"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"moult/disk"
	"moult/fault"
	"moult/release"
	"moult/tuf"
)

// The four roles that every repository has. Each module has one of its own besides, of its name.
const (
	Root      = metadata.ROOT
	Timestamp = metadata.TIMESTAMP
	Snapshot  = metadata.SNAPSHOT
	Targets   = metadata.TARGETS
)

// issued is the field of a timestamp beyond TUF: when it was signed.
const issued = "issued"

// generation is the metadata of one state of the repository, each role proven by what delegates to it.
type generation struct {
	dir          string  // where it was read
	rootVersions []int64 // from 1 on
	root         *metadata.Metadata[metadata.RootType]
	timestamp    *metadata.Metadata[metadata.TimestampType]
	snapshot     *metadata.Metadata[metadata.SnapshotType]
	targets      *metadata.Metadata[metadata.TargetsType]
	modules      map[string]*metadata.Metadata[metadata.TargetsType]
}

// encode writes metadata, and holds it to docs/formats.md: the bytes of signed are those that were signed.
func encode[T metadata.Roles](m *metadata.Metadata[T], most int) ([]byte, error) {
	data, err := m.ToBytes(false)
	if err != nil {
		return nil, err
	}
	if len(data) > most {
		return nil, fmt.Errorf("got %d bytes, want at most %d", len(data), most)
	}
	return data, tuf.CheckSigned(m.Signed, data)
}

// sign replaces the signatures of m by those that the signatories need.
func sign[T metadata.Roles](m *metadata.Metadata[T], keys Keys, all ...signatory) error {
	picked, err := pick(keys, all...)
	if err != nil {
		return err
	}
	payload, err := cjson.EncodeCanonical(m.Signed)
	if err != nil {
		return err
	}
	m.Signatures = []metadata.Signature{}
	for _, id := range slices.Sorted(maps.Keys(picked)) {
		signature, err := signBytes(picked[id], payload)
		if err != nil {
			return fmt.Errorf("sign with %s: %w", Short(id), err)
		}
		m.Signatures = append(m.Signatures, metadata.Signature{KeyID: id, Signature: signature})
	}
	return nil
}

// addKeys adds keys to those that a delegator lists, once each, and returns their ids.
func addKeys(list map[string]*metadata.Key, publics []crypto.PublicKey) (ids []string, err error) {
	for _, public := range publics {
		key, id, err := tufKey(public)
		if err != nil {
			return nil, err
		}
		list[id] = key
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// signatoryOf returns who signs a role: one of the root's, or a module's.
func (g *generation) signatoryOf(role string) (signatory, bool) {
	if r, there := g.root.Signed.Roles[role]; there {
		return signatory{role, r.KeyIDs, r.Threshold}, true
	}
	if d := g.delegation(role); d != nil {
		return signatory{role, d.KeyIDs, d.Threshold}, true
	}
	return signatory{}, false
}

// delegation returns what targets says of a module; nil where it has none.
func (g *generation) delegation(module string) *metadata.DelegatedRole {
	if g.targets == nil || g.targets.Signed.Delegations == nil {
		return nil
	}
	roles := g.targets.Signed.Delegations.Roles
	for i := range roles {
		if roles[i].Name == module {
			return &roles[i]
		}
	}
	return nil
}

// moduleNames lists the modules in the order of their delegation.
func (g *generation) moduleNames() (names []string) {
	if g.targets.Signed.Delegations != nil {
		for _, d := range g.targets.Signed.Delegations.Roles {
			names = append(names, d.Name)
		}
	}
	return names
}

// versions returns what a snapshot of the generation names: the version of targets and of each module's role.
func (g *generation) versions() map[string]*metadata.MetaFiles {
	meta := map[string]*metadata.MetaFiles{Targets + ".json": {Version: g.targets.Signed.Version}}
	for name, role := range g.modules {
		meta[name+".json"] = &metadata.MetaFiles{Version: role.Signed.Version}
	}
	return meta
}

// files lists the metadata that devices read below the root and the timestamp, by their names in the folder. A module that is gone has none,
// though the snapshot names its role for ever.
func (g *generation) files() (names []string) {
	for _, role := range slices.Concat([]string{Snapshot, Targets}, g.moduleNames()) {
		names = append(names, numbered(g.version(role), role))
	}
	return names
}

// filesOf lists the metadata that a snapshot names, and itself, by their names in the folder.
func filesOf(s *metadata.Metadata[metadata.SnapshotType]) []string {
	names := []string{numbered(s.Signed.Version, Snapshot)}
	for name, file := range s.Signed.Meta {
		names = append(names, strconv.FormatInt(file.Version, 10)+"."+name)
	}
	return names
}

func numbered(version int64, role string) string {
	return strconv.FormatInt(version, 10) + "." + role + ".json"
}

var rootFile = regexp.MustCompile(`^([1-9][0-9]{0,8})\.root\.json$`)

// read reads the metadata of a folder, from the root on, each role proven by what delegates to it; that it may be expired is no matter here.
// A root is proven by the one before and by itself; where trusted is given, one of them must have this SHA-256.
func read(d disk.Reader, dir, trusted string) (*generation, error) {
	g := &generation{dir: dir, modules: map[string]*metadata.Metadata[metadata.TargetsType]{}}
	entries, err := d.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if match := rootFile.FindStringSubmatch(e.Name()); match != nil {
			n, _ := strconv.ParseInt(match[1], 10, 64)
			g.rootVersions = append(g.rootVersions, n)
		}
	}
	slices.Sort(g.rootVersions)
	found := trusted == ""
	for i, n := range g.rootVersions {
		if int64(i+1) != n {
			return nil, release.Refuse(release.Missing, "%s: got the next root %d, want each from 1 on", numbered(int64(i+1), Root), n)
		}
		root, err := load[metadata.RootType](d, dir, numbered(n, Root), tuf.MaxRoot)
		if err != nil {
			return nil, err
		}
		before := g.root
		if before == nil {
			before = root
		}
		if err := cmp.Or(before.VerifyDelegate(Root, root), root.VerifyDelegate(Root, root)); err != nil {
			return nil, release.Refuse(release.BadSignature, "%s: %w", numbered(n, Root), err)
		}
		if root.Signed.Version != n {
			return nil, release.Refuse(release.Mismatch, "%s: version: got %d, want %d", numbered(n, Root), root.Signed.Version, n)
		}
		g.root = root
		data, err := disk.ReadFile(d, dir+"/"+numbered(n, Root), tuf.MaxRoot)
		if err != nil {
			return nil, err
		}
		found = found || fmt.Sprintf("%x", sha256.Sum256(data)) == trusted
	}
	if g.root == nil {
		return nil, release.Refuse(release.Untrusted, "%s: got no root, want 1.root.json", dir)
	}
	if !found {
		return nil, fault.Hint(release.Refuse(release.Untrusted, "got no root with the SHA-256 %s, which is trusted, in %d", Short(trusted), len(g.rootVersions)),
			"somebody put another repository here, or you trust the root of another; do not sign")
	}
	return g, g.readBelow(d)
}

func (g *generation) readBelow(d disk.Reader) (err error) {
	if g.timestamp, err = load[metadata.TimestampType](d, g.dir, Timestamp+".json", tuf.MaxTimestamp); err != nil {
		return err
	}
	if err := g.root.VerifyDelegate(Timestamp, g.timestamp); err != nil {
		return release.Refuse(release.BadSignature, "timestamp.json: %w", err)
	}
	named := g.timestamp.Signed.Meta[Snapshot+".json"]
	if named == nil {
		return release.Refuse(release.BadFormat, "timestamp.json: got no version of the snapshot")
	}
	name := numbered(named.Version, Snapshot)
	if g.snapshot, err = load[metadata.SnapshotType](d, g.dir, name, tuf.MaxMetadata); err != nil {
		return err
	}
	if err := g.root.VerifyDelegate(Snapshot, g.snapshot); err != nil {
		return release.Refuse(release.BadSignature, "%s: %w", name, err)
	}
	if err := sameVersion(name, g.snapshot.Signed.Version, named.Version); err != nil {
		return err
	}
	if g.targets, err = g.readTargets(d, Targets); err != nil {
		return err
	}
	if err := g.root.VerifyDelegate(Targets, g.targets); err != nil {
		return release.Refuse(release.BadSignature, "%s: %w", numbered(g.targets.Signed.Version, Targets), err)
	}
	for _, module := range g.moduleNames() {
		role, err := g.readTargets(d, module)
		if err != nil {
			return err
		}
		if err := g.targets.VerifyDelegate(module, role); err != nil {
			return release.Refuse(release.BadSignature, "%s: %w", numbered(role.Signed.Version, module), err)
		}
		g.modules[module] = role
	}
	return nil
}

func (g *generation) readTargets(d disk.Reader, role string) (*metadata.Metadata[metadata.TargetsType], error) {
	named := g.snapshot.Signed.Meta[role+".json"]
	if named == nil {
		return nil, release.Refuse(release.Missing, "%s: got no version of %s", numbered(g.snapshot.Signed.Version, Snapshot), role)
	}
	name := numbered(named.Version, role)
	m, err := load[metadata.TargetsType](d, g.dir, name, tuf.MaxMetadata)
	if err != nil {
		return nil, err
	}
	return m, sameVersion(name, m.Signed.Version, named.Version)
}

func sameVersion(name string, got, want int64) error {
	if got != want {
		return release.Refuse(release.Mismatch, "%s: version: got %d, want %d", name, got, want)
	}
	return nil
}

// readFile returns a file of the repository; one that is not there, or longer than it may be, is refused.
func readFile(d disk.Reader, name string, most int64) ([]byte, error) {
	data, err := disk.ReadFile(d, name, most)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, release.Refuse(release.Missing, "%w", err)
	case errors.Is(err, disk.ErrTooLarge):
		return nil, release.Refuse(release.BadLength, "%w", err)
	}
	return data, err
}

func load[T metadata.Roles](d disk.Reader, dir, name string, most int64) (*metadata.Metadata[T], error) {
	data, err := readFile(d, dir+"/"+name, most)
	if err != nil {
		return nil, err
	}
	m, err := new(metadata.Metadata[T]).FromBytes(data)
	if err == nil {
		err = tuf.CheckSigned(m.Signed, data)
	}
	if err != nil {
		return nil, release.Refuse(release.BadFormat, "%s: %w", name, err)
	}
	return m, nil
}

// expires is when what is signed now for a lifetime ends, as metadata writes it: in UTC, in whole seconds.
func expires(now time.Time, life Lifetime) time.Time {
	return now.UTC().Add(time.Duration(life)).Truncate(time.Second)
}
