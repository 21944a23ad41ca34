package trusttest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"moult/release"
)

// Repo is a repository. What its fields say is published by Publish, or by the Put of one role; Files is what it serves, and may
// be changed to anything.
type Repo struct {
	Now       time.Time // when it signs; a month later all but the root expires
	Root      metadata.RootType
	Timestamp metadata.TimestampType
	Snapshot  metadata.SnapshotType
	Targets   metadata.TargetsType
	Roles     map[string]*metadata.TargetsType // by module
	Signers   map[string][]Key                 // by role: who signs it now, whoever is allowed to
	Files     map[string][]byte                // by path below the repository
	Requests  []string                         // that its server was asked: method, path, range

	Manifests map[string]*release.Manifest // by MODULE/VERSION

	key func(name string) Key
}

// Key returns the key of a name, of the kind that the repository has.
func (r *Repo) Key(name string) Key { return r.key(name) }

// Life is how long metadata is good for.
const Life = 30 * 24 * time.Hour

// New returns a repository with a root and no module, in which key gives each role its key by name.
func New(now time.Time, key func(name string) Key) *Repo {
	r := &Repo{Now: now, Signers: map[string][]Key{}, Files: map[string][]byte{}, Roles: map[string]*metadata.TargetsType{}, Manifests: map[string]*release.Manifest{}, key: key}
	for _, role := range []string{metadata.ROOT, metadata.TIMESTAMP, metadata.SNAPSHOT, metadata.TARGETS} {
		r.Signers[role] = []Key{key(role)}
	}
	r.Root = metadata.Root(now.Add(12 * Life)).Signed
	for role := range r.Signers {
		r.Allow(role, 1, r.Signers[role]...)
	}
	r.Timestamp, r.Snapshot, r.Targets = metadata.Timestamp().Signed, metadata.Snapshot().Signed, metadata.Targets(now.Add(Life)).Signed
	r.Targets.Delegations = &metadata.Delegations{Keys: map[string]*metadata.Key{}, Roles: []metadata.DelegatedRole{}}
	r.Timestamp.Version, r.Snapshot.Version = 0, 0 // Publish raises them
	r.PutRoot()
	return r
}

// Allow says in the root who may sign a role. It is published by PutRoot.
func (r *Repo) Allow(role string, threshold int, keys ...Key) {
	ids := []string{}
	for _, k := range keys {
		ids = append(ids, k.ID)
		r.Root.Keys[k.ID] = k.Public
	}
	r.Root.Roles[role] = &metadata.Role{KeyIDs: ids, Threshold: threshold}
}

// AddModule delegates a module to the author.
func (r *Repo) AddModule(module string) {
	key := r.Key("author")
	r.Signers[module] = []Key{key}
	d := r.Targets.Delegations
	d.Keys[key.ID] = key.Public
	d.Roles = append(d.Roles, metadata.DelegatedRole{Name: module, KeyIDs: []string{key.ID}, Threshold: 1, Terminating: true, Paths: []string{module + "/*"}})
	role := metadata.Targets(r.Now.Add(Life)).Signed
	role.Version = 0
	r.Roles[module] = &role
	if _, published := r.Files[fmt.Sprintf("metadata/%d.targets.json", r.Targets.Version)]; published {
		r.Targets.Version++
	}
}

// Release is what a module's author releases. A content that begins with "-> " is a link, with "#!" executable.
type Release struct {
	Files      map[string]string
	Devices    []string
	Prerelease bool
	Mangle     func(manifest []byte) []byte // what is signed in place of the manifest; nil for the manifest
}

// Add adds a release to a module's role. It is published by Publish.
func (r *Repo) Add(module, version string, rel Release) {
	m := &release.Manifest{Module: module, Version: release.MustVersion(version), Repository: "https://example.org/" + module,
		Commit: hex.EncodeToString(sum([]byte(module + version))[:20])}
	for _, name := range slices.Sorted(maps.Keys(rel.Files)) {
		content := rel.Files[name]
		if target, isLink := strings.CutPrefix(content, "-> "); isLink {
			m.Files = append(m.Files, release.Entry{Path: name, Link: target})
			continue
		}
		hash := hex.EncodeToString(sum([]byte(content)))
		m.Files = append(m.Files, release.Entry{Path: name, Length: int64(len(content)), SHA256: hash, Executable: strings.HasPrefix(content, "#!")})
		r.Files["files/"+hash[:2]+"/"+hash] = []byte(content)
	}
	data, err := m.Encode()
	check(err)
	r.Manifests[module+"/"+version] = m
	if rel.Mangle != nil {
		data = rel.Mangle(data)
	}
	target := &metadata.TargetFiles{Length: int64(len(data)), Hashes: metadata.Hashes{"sha256": sum(data)}}
	custom := map[string]any{}
	if rel.Devices != nil {
		custom["devices"] = rel.Devices
	}
	if rel.Prerelease {
		custom["prerelease"] = true
	}
	if len(custom) > 0 {
		raw, err := json.Marshal(custom)
		check(err)
		target.Custom = (*json.RawMessage)(&raw)
	}
	r.Files[fmt.Sprintf("targets/%s/%x.%s", module, sum(data), version)] = data
	role := r.Roles[module]
	role.Targets[module+"/"+version] = target
}

