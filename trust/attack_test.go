package trust_test

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"moult/disk/disktest"
	"moult/fault"
	"moult/release"
	"moult/trust/trusttest"
	"moult/update"
)

// The steps of the chain, as the files of the store that hold them.
var steps = []string{"root.json", "timestamp.json", "snapshot.json", "targets.json", "role-irrigation.json"}

// attack is what a hostile repository does to a device that runs 1.0, when 1.1 is out.
type attack struct {
	name   string
	at     string                    // the first step that is attacked: it and those behind it must not be stored; "" for what is behind the chain
	do     func(h *trusttest.Repo)   // makes the honest repository, which has 1.1, hostile
	want   release.Reason            // "" where nothing is refused, and nothing is installed either
	stick  release.Reason            // where a stick's is another; "none" for no refusal
	after  func(r *trusttest.Repo)   // what the honest repository does about it; nil: it goes on as ever
	clock  func(time.Time) time.Time // what the device takes for the time; nil: the time
	serve  func(http.ResponseWriter, *http.Request) bool
	passes bool // the failure may pass: it is the network's, and has no reason
	only   string
}

// resign publishes what is signed anew by everyone who may.
func resign(h *trusttest.Repo) { h.PublishSnapshot() }

func file(h *trusttest.Repo, content string) string {
	for name, data := range h.Files {
		if strings.HasPrefix(name, "files/") && string(data) == content {
			return name
		}
	}
	panic("no such file: " + content)
}

func manifestFile(h *trusttest.Repo) string {
	for name := range h.Files {
		if strings.HasPrefix(name, "targets/irrigation/") && strings.HasSuffix(name, ".1.1") {
			return name
		}
	}
	panic("no manifest of 1.1")
}

func versioned(name string, version int64) string {
	return fmt.Sprintf("metadata/%d.%s.json", version, name)
}

// mangled releases 1.1 anew, with another manifest than it should have.
func mangled(from, to string) func(*trusttest.Repo) {
	return func(h *trusttest.Repo) {
		h.Add("irrigation", "1.1", trusttest.Release{Files: newFiles, Mangle: func(m []byte) []byte {
			if !bytes.Contains(m, []byte(from)) {
				panic("not in the manifest: " + from)
			}
			return bytes.Replace(m, []byte(from), []byte(to), 1)
		}})
		h.Publish()
	}
}

// garble changes one byte of a file, and not its length.
func garble(h *trusttest.Repo, name string) {
	data := slices.Clone(h.Files[name])
	data[len(data)/2] ^= 1
	h.Files[name] = data
}

