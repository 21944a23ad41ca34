package trust_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"moult/release"
	"moult/trust/trusttest"
)

// malformations are files that are wrong before any signature is looked at.
func malformations() []attack {
	var all []attack
	places := []struct {
		at   string
		path func(h *trusttest.Repo) string
	}{
		{"root.json", func(*trusttest.Repo) string { return "metadata/2.root.json" }},
		{"timestamp.json", func(*trusttest.Repo) string { return "metadata/timestamp.json" }},
		{"snapshot.json", func(h *trusttest.Repo) string { return versioned("snapshot", h.Snapshot.Version) }},
		{"role-irrigation.json", func(h *trusttest.Repo) string { return versioned("irrigation", h.Roles["irrigation"].Version) }},
	}
	for name, data := range map[string]func(good string) string{
		"empty":          func(string) string { return "" },
		"no JSON":        func(string) string { return "<html>" },
		"cut":            func(good string) string { return good[:len(good)/2] },
		"null":           func(string) string { return "null" },
		"a list":         func(string) string { return "[]" },
		"nested deeply":  func(string) string { return strings.Repeat(`{"signed":`, 1500) },
		"signed is null": func(string) string { return `{"signatures":[],"signed":null}` },
		"another kind":   func(string) string { return `{"signatures":[],"signed":{"_type":"mirrors"}}` },
		"spaces in it": func(good string) string {
			return strings.Replace(good, `"spec_version":"1.0.31"`, `"spec_version": "1.0.31"`, 1)
		},
		"a key twice": func(good string) string {
			return strings.Replace(good, `"spec_version":"1.0.31"`, `"spec_version":"1.0.31","spec_version":"1.0.31"`, 1)
		},
	} {
		for _, place := range places {
			all = append(all, attack{name: "malformed JSON: " + place.at + ": " + name, at: place.at, want: release.BadFormat, do: func(h *trusttest.Repo) {
				where := place.path(h)
				good := string(h.Files[where])
				if place.at == "root.json" {
					good = string(h.Files["metadata/1.root.json"])
				}
				h.Files[where] = []byte(data(good))
			}})
		}
	}
	slices.SortFunc(all, func(a, b attack) int { return strings.Compare(a.name, b.name) })
	return append(all,
		attack{name: "malformed: a timestamp that names no snapshot", at: "timestamp.json", want: release.BadFormat, do: func(h *trusttest.Repo) {
			h.Timestamp.Meta = map[string]*metadata.MetaFiles{}
			h.PutTimestamp()
		}},
		attack{name: "malformed: a timestamp without the time it was issued", at: "timestamp.json", want: release.BadFormat, do: func(h *trusttest.Repo) {
			h.Timestamp.UnrecognizedFields = nil
			h.PutTimestamp()
		}},
		attack{name: "malformed: a version below one", at: "timestamp.json", want: release.BadFormat, do: func(h *trusttest.Repo) {
			h.Timestamp.Version = 0
			h.PutTimestamp()
		}},
		strangeTargets("targets of TUF 2", func(s *metadata.TargetsType) { s.SpecVersion = "2.0.0" }),
		strangeTargets("targets that delegate to nobody", func(s *metadata.TargetsType) { s.Delegations = nil }),
		strangeTargets("targets with a target of their own", func(s *metadata.TargetsType) {
			s.Targets = map[string]*metadata.TargetFiles{"irrigation/1.1": {Length: 1, Hashes: metadata.Hashes{"sha256": make([]byte, 32)}}}
		}),
		strangeTargets("targets that delegate by the hash of a path", func(s *metadata.TargetsType) {
			s.Delegations.SuccinctRoles = &metadata.SuccinctRoles{KeyIDs: s.Delegations.Roles[0].KeyIDs, Threshold: 1, BitLength: 1, NamePrefix: "bin"}
			s.Delegations.Roles = nil
		}),
		strangeTargets("a role with two modules' paths", func(s *metadata.TargetsType) { s.Delegations.Roles[1].Paths = []string{"*/*"} }),
		strangeTargets("a role that is not terminating", func(s *metadata.TargetsType) { s.Delegations.Roles[1].Terminating = false }),
		strangeTargets("a role twice", func(s *metadata.TargetsType) {
			s.Delegations.Roles = append(s.Delegations.Roles, s.Delegations.Roles[1])
		}),
		strangeTargets("a role with the threshold 0", func(s *metadata.TargetsType) { s.Delegations.Roles[1].Threshold = 0 }),
		strangeTargets("a role of a key that is not listed", func(s *metadata.TargetsType) {
			s.Delegations.Roles[1].KeyIDs = append(s.Delegations.Roles[1].KeyIDs, strings.Repeat("a", 64))
		}),
		strangeTargets("a short Ed25519 key", func(s *metadata.TargetsType) {
			for _, key := range s.Delegations.Keys {
				key.Value.PublicKey = "00"
			}
		}),
		strangeTargets("an RSA key with another exponent", func(s *metadata.TargetsType) { s.Delegations.Keys[strings.Repeat("e", 64)] = strangeRSA(65539, 2048) }),
		strangeTargets("an RSA key of 2047 bits", func(s *metadata.TargetsType) { s.Delegations.Keys[strings.Repeat("e", 64)] = strangeRSA(65537, 2047) }),
		strangeTargets("an RSA key of 4097 bits", func(s *metadata.TargetsType) { s.Delegations.Keys[strings.Repeat("e", 64)] = strangeRSA(65537, 4097) }),
		strangeTargets("a key with another kind's scheme", func(s *metadata.TargetsType) {
			key := strangeRSA(65537, 2048)
			key.Scheme = metadata.KeySchemeEd25519
			s.Delegations.Keys[strings.Repeat("e", 64)] = key
		}),
		// A board does not look into keys that it cannot read: docs/formats.md.
		attack{name: "malformed: an ECDSA key on another curve", at: "targets.json", want: release.BadFormat, only: "requests", do: func(h *trusttest.Repo) {
			private, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
			if err != nil {
				panic(err)
			}
			strangeTargets("", func(s *metadata.TargetsType) { s.Delegations.Keys[strings.Repeat("e", 64)] = keyOf(&private.PublicKey) }).do(h)
		}},
		strangeRoot("a root of TUF 2", func(s *metadata.RootType) { s.SpecVersion = "2.0.0" }),
		strangeRoot("a root without consistent snapshots", func(s *metadata.RootType) { s.ConsistentSnapshot = false }),
		strangeRoot("a root that names nobody for targets", func(s *metadata.RootType) { delete(s.Roles, metadata.TARGETS) }),
		strangeRoot("a root with an RSA key with another exponent", func(s *metadata.RootType) { s.Keys[strings.Repeat("e", 64)] = strangeRSA(65539, 2048) }),
		strangeRoot("a root with the threshold 0", func(s *metadata.RootType) { s.Roles[metadata.SNAPSHOT].Threshold = 0 }),
		attack{name: "malformed: a timestamp of TUF 2", at: "timestamp.json", want: release.BadFormat, do: func(h *trusttest.Repo) {
			h.Timestamp.SpecVersion = "2.0.0"
			h.PutTimestamp()
		}},
		attack{name: "malformed: a timestamp issued after it expires", at: "timestamp.json", want: release.BadFormat, do: func(h *trusttest.Repo) {
			h.Timestamp.UnrecognizedFields["issued"] = h.Timestamp.Expires.Add(time.Second).Format(time.RFC3339)
			h.PutTimestamp()
		}},
		attack{name: "malformed: a snapshot of TUF 2", at: "snapshot.json", want: release.BadFormat, do: func(h *trusttest.Repo) {
			h.Snapshot.SpecVersion = "2.0.0"
			h.PutSnapshot()
		}},
		attack{name: "malformed: a snapshot that names version 0", at: "snapshot.json", want: release.BadFormat, do: func(h *trusttest.Repo) {
			h.Snapshot.Meta["new.json"] = &metadata.MetaFiles{Version: 0}
			h.PutSnapshot()
		}},
		attack{name: "malformed: a snapshot that names no targets", at: "snapshot.json", want: release.BadFormat, do: func(h *trusttest.Repo) {
			delete(h.Snapshot.Meta, "targets.json")
			h.PutSnapshot()
		}},
		strangeRole("a module's role of TUF 2", func(s *metadata.TargetsType) { s.SpecVersion = "2.0.0" }),
		strangeRole("a module's role that delegates", func(s *metadata.TargetsType) {
			s.Delegations = &metadata.Delegations{Keys: map[string]*metadata.Key{}, Roles: []metadata.DelegatedRole{}}
		}),
		strangeRole("a target whose name is no version", func(s *metadata.TargetsType) { s.Targets["irrigation/.."] = s.Targets["irrigation/1.1"] }),
		strangeRole("a target with two hashes", func(s *metadata.TargetsType) {
			s.Targets["irrigation/1.1"].Hashes["sha512"] = make([]byte, 64)
		}),
		strangeRole("a target with a short hash", func(s *metadata.TargetsType) {
			s.Targets["irrigation/1.1"].Hashes["sha256"] = make([]byte, 31)
		}),
		strangeRole("a target without a length", func(s *metadata.TargetsType) { s.Targets["irrigation/1.1"].Length = 0 }),
		strangeRole("a target longer than a manifest may be", func(s *metadata.TargetsType) { s.Targets["irrigation/1.1"].Length = release.MaxManifest + 1 }),
	)
}

