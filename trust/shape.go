package trust

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"moult/release"
	"moult/tuf"
)

// This file holds metadata to its form before any rule looks at it: what is missing or strange is refused, so that
// nothing behind it meets a field that is not there, and every device reads the same from the same bytes.

// parse reads metadata of one kind. Its signed part must have just the bytes that docs/formats.md lays down: another
// reader of the same file then finds the same in it, whatever it does with a key that stands twice.
func parse[T metadata.Roles](data []byte) (*metadata.Metadata[T], error) {
	m, err := new(metadata.Metadata[T]).FromBytes(data)
	if err != nil {
		if strings.Contains(err.Error(), "multiple signatures") { // TUF 4.2: a key counts once
			return nil, release.Refuse(release.BadSignature, "%w", err)
		}
		return nil, release.Refuse(release.BadFormat, "%w", err)
	}
	if err := tuf.CheckSigned(m.Signed, data); err != nil {
		return nil, release.Refuse(release.BadFormat, "%w", err)
	}
	return m, nil
}

// malformed is a refusal of what cannot be.
func malformed(format string, args ...any) error {
	return release.Refuse(release.BadFormat, format, args...)
}

// checkHead checks what every kind has.
func checkHead(spec string, version int64) error {
	switch {
	case !strings.HasPrefix(spec, "1."): // TUF 4.3: spec_version
		return malformed("spec_version: got %q, want 1.x", spec)
	case version < 1:
		return malformed("version: got %d, want 1 or more", version)
	}
	return nil
}

func checkRoot(m *metadata.Metadata[metadata.RootType]) error {
	if err := checkHead(m.Signed.SpecVersion, m.Signed.Version); err != nil {
		return err
	}
	if !m.Signed.ConsistentSnapshot {
		return malformed("consistent_snapshot: got false, want true")
	}
	if err := checkKeys(m.Signed.Keys); err != nil {
		return err
	}
	for _, name := range []string{metadata.ROOT, metadata.TIMESTAMP, metadata.SNAPSHOT, metadata.TARGETS} {
		role := m.Signed.Roles[name]
		if role == nil {
			return malformed("roles: got no %s", name)
		}
		if err := checkRole(name, role.KeyIDs, role.Threshold, m.Signed.Keys); err != nil {
			return err
		}
	}
	return nil
}

// checkRole checks who may sign for a role. Without keys nobody may.
func checkRole(name string, ids []string, threshold int, keys map[string]*metadata.Key) error {
	switch {
	case len(ids) == 0:
		return release.Refuse(release.Untrusted, "role %s: got no key", name)
	case threshold < 1:
		return malformed("role %s: got the threshold %d, want 1 or more", name, threshold)
	}
	for _, id := range ids {
		if keys[id] == nil {
			return malformed("role %s: got the key %.64q, which is not listed", name, id)
		}
	}
	return nil
}

// checkKeys refuses keys of kinds and sizes that are not allowed (docs/formats.md, Metadata).
func checkKeys(keys map[string]*metadata.Key) error {
	for id, key := range keys {
		if key == nil {
			return malformed("key %.64q: got none", id)
		}
		public, err := key.ToPublicKey()
		if err != nil {
			return malformed("key %.64q: %w", id, err)
		}
		if err := tuf.CheckKey(public); err != nil {
			return malformed("key %.64q: %w", id, err)
		}
		want := metadata.KeySchemeRSASSA_PSS_SHA256
		switch public.(type) {
		case ed25519.PublicKey:
			want = metadata.KeySchemeEd25519
		case *ecdsa.PublicKey:
			want = metadata.KeySchemeECDSA_SHA2_P256
		}
		if key.Scheme != want {
			return malformed("key %.64q: got %s with %s, want %s", id, key.Type, key.Scheme, want)
		}
	}
	return nil
}

// checkTimestamp also returns when the timestamp was issued.
func checkTimestamp(m *metadata.Metadata[metadata.TimestampType]) (issued time.Time, err error) {
	if err := checkHead(m.Signed.SpecVersion, m.Signed.Version); err != nil {
		return issued, err
	}
	if err := checkVersions(m.Signed.Meta, "snapshot.json"); err != nil {
		return issued, err
	}
	text, _ := m.Signed.UnrecognizedFields["issued"].(string)
	issued, err = time.Parse("2006-01-02T15:04:05Z", text)
	if err != nil {
		return issued, malformed("issued: got %.40q, want a time such as 2026-01-02T15:04:05Z", text)
	}
	if issued.After(m.Signed.Expires) {
		return issued, malformed("issued: got %s, want a time before it expires, %s", text, m.Signed.Expires.Format(time.RFC3339))
	}
	return issued, nil
}

func checkSnapshot(m *metadata.Metadata[metadata.SnapshotType]) error {
	if err := checkHead(m.Signed.SpecVersion, m.Signed.Version); err != nil {
		return err
	}
	return checkVersions(m.Signed.Meta, "targets.json")
}

// checkVersions checks the versions that a timestamp or snapshot names.
func checkVersions(meta map[string]*metadata.MetaFiles, needed string) error {
	if meta[needed] == nil {
		return malformed("meta: got no %s", needed)
	}
	for name, file := range meta {
		if file == nil || file.Version < 1 {
			return malformed("meta: %.80q: got no version", name)
		}
	}
	return nil
}

// checkTargets checks the list of the modules' roles.
func checkTargets(m *metadata.Metadata[metadata.TargetsType]) error {
	if err := checkHead(m.Signed.SpecVersion, m.Signed.Version); err != nil {
		return err
	}
	if len(m.Signed.Targets) > 0 {
		return malformed("targets: got %d, want none beside those of the modules' roles", len(m.Signed.Targets))
	}
	d := m.Signed.Delegations
	if d == nil || d.SuccinctRoles != nil {
		return malformed("delegations: got none to modules' roles")
	}
	if err := checkKeys(d.Keys); err != nil {
		return err
	}
	var seen []string
	for _, role := range d.Roles {
		if slices.Contains(seen, role.Name) {
			return malformed("delegations: got %.64q twice", role.Name)
		}
		seen = append(seen, role.Name)
		if !slices.Equal(role.Paths, []string{role.Name + "/*"}) || !role.Terminating {
			return malformed("delegations: %.64q: got the paths %.200q, want just its own, terminating", role.Name, fmt.Sprint(role.Paths))
		}
		if err := checkRole(role.Name, role.KeyIDs, role.Threshold, d.Keys); err != nil {
			return err
		}
	}
	return nil
}

// checkModule checks a module's role. All its targets must be the module's: metadata does not name the role that it is of,
// and where one key signs for two modules only this tells them apart.
func checkModule(m *metadata.Metadata[metadata.TargetsType], module string) error {
	if err := checkHead(m.Signed.SpecVersion, m.Signed.Version); err != nil {
		return err
	}
	if m.Signed.Delegations != nil {
		return malformed("delegations: got some, want none in a module's role")
	}
	for name, target := range m.Signed.Targets {
		version, ours := strings.CutPrefix(name, module+"/")
		if !ours {
			return release.Refuse(release.WrongModule, "target %.200q: want one of %s", name, module)
		}
		v, err := release.ParseVersion(version)
		if err == nil {
			err = release.CheckPublished(v)
		}
		if err != nil {
			return malformed("target %.200q: %w", name, err)
		}
		if target == nil || len(target.Hashes) != 1 || len(target.Hashes["sha256"]) != 32 || target.Length < 1 || target.Length > release.MaxManifest {
			return malformed("target %.200q: want a length up to %d and a SHA-256", name, release.MaxManifest)
		}
	}
	return nil
}