// attacks are the classes of TUF 1.0 and Uptane. An assignment of another device replayed, and one forged or replayed by
// someone on the wire, are for the gateway, which alone assigns.
func attacks() []attack {
	all := []attack{
		// Arbitrary software.
		{name: "arbitrary software: a file's bytes", do: func(h *trusttest.Repo) { garble(h, file(h, newFiles["app.py"])) }, want: release.BadHash},
		{name: "arbitrary software: a manifest's bytes", do: func(h *trusttest.Repo) { garble(h, manifestFile(h)) }, want: release.BadHash},
		{name: "arbitrary software: a role of a thief's", at: "role-irrigation.json", want: release.BadSignature, do: func(h *trusttest.Repo) {
			h.Signers["irrigation"] = []trusttest.Key{h.Key("thief")}
			h.PutRole("irrigation")
		}},
		{name: "arbitrary software: targets of a thief's", at: "targets.json", want: release.BadSignature, do: func(h *trusttest.Repo) {
			h.Signers["targets"] = []trusttest.Key{h.Key("thief")}
			h.Targets.Version++
			h.PutTargets()
			resign(h)
		}},
		{name: "arbitrary software: a snapshot of a thief's", at: "snapshot.json", want: release.BadSignature, do: func(h *trusttest.Repo) {
			h.Signers["snapshot"] = []trusttest.Key{h.Key("thief")}
			h.PutSnapshot()
		}},
		{name: "arbitrary software: a timestamp of a thief's", at: "timestamp.json", want: release.BadSignature, do: func(h *trusttest.Repo) {
			h.Signers["timestamp"] = []trusttest.Key{h.Key("thief")}
			h.PutTimestamp()
		}},
		{name: "arbitrary software: a timestamp without a signature", at: "timestamp.json", want: release.BadSignature, do: func(h *trusttest.Repo) {
			h.Signers["timestamp"] = nil
			h.PutTimestamp()
		}},
		{name: "arbitrary software: a role by the key of the snapshot", at: "role-irrigation.json", want: release.BadSignature, do: func(h *trusttest.Repo) {
			h.Signers["irrigation"] = h.Signers["snapshot"]
			h.PutRole("irrigation")
		}},
		// Endless data.
		{name: "endless data: a root", at: "root.json", do: func(h *trusttest.Repo) { h.Files["metadata/2.root.json"] = make([]byte, 65<<10) }, want: release.BadLength},
		{name: "endless data: a timestamp", at: "timestamp.json", do: func(h *trusttest.Repo) { h.Files["metadata/timestamp.json"] = make([]byte, 17<<10) }, want: release.BadLength},
		{name: "endless data: a snapshot", at: "snapshot.json", do: func(h *trusttest.Repo) { h.Files[versioned("snapshot", h.Snapshot.Version)] = make([]byte, 1<<20+1) }, want: release.BadLength},
		{name: "endless data: a role", at: "role-irrigation.json", want: release.BadLength,
			do: func(h *trusttest.Repo) {
				h.Files[versioned("irrigation", h.Roles["irrigation"].Version)] = make([]byte, 1<<20+1)
			}},
		{name: "endless data: targets that are not asked for", only: "stick", do: func(h *trusttest.Repo) { h.Files[versioned("targets", h.Targets.Version)] = make([]byte, 1<<20+1) }, want: release.BadLength},
		{name: "endless data: a manifest", do: func(h *trusttest.Repo) { h.Files[manifestFile(h)] = make([]byte, 1<<20) }, want: release.BadLength},
		{name: "endless data: a file", do: func(h *trusttest.Repo) { h.Files[file(h, "b")] = make([]byte, 1<<20) }, want: release.BadLength, only: "requests"},
		{name: "endless data: a file that tells no length", only: "requests", do: func(*trusttest.Repo) {}, want: release.BadLength, serve: endless("/files/")},
		{name: "endless data: a timestamp that tells no length", at: "timestamp.json", only: "requests", do: func(*trusttest.Repo) {}, want: release.BadLength, serve: endless("/metadata/timestamp.json")},
		// Dropped requests.
		{name: "dropped requests: the timestamp", at: "timestamp.json", do: func(h *trusttest.Repo) { delete(h.Files, "metadata/timestamp.json") }, want: release.Missing, stick: "none"},
		{name: "dropped requests: the snapshot", at: "snapshot.json", do: func(h *trusttest.Repo) { delete(h.Files, versioned("snapshot", h.Snapshot.Version)) }, want: release.Missing},
		{name: "dropped requests: the role", at: "role-irrigation.json", do: func(h *trusttest.Repo) { delete(h.Files, versioned("irrigation", h.Roles["irrigation"].Version)) }, want: release.Missing},
		{name: "dropped requests: the manifest", do: func(h *trusttest.Repo) { delete(h.Files, manifestFile(h)) }, want: release.Missing},
		{name: "dropped requests: a file", do: func(h *trusttest.Repo) { delete(h.Files, file(h, "b")) }, want: release.Missing, only: "requests"},
		// Freeze.
		{name: "freeze: the timestamp", at: "timestamp.json", want: release.Expired, do: func(h *trusttest.Repo) {
			h.Timestamp.Expires = h.Now.Add(-time.Hour)
			h.Timestamp.UnrecognizedFields["issued"] = h.Timestamp.Expires.Format(time.RFC3339)
			h.PutTimestamp()
		}},
		{name: "freeze: all that was seen, a month later", at: "timestamp.json", want: release.Expired, clock: func(now time.Time) time.Time { return now.Add(40 * 24 * time.Hour) },
			do: func(h *trusttest.Repo) { *h = *newRepo(h.Key) }, after: func(r *trusttest.Repo) { r.Now = r.Now.Add(40 * 24 * time.Hour) }},
		{name: "freeze: a pointer to what was seen, a month later", at: "timestamp.json", only: "bundles", want: release.Expired, clock: func(now time.Time) time.Time { return now.Add(40 * 24 * time.Hour) },
			do: func(h *trusttest.Repo) { *h = *newRepo(h.Key) }, after: func(r *trusttest.Repo) { r.Now = r.Now.Add(40 * 24 * time.Hour) },
			serve: pointing("/bundles/")},
		{name: "freeze: the snapshot", at: "snapshot.json", want: release.Expired, do: func(h *trusttest.Repo) {
			h.Snapshot.Expires = h.Now.Add(-time.Hour)
			h.PutSnapshot()
		}},
		{name: "freeze: targets", at: "targets.json", want: release.Expired, do: func(h *trusttest.Repo) {
			h.Targets.Version++
			h.Targets.Expires = h.Now.Add(-time.Hour)
			h.PutTargets()
			resign(h)
		}},
		{name: "freeze: the role", at: "role-irrigation.json", want: release.Expired, do: func(h *trusttest.Repo) {
			h.Roles["irrigation"].Expires = h.Now.Add(-time.Hour)
			h.PutRole("irrigation")
		}},
		{name: "freeze: the root", at: "root.json", want: release.Expired, do: func(h *trusttest.Repo) {},
			clock: func(now time.Time) time.Time { return now.Add(13 * trusttest.Life) }, after: func(r *trusttest.Repo) {
				r.Now = r.Now.Add(13 * trusttest.Life)
				r.Root.Version, r.Root.Expires = 2, r.Now.Add(trusttest.Life)
				r.PutRoot()
			}},
		{name: "freeze: issued after the root expired", at: "timestamp.json", want: release.Expired, do: func(h *trusttest.Repo) {
			h.Timestamp.Expires = h.Now.Add(30 * trusttest.Life)
			h.Timestamp.UnrecognizedFields["issued"] = h.Now.Add(20 * trusttest.Life).Format(time.RFC3339)
			h.PutTimestamp()
		}},
		// Rollback.
		{name: "rollback: the root", at: "root.json", do: func(h *trusttest.Repo) { h.Files["metadata/2.root.json"] = h.Files["metadata/1.root.json"] }, want: release.Rollback},
		{name: "rollback: all that stood there before", at: "timestamp.json", do: func(h *trusttest.Repo) { *h = *before(h.Key) }, want: release.Rollback},
		{name: "rollback: the timestamp", at: "timestamp.json", want: release.Rollback, do: func(h *trusttest.Repo) {
			h.Timestamp.Version = before(h.Key).Timestamp.Version
			h.PutTimestamp()
		}},
		{name: "rollback: the snapshot that the timestamp names", at: "timestamp.json", want: release.Rollback, do: func(h *trusttest.Repo) {
			h.Timestamp.Meta["snapshot.json"].Version = before(h.Key).Snapshot.Version
			h.PutTimestamp()
		}},
		{name: "rollback: the role that the snapshot names", at: "snapshot.json", want: release.Rollback, do: func(h *trusttest.Repo) {
			h.Snapshot.Meta["irrigation.json"].Version = before(h.Key).Roles["irrigation"].Version
			h.PutSnapshot()
		}},
		{name: "rollback: another module's role", at: "snapshot.json", want: release.Rollback, do: func(h *trusttest.Repo) {
			h.Snapshot.Meta["updater.json"].Version = before(h.Key).Roles["updater"].Version
			h.PutSnapshot()
		}},
		{name: "rollback: targets that the snapshot names", at: "snapshot.json", want: release.Rollback, do: func(h *trusttest.Repo) {
			h.Snapshot.Meta["targets.json"].Version = before(h.Key).Targets.Version
			h.PutSnapshot()
		}},
		{name: "rollback: a role that is gone", at: "snapshot.json", want: release.Rollback, do: func(h *trusttest.Repo) {
			delete(h.Snapshot.Meta, "updater.json")
			h.PutSnapshot()
		}},
		// Fast-forward: nothing is refused, as the stolen keys are good ones; the repository recovers by a new root.
		{name: "fast-forward of the versions, and recovery", do: func(h *trusttest.Repo) {
			*h = *newRepo(h.Key)
			h.Snapshot.Version, h.Timestamp.Version = 1<<40, 1<<40
			h.Roles["irrigation"].Version = 1 << 40
			h.PutRole("irrigation")
			resign(h)
		}, after: newKeys},
		{name: "fast-forward of the time, and recovery", do: func(h *trusttest.Repo) {
			*h = *newRepo(h.Key)
			h.Now = h.Now.Add(5 * trusttest.Life)
			h.Targets.Version++
			h.Publish()
		}, after: newKeys},
		recovery("the timestamp's key is another", metadata.TIMESTAMP, 1, false),
		recovery("the snapshot's key is another", metadata.SNAPSHOT, 1, false),
		recovery("the timestamp wants two keys", metadata.TIMESTAMP, 2, true),
		recovery("the snapshot wants two keys", metadata.SNAPSHOT, 2, true),
		// Mix-and-match.
		{name: "mix-and-match: the snapshot", at: "snapshot.json", want: release.Mismatch, do: func(h *trusttest.Repo) {
			old := newRepo(h.Key)
			h.Files[versioned("snapshot", h.Snapshot.Version)] = old.Files[versioned("snapshot", old.Snapshot.Version)]
		}},
		{name: "mix-and-match: the role", at: "role-irrigation.json", want: release.Mismatch, do: func(h *trusttest.Repo) {
			old := newRepo(h.Key)
			h.Files[versioned("irrigation", h.Roles["irrigation"].Version)] = old.Files[versioned("irrigation", old.Roles["irrigation"].Version)]
		}},
		{name: "mix-and-match: targets", at: "targets.json", want: release.Mismatch, do: func(h *trusttest.Repo) {
			h.Targets.Version++
			h.Files[versioned("targets", h.Targets.Version)] = h.Files[versioned("targets", h.Targets.Version-1)]
			resign(h)
		}},
		{name: "mix-and-match: a manifest of another version", do: mangled(`"version":"1.1"`, `"version":"1.0"`), want: release.Mismatch},
		// Wrong software.
		{name: "wrong software: another module's role", at: "role-irrigation.json", want: release.WrongModule, do: func(h *trusttest.Repo) {
			h.Files[versioned("irrigation", h.Roles["irrigation"].Version)] = h.Files[versioned("updater", h.Roles["updater"].Version)]
		}},
		{name: "wrong software: another module's manifest", do: mangled(`"module":"irrigation"`, `"module":"updater"`), want: release.WrongModule},
		{name: "wrong software: for another kind of device", want: release.WrongDevice, do: func(h *trusttest.Repo) {
			delete(h.Roles["irrigation"].Targets, "irrigation/1.0")
			h.Add("irrigation", "1.1", trusttest.Release{Files: newFiles, Devices: []string{"micropython", "linux/armv6"}})
			h.Publish()
		}},
		{name: "wrong software: no role of the module", at: "", want: release.Missing, do: func(h *trusttest.Repo) {
			h.Targets.Delegations.Roles = h.Targets.Delegations.Roles[1:]
			h.Targets.Version++
			h.PutTargets()
			resign(h)
		}},
		{name: "wrong software: an older release", want: release.Downgrade, do: func(h *trusttest.Repo) {
			clear(h.Roles["irrigation"].Targets)
			h.Add("irrigation", "0.9", trusttest.Release{Files: newFiles})
			h.Publish()
		}},
		// Extraneous files.
		{name: "extraneous files: another module's target", at: "role-irrigation.json", want: release.WrongModule, do: func(h *trusttest.Repo) {
			h.Roles["irrigation"].Targets["updater/9"] = h.Roles["irrigation"].Targets["irrigation/1.1"]
			h.Publish()
		}},
		{name: "extraneous files: out of the slot", do: mangled(`"path":"alias.py"`, `"path":"../cron"`), want: release.BadPath},
		{name: "extraneous files: an absolute path", do: mangled(`"path":"alias.py"`, `"path":"/etc/pwn"`), want: release.BadPath},
		{name: "extraneous files: the updater's own", do: mangled(`"path":"alias.py"`, `"path":".version"`), want: release.BadPath},
		{name: "extraneous files: a path twice", do: mangled(`"path":"lib/b.py"`, `"path":"lib/a.py"`), want: release.BadPath},
		{name: "extraneous files: a link out of the slot", do: mangled(`"link":"app.py"`, `"link":"../../x"`), want: release.BadPath},
		{name: "extraneous files: a field that there is not", do: mangled(`"version":"1.1",`, `"version":"1.1","more":"x",`), want: release.BadFormat},
		// Keys.
		{name: "key below threshold: one of two", at: "role-irrigation.json", want: release.BadSignature, do: func(h *trusttest.Repo) { twoOf(h, "author-2", "") }},
		{name: "duplicate key ids: a signature twice", at: "role-irrigation.json", want: release.BadSignature, do: func(h *trusttest.Repo) {
			twoOf(h, "author-2", "")
			h.Signers["irrigation"] = append(h.Signers["irrigation"], h.Signers["irrigation"]...)
			h.PutRole("irrigation")
		}},
		{name: "duplicate key ids: one key under two ids", at: "role-irrigation.json", want: release.BadSignature, do: func(h *trusttest.Repo) {
			again := h.Key("author")
			again.ID = strings.Repeat("a", 64)
			twoOf(h, "author", again.ID)
			h.Signers["irrigation"] = []trusttest.Key{h.Key("author"), again}
			h.PutRole("irrigation")
		}},
		{name: "revoked key: the timestamp's", at: "timestamp.json", want: release.BadSignature, do: func(h *trusttest.Repo) {
			old := h.Signers["timestamp"]
			newKeys(h)
			h.Signers["timestamp"] = old
			h.PublishTimestamp()
		}, after: newKeys},
		{name: "revoked key: the author's", at: "role-irrigation.json", want: release.BadSignature, do: func(h *trusttest.Repo) {
			key := h.Key("author-2")
			h.Targets.Delegations.Keys[key.ID] = key.Public
			h.Targets.Delegations.Roles[0].KeyIDs = []string{key.ID}
			h.Targets.Version++
			h.Publish()
		}},
		{name: "root rotation: a version is skipped", at: "root.json", want: release.Mismatch, do: func(h *trusttest.Repo) {
			h.Root.Version = 3
			h.PutRoot()
			h.Files["metadata/2.root.json"] = h.Files["metadata/3.root.json"]
		}},
		{name: "root rotation: the old key did not sign", at: "root.json", want: release.BadSignature, do: func(h *trusttest.Repo) {
			h.Root.Version = 2
			h.Allow("root", 1, h.Key("thief"))
			h.Signers["root"] = []trusttest.Key{h.Key("thief")}
			h.PutRoot()
		}},
		{name: "root rotation: the new key did not sign", at: "root.json", want: release.BadSignature, do: func(h *trusttest.Repo) {
			h.Root.Version = 2
			h.Allow("root", 1, h.Key("thief"))
			h.PutRoot()
		}},
		{name: "root rotation: a role without a key", at: "root.json", want: release.Untrusted, do: func(h *trusttest.Repo) {
			h.Root.Version = 2
			h.Allow("timestamp", 1)
			h.PutRoot()
		}},
		// The clock.
		{name: "clock at 1970: what had expired before the last update", at: "timestamp.json", want: release.Expired, clock: func(time.Time) time.Time { return time.Unix(0, 0) },
			do: func(h *trusttest.Repo) {
				h.Timestamp.Expires = day.Add(-time.Hour)
				h.Timestamp.UnrecognizedFields["issued"] = h.Timestamp.Expires.Format(time.RFC3339)
				h.PutTimestamp()
			}},
		{name: "clock at 1970: a snapshot that expired before the timestamp was issued", at: "snapshot.json", want: release.Expired, clock: func(time.Time) time.Time { return time.Unix(0, 0) },
			do: func(h *trusttest.Repo) {
				h.Snapshot.Expires = h.Now.Add(-time.Hour)
				h.PutSnapshot()
			}},
		// Slow retrieval: a failure that may pass.
		{name: "slow retrieval: a file", only: "requests", passes: true, do: func(*trusttest.Repo) {}, serve: trickle("/files/")},
		{name: "slow retrieval: the timestamp", only: "requests", passes: true, do: func(*trusttest.Repo) {}, serve: trickle("/metadata/timestamp.json")},
	}
	return append(all, malformations()...)
}