// strangeTargets is a list of the modules' roles that all who may have signed, and that is not as it must be.
func strangeTargets(name string, change func(*metadata.TargetsType)) attack {
	return attack{name: "malformed: " + name, at: "targets.json", want: release.BadFormat, do: func(h *trusttest.Repo) {
		h.Targets.Version++
		change(&h.Targets)
		h.PutTargets()
		resign(h)
	}}
}

// strangeRoot is such a root.
func strangeRoot(name string, change func(*metadata.RootType)) attack {
	return attack{name: "malformed: " + name, at: "root.json", want: release.BadFormat, do: func(h *trusttest.Repo) {
		h.Root.Version = 2
		change(&h.Root)
		h.PutRoot()
	}}
}

// strangeRole is such a role of a module.
func strangeRole(name string, change func(*metadata.TargetsType)) attack {
	return attack{name: "malformed: " + name, at: "role-irrigation.json", want: release.BadFormat, do: func(h *trusttest.Repo) {
		change(h.Roles["irrigation"])
		h.PutRole("irrigation")
	}}
}

// strangeRSA is a public key of RSA with an exponent and a size.
func strangeRSA(exponent, bits int) *metadata.Key {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits))
	return keyOf(&rsa.PublicKey{N: n.Sub(n, big.NewInt(1)), E: exponent})
}

func keyOf(public crypto.PublicKey) *metadata.Key {
	key, err := metadata.KeyFromPublicKey(public)
	if err != nil {
		panic(err)
	}
	return key
}