// Publish signs everything anew: each module's role with its next version, and snapshot and timestamp.
func (r *Repo) Publish() {
	for module, role := range r.Roles {
		role.Version++
		role.Expires = r.Now.Add(Life)
		r.PutRole(module)
	}
	r.Targets.Expires = r.Now.Add(Life)
	r.PutTargets()
	r.PublishSnapshot()
}

// PublishSnapshot signs the next snapshot, of what is there, and timestamp.
func (r *Repo) PublishSnapshot() {
	r.Snapshot.Version++
	r.Snapshot.Expires = r.Now.Add(Life)
	r.Snapshot.Meta = map[string]*metadata.MetaFiles{"targets.json": {Version: r.Targets.Version}}
	for module, role := range r.Roles {
		r.Snapshot.Meta[module+".json"] = &metadata.MetaFiles{Version: role.Version}
	}
	r.PutSnapshot()
	r.PublishTimestamp()
}

// PublishTimestamp signs the next timestamp, of the snapshot that is there.
func (r *Repo) PublishTimestamp() {
	r.Timestamp.Version++
	r.Timestamp.Expires = r.Now.Add(Life)
	r.Timestamp.UnrecognizedFields = map[string]any{"issued": r.Now.UTC().Format(time.RFC3339)}
	r.Timestamp.Meta = map[string]*metadata.MetaFiles{"snapshot.json": {Version: r.Snapshot.Version}}
	r.PutTimestamp()
}

// PutRoot signs the root as it is, in its version's place, with those who sign it now.
func (r *Repo) PutRoot() {
	r.Files[fmt.Sprintf("metadata/%d.root.json", r.Root.Version)] = r.Sign(metadata.ROOT, r.Root)
}

// PutTimestamp signs the timestamp as it is.
func (r *Repo) PutTimestamp() {
	r.Files["metadata/timestamp.json"] = r.Sign(metadata.TIMESTAMP, r.Timestamp)
}

// PutSnapshot signs the snapshot as it is, in its version's place.
func (r *Repo) PutSnapshot() {
	r.Files[fmt.Sprintf("metadata/%d.snapshot.json", r.Snapshot.Version)] = r.Sign(metadata.SNAPSHOT, r.Snapshot)
}

// PutTargets signs targets as it is, in its version's place.
func (r *Repo) PutTargets() {
	r.Files[fmt.Sprintf("metadata/%d.targets.json", r.Targets.Version)] = r.Sign(metadata.TARGETS, r.Targets)
}

// PutRole signs a module's role as it is, in its version's place.
func (r *Repo) PutRole(module string) {
	role := r.Roles[module]
	r.Files[fmt.Sprintf("metadata/%d.%s.json", role.Version, module)] = r.Sign(module, *role)
}

// Sign returns metadata as a file, signed by those who sign the role now.
func (r *Repo) Sign(role string, signed any) []byte { return Sign(signed, r.Signers[role]...) }

// Sign returns metadata as a file, signed by keys.
func Sign(signed any, keys ...Key) []byte {
	payload, err := cjson.EncodeCanonical(signed)
	check(err)
	type signature struct {
		ID  string `json:"keyid"`
		Sig string `json:"sig"`
	}
	signatures := []signature{}
	for _, k := range keys {
		sig, err := k.sign(payload)
		check(err)
		signatures = append(signatures, signature{k.ID, hex.EncodeToString(sig)})
	}
	body, err := json.Marshal(signed)
	check(err)
	data, err := json.Marshal(map[string]any{"signatures": signatures, "signed": json.RawMessage(body)})
	check(err)
	return data
}

// Copy returns a repository with the same content, to be changed on its own.
func (r *Repo) Copy() *Repo {
	c := *r
	c.Files, c.Signers, c.Manifests, c.Requests = maps.Clone(r.Files), maps.Clone(r.Signers), maps.Clone(r.Manifests), nil
	remake(&c.Root, r.Root)
	remake(&c.Timestamp, r.Timestamp)
	remake(&c.Snapshot, r.Snapshot)
	remake(&c.Targets, r.Targets)
	c.Roles = map[string]*metadata.TargetsType{}
	for module, role := range r.Roles {
		copied := new(metadata.TargetsType)
		remake(copied, *role)
		c.Roles[module] = copied
	}
	return &c
}

func remake[T any](to *T, from T) {
	data, err := json.Marshal(from)
	check(err)
	check(json.Unmarshal(data, to))
}

func sum(data []byte) []byte {
	digest := sha256.Sum256(data)
	return digest[:]
}