// recovery is the fast-forward of the versions by a thief of the keys of a role, of which a root then wants another number, or others.
func recovery(name, role string, threshold int, same bool) attack {
	keys := func(r *trusttest.Repo) (first, second trusttest.Key) { return r.Key(role), r.Key(role + "-2") }
	one := func(r *trusttest.Repo) {
		if first, second := keys(r); same {
			r.Root.Version++
			r.Allow(role, 1, first, second)
			r.PutRoot()
		}
	}
	return attack{name: "fast-forward of the versions, and recovery: " + name,
		do: func(h *trusttest.Repo) {
			seen := newRepo(h.Key)
			one(seen)
			seen.Snapshot.Version, seen.Timestamp.Version = 1<<40, 1<<40
			resign(seen)
			*h = *seen
		},
		after: func(r *trusttest.Repo) {
			one(r)
			first, second := keys(r)
			allowed := []trusttest.Key{second}
			if same {
				allowed = []trusttest.Key{first, second}
			}
			r.Signers[role] = allowed
			r.Root.Version++
			r.Allow(role, threshold, allowed...)
			r.PutRoot()
			r.PublishSnapshot()
		}}
}

// before is the repository as it was a step before the device's first update.
func before(key func(string) trusttest.Key) *trusttest.Repo {
	r := trusttest.New(day, key)
	r.AddModule("irrigation")
	r.AddModule("updater")
	r.Add("updater", "7.0", trusttest.Release{Files: map[string]string{"ota.py": "ota"}})
	r.Publish()
	return r
}

// twoOf delegates irrigation to two keys, both of which must sign, while one does. The second may stand under another id.
func twoOf(h *trusttest.Repo, second, id string) {
	key := h.Key(second)
	if id == "" {
		id = key.ID
	}
	h.Targets.Delegations.Keys[id] = key.Public
	role := &h.Targets.Delegations.Roles[0]
	role.KeyIDs, role.Threshold = append(role.KeyIDs, id), 2
	h.Targets.Version++
	h.Publish()
}

// newKeys publishes a root with new keys of timestamp and snapshot.
func newKeys(r *trusttest.Repo) {
	for _, role := range []string{"timestamp", "snapshot"} {
		key := r.Key(role + "-2")
		r.Signers[role] = []trusttest.Key{key}
		r.Allow(role, 1, key)
	}
	r.Root.Version++
	r.PutRoot()
	r.PublishSnapshot()
}

// endless answers with bytes without end.
func endless(prefix string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, req *http.Request) bool {
		if !strings.HasPrefix(req.URL.Path, prefix) {
			return false
		}
		for err := error(nil); err == nil; {
			_, err = w.Write(make([]byte, 64<<10))
		}
		return true
	}
}

// pointing answers that nothing is newer than what the device has.
func pointing(prefix string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, req *http.Request) bool {
		if !strings.HasPrefix(req.URL.Path, prefix) {
			return false
		}
		_, _ = w.Write(trusttest.Pointer("irrigation", 1, 2, 2))
		return true
	}
}

// trickle answers a byte at a time.
func trickle(prefix string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, req *http.Request) bool {
		if !strings.HasPrefix(req.URL.Path, prefix) {
			return false
		}
		for err := req.Context().Err(); err == nil; err = req.Context().Err() {
			_, _ = w.Write([]byte{' '})
			w.(http.Flusher).Flush()
			time.Sleep(time.Millisecond)
		}
		return true
	}
}

// TestAttacks plays each attack against a device three ways: by single requests, with bundles on the server, and from a stick.
// It is refused for its reason; what the device trusts and runs is as before; and afterwards a good update works.
func TestAttacks(t *testing.T) {
	for _, a := range attacks() {
		for _, way := range []string{"requests", "bundles", "stick"} {
			if a.only != "" && a.only != way {
				continue
			}
			t.Run(a.name+"/"+way, func(t *testing.T) {
				t.Parallel()
				a.play(t, way)
			})
		}
	}
}

func (a attack) play(t *testing.T, way string) {
	first := newRepo(trusttest.Ed25519)
	d := newDevice(t, first)
	d.mustUpdate("1.0", oldFiles)
	trusted, honest := d.trusted(), second(first)
	hostile := honest.Copy()
	a.do(hostile)
	serve := func(r *trusttest.Repo) {
		r.DropBundles()
		d.stick = nil
		switch way {
		case "bundles":
			r.PutBundles("irrigation", "stable", "1.1", "1.0")
		case "stick":
			d.stick = r.Bundle("irrigation", "1.1", r.Manifests["irrigation/1.0"])
		}
		d.handler.Serve(r)
	}
	serve(hostile)
	d.now = honest.Now
	if a.clock != nil {
		d.now = a.clock(honest.Now)
	}
	d.handler.Do = a.serve
	if a.passes {
		d.tick = 2 * time.Minute
	}
	plan, err := d.update()
	d.handler.Do, d.tick = nil, 0
	want := a.want
	if way == "stick" && a.stick != "" {
		want = a.stick
	}
	switch {
	case want == release.Downgrade: // the plan says so
		if order, _ := release.Compare(plan.Release.Version, plan.Installed); err != nil || plan.Changes() || order >= 0 {
			t.Errorf("got %v, %v, want an older release passed over", plan, err)
		}
	case a.passes:
		if !fault.IsTransient(err) || release.ReasonOf(err) != "" {
			t.Errorf("got %v, want a failure that may pass", err)
		}
	case want == "" || want == "none":
		if err != nil || plan.Action != update.Nothing {
			t.Errorf("got %v, %v, want nothing new", plan, err)
		}
	case release.ReasonOf(err) != want:
		t.Errorf("got %q (%v), want %q", release.ReasonOf(err), err, want)
	}
	d.mustHave("1.0", oldFiles)
	if next := disktest.Tree(t, d.disk, "irrigation/next"); len(next) > 0 {
		t.Errorf("next: got %d files, want it gone", len(next))
	}
	a.compare(t, trusted, d.trusted(), honest)

	good := second(first)
	good.Targets.Version += 2
	if a.after != nil {
		a.after(good)
	}
	good.Publish()
	good.Publish() // beyond what was hostile, where the keys were stolen
	serve(good)
	if a.clock == nil {
		d.now = good.Now
	}
	d.mustUpdate("1.1", newFiles)
	if left := disktest.Tree(t, d.disk, ".moult/download"); len(left) > 0 {
		t.Errorf("downloads: got %q left, want none", slices.Collect(maps.Keys(left)))
	}
}

// compare holds what is trusted after an attack to what was before: the steps from the attacked one on are the same, or honest.
func (a attack) compare(t *testing.T, before, after map[string]string, honest *trusttest.Repo) {
	t.Helper()
	genuine := map[string]bool{}
	for _, data := range honest.Files {
		genuine[string(data)] = true
	}
	if after["anchor.json"] != before["anchor.json"] {
		t.Errorf("anchor.json changed")
	}
	if a.at == "root.json" || a.at == "timestamp.json" {
		if after["floor.json"] != before["floor.json"] && after["root.json"] == before["root.json"] {
			t.Errorf("floor.json: got %s, want it as it was, %s", after["floor.json"], before["floor.json"])
		}
	}
	from := slices.Index(steps, a.at)
	if from < 0 {
		return
	}
	for _, name := range steps[from:] {
		if after[name] != before[name] && !genuine[after[name]] && after[name] != "" {
			t.Errorf("%s: got what the attack put there: %.200s", name, after[name])
		}
	}
}
