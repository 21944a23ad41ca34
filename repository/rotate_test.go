package repository_test

import (
	"context"
	"crypto"
	"errors"
	"slices"
	"strings"
	"testing"

	"moult/disk/disktest"
	"moult/fault"
	"moult/release"
	"moult/repository"
)

func publics(keys ...crypto.Signer) (all []crypto.PublicKey) {
	for _, k := range keys {
		all = append(all, k.Public())
	}
	return all
}

// TestRotate changes the keys of each role; a device that followed and a new one still take what is published then, signed by the new keys alone.
func TestRotate(t *testing.T) {
	tests := []struct {
		role    string
		removes func(r *rig) crypto.Signer
		signed  []string
	}{
		{repository.Root, func(r *rig) crypto.Signer { return r.root }, []string{"root", "timestamp"}},
		{repository.Targets, func(r *rig) crypto.Signer { return r.root }, []string{"root", "targets", "snapshot", "timestamp"}},
		{repository.Timestamp, func(r *rig) crypto.Signer { return r.online }, []string{"root", "timestamp"}},
		{repository.Snapshot, func(r *rig) crypto.Signer { return r.online }, []string{"root", "snapshot", "timestamp"}},
		{"irrigation", func(r *rig) crypto.Signer { return r.online }, []string{"targets", "irrigation", "snapshot", "timestamp"}},
		{repository.Online, func(r *rig) crypto.Signer { return r.online }, []string{"root", "targets", "irrigation", "snapshot", "timestamp"}},
		{repository.Offline, func(r *rig) crypto.Signer { return r.root }, []string{"root", "targets", "snapshot", "timestamp"}},
	}
	for _, test := range tests {
		t.Run(test.role, func(t *testing.T) {
			r := newRig(t, repository.Ed25519)
			r.add("irrigation", "v1.9", treeOld)
			c := newDevice(t, r.disk)
			first := *c
			r.wantRead(c, "irrigation", "v1.9", treeOld)
			fresh := newKey(t, repository.Ed25519)
			signed, err := r.open(r.disk).Rotate(t.Context(), ring(t, r.root, r.online, fresh), repository.Rotation{
				Role: test.role, Add: publics(fresh), Remove: []string{keyID(t, test.removes(r))[:8]}})
			must(t, err)
			if !slices.Equal(signed, test.signed) {
				t.Errorf("got %v signed, want %v", signed, test.signed)
			}
			r.wantRead(c, "irrigation", "v1.9", treeOld)
			r.assertWhole("rotated", r.disk)

			// from now on without the old key, where it has no role any more
			r.keys = ring(t, r.root, r.online, fresh)
			switch test.role {
			case repository.Online:
				r.keys = ring(t, fresh)
			case repository.Offline:
				r.keys = ring(t, fresh, r.online)
			}
			r.add("irrigation", "v1.10", treeNew)
			r.wantRead(c, "irrigation", "v1.10", treeNew)
			r.wantRead(&device{t.TempDir(), first.anchor}, "irrigation", "v1.10", treeNew)
			r.assertWhole("added", r.disk)
		})
	}
}

// TestRevoked holds an old key to its end: what it signs is refused by publisher and device.
func TestRevoked(t *testing.T) {
	r := newRig(t, repository.Ed25519)
	r.add("irrigation", "v1.9", treeOld)
	stolen, fresh := r.online, newKey(t, repository.Ed25519)
	_, err := r.open(r.disk).Rotate(t.Context(), ring(t, r.root, fresh), repository.Rotation{Role: repository.Online, Add: publics(fresh), Remove: []string{keyID(t, stolen)}})
	must(t, err)
	before := content(t, r.disk, "metadata")
	_, err = r.open(r.disk).Add(t.Context(), ring(t, stolen), head("irrigation", "v6.6"), treeNew.fill)
	if !errors.Is(err, repository.ErrNoKey) || fault.HintOf(err) == "" || !strings.Contains(err.Error(), "sign irrigation: got 0 of 1") {
		t.Errorf("got %v, want no key", err)
	}
	if content(t, r.disk, "metadata") != before {
		t.Error("the metadata was changed")
	}
}

// TestThreshold makes a root that two of three must sign.
func TestThreshold(t *testing.T) {
	r := newRig(t, repository.Ed25519)
	a, b, c := newKey(t, repository.Ed25519), newKey(t, repository.Ed25519), newKey(t, repository.Ed25519)
	_, err := r.open(r.disk).Rotate(t.Context(), ring(t, r.root, r.online, a), repository.Rotation{Role: repository.Offline, Add: publics(a, b, c), Remove: []string{keyID(t, r.root)}, Threshold: 2})
	if !errors.Is(err, repository.ErrNoKey) {
		t.Errorf("one of two keys: got %v", err)
	}
	_, err = r.open(r.disk).Rotate(t.Context(), ring(t, r.root, r.online, a, b), repository.Rotation{Role: repository.Offline, Add: publics(a, b, c), Remove: []string{keyID(t, r.root)}, Threshold: 2})
	must(t, err)
	for name, keys := range map[string]repository.Ring{"one": ring(t, r.online, a), "the old root": ring(t, r.online, r.root)} {
		if _, err := r.open(r.disk).Add(t.Context(), keys, head("irrigation", "v1.9"), treeOld.fill); !errors.Is(err, repository.ErrNoKey) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	device := newDevice(t, r.disk)
	r.keys = ring(t, r.online, a, c)
	r.add("irrigation", "v1.9", treeOld)
	r.wantRead(device, "irrigation", "v1.9", treeOld)
	for _, change := range []repository.Rotation{
		{Role: repository.Root, Remove: []string{keyID(t, a), keyID(t, b)}},
		{Role: repository.Root, Threshold: 4},
		{Role: "nobody", Add: publics(a)},
		{Role: repository.Root, Remove: []string{"00000000"}},
	} {
		if _, err := r.open(r.disk).Rotate(t.Context(), ring(t, r.root, r.online, a, b, c), change); err == nil {
			t.Errorf("%+v: got no error", change)
		}
	}
}

// TestOffline signs a new root where the online key is not.
func TestOffline(t *testing.T) {
	r := newRig(t, repository.Ed25519)
	r.add("irrigation", "v1.9", treeOld)
	c := newDevice(t, r.disk)
	r.wantRead(c, "irrigation", "v1.9", treeOld)
	fresh := newKey(t, repository.Ed25519)
	signed, err := r.open(r.disk).Rotate(t.Context(), ring(t, r.root, fresh), repository.Rotation{Role: repository.Root, Add: publics(fresh), Remove: []string{keyID(t, r.root)}})
	must(t, err)
	if !slices.Equal(signed, []string{repository.Root}) {
		t.Errorf("got %v signed, want the root alone", signed)
	}
	r.wantRead(c, "irrigation", "v1.9", treeOld)
	if c.rootVersion() != 2 {
		t.Errorf("the device trusts root %d, want 2", c.rootVersion())
	}
	// another timestamp key is nothing without it
	_, err = r.open(r.disk).Rotate(t.Context(), ring(t, fresh), repository.Rotation{Role: repository.Timestamp, Add: publics(fresh), Remove: []string{keyID(t, r.online)}, Threshold: 1})
	must(t, err) // the new key is at hand
	_, err = r.open(r.disk).Rotate(t.Context(), ring(t, fresh), repository.Rotation{Role: repository.Snapshot, Add: publics(r.root), Remove: []string{keyID(t, r.online)}})
	if !errors.Is(err, repository.ErrNoKey) {
		t.Errorf("a snapshot that nobody here can sign: got %v", err)
	}
	r.wantRead(c, "irrigation", "v1.9", treeOld)
}

// TestInit refuses what would be no root of trust.
func TestInit(t *testing.T) {
	r := newRig(t, repository.Ed25519)
	key := newKey(t, repository.Ed25519)
	for name, plan := range map[string]repository.Plan{
		"no key":             {},
		"no online key":      {Root: publics(key)},
		"too high threshold": {Root: publics(key), Online: publics(key), Threshold: 2},
		"one key twice":      {Root: publics(key, key), Online: publics(key), Threshold: 2},
	} {
		d := disktest.New()
		if _, err := repository.Init(d, r.clock, ring(t, key), plan); release.ReasonOf(err) != release.Untrusted {
			t.Errorf("%s: got %v, want %s", name, err, release.Untrusted)
		}
		if _, err := repository.Look(d, r.clock); !errors.Is(err, repository.ErrNone) {
			t.Errorf("%s: got a repository, %v", name, err)
		}
	}
	if _, err := repository.Init(r.disk, r.clock, r.keys, repository.Plan{Root: publics(r.root), Online: publics(r.online)}); err == nil {
		t.Error("made again: got no error")
	}
}

// TestAdd refuses what must not be published, and leaves the repository as it was.
func TestAdd(t *testing.T) {
	r := newRig(t, repository.Ed25519)
	r.add("irrigation", "v1.9", treeOld)
	before := content(t, r.disk, "metadata")
	again, err := r.open(r.disk).Add(t.Context(), r.keys, head("irrigation", "v1.9"), treeOld.fill)
	if err != nil || len(again.Signed) != 0 || again.NewFiles != 0 {
		t.Errorf("the same again: got %+v, %v, want no change", again, err)
	}
	wrong := errors.New("the source broke")
	tests := []struct {
		name string
		head repository.Head
		fill repository.Fill
		keys repository.Ring
		want error
		says string
	}{
		{"another release of that version", head("irrigation", "v1.9"), treeNew.fill, r.keys, repository.ErrOther, "another release"},
		{"another kind of devices for it", repository.Head{Module: "irrigation", Version: release.MustVersion("v1.9"), Repository: "https://github.com/owner/irrigation", Devices: []string{"esp32"}}, treeOld.fill, r.keys, repository.ErrOther, ""},
		{"no key for a module", head("irrigation", "v2"), treeNew.fill, ring(t, r.root), repository.ErrNoKey, "sign irrigation"},
		{"no key for a new module", head("updater", "v2"), treeNew.fill, ring(t, r.online), repository.ErrNoKey, "sign targets"},
		{"a role's name", head("snapshot", "v2"), treeNew.fill, r.keys, nil, "own roles"},
		{"a name that leaves", head("../x", "v2"), treeNew.fill, r.keys, nil, "module: got"},
		{"a version with a slash", head("irrigation", "release/2"), treeNew.fill, r.keys, nil, "version: got"},
		{"a version like an option", head("irrigation", "-2"), treeNew.fill, r.keys, nil, "version: got"},
		{"a path that leaves", head("irrigation", "v2"), tree{"../app.py": "x"}.fill, r.keys, nil, "path"},
		{"a link that leaves", head("irrigation", "v2"), tree{"x": "-> ../../etc/passwd"}.fill, r.keys, nil, "leads out"},
		{"a file twice", head("irrigation", "v2"), func(put func(release.File) error) (string, error) {
			_, err := tree{"a": "1"}.fill(put)
			if err == nil {
				_, err = tree{"a": "1"}.fill(put)
			}
			return "", err
		}, r.keys, nil, "twice"},
		{"a source that breaks", head("irrigation", "v2"), func(put func(release.File) error) (string, error) { return "", wrong }, r.keys, wrong, ""},
		{"other keys for a module that is there", repository.Head{Module: "irrigation", Version: release.MustVersion("v2"), Signers: publics(r.root)}, treeNew.fill, r.keys, nil, "there already"},
		{"a kind that is none", repository.Head{Module: "irrigation", Version: release.MustVersion("v2"), Devices: []string{"<esp32>"}}, treeNew.fill, r.keys, nil, "kind of device"},
	}
	for _, test := range tests {
		_, err := r.open(r.disk).Add(t.Context(), test.keys, test.head, test.fill)
		if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v, want %v %q", test.name, err, test.want, test.says)
		}
		if content(t, r.disk, "metadata") != before {
			t.Fatalf("%s: the metadata was changed", test.name)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	_, err = r.open(r.disk).Add(ctx, r.keys, head("irrigation", "v2"), func(put func(release.File) error) (string, error) { stop(); return treeNew.fill(put) })
	if !errors.Is(err, context.Canceled) || content(t, r.disk, "metadata") != before {
		t.Errorf("interrupted: got %v", err)
	}
	r.wantRead(newDevice(t, r.disk), "irrigation", "v1.9", treeOld)
}

// TestAuthor lets an author sign a module: the online key cannot publish for it, and the author for no other.
func TestAuthor(t *testing.T) {
	r := newRig(t, repository.Ed25519)
	author := newKey(t, repository.Ed25519)
	h := head("irrigation", "v1.9")
	h.Signers = publics(author)
	_, err := r.open(r.disk).Add(t.Context(), ring(t, r.root, r.online, author), h, treeOld.fill)
	must(t, err)
	r.add("updater", "2.0", treeNew)
	if _, err := r.open(r.disk).Add(t.Context(), ring(t, r.online), head("irrigation", "v1.10"), treeNew.fill); !errors.Is(err, repository.ErrNoKey) {
		t.Errorf("the online key alone: got %v", err)
	}
	if _, err := r.open(r.disk).Add(t.Context(), ring(t, author), head("updater", "2.1"), treeNew.fill); !errors.Is(err, repository.ErrNoKey) {
		t.Errorf("the author for another module: got %v", err)
	}
	_, err = r.open(r.disk).Add(t.Context(), ring(t, r.online, author), head("irrigation", "v1.10"), treeNew.fill)
	must(t, err)
	r.wantRead(newDevice(t, r.disk), "irrigation", "v1.10", treeNew)
}

// TestKeep lets old releases go, but never the newest of a channel or of a kind of devices.
func TestKeep(t *testing.T) {
	r := newRig(t, repository.Ed25519)
	add := func(version string, devices ...string) {
		h := head("irrigation", version)
		h.Devices = devices
		_, err := r.open(r.disk).Add(t.Context(), r.keys, h, tree{"app.py": version}.fill)
		must(t, err)
	}
	add("1.0", "esp32")
	for _, v := range []string{"1.1", "1.2", "2.0-rc1", "2.0-rc2", "2.0-rc3", "2.0-rc10", "2.0-rc4", "2.0-rc5", "nightly"} {
		add(v)
	}
	list := func() (versions []string) {
		v, err := repository.Look(r.disk, r.clock)
		must(t, err)
		status, err := v.Status()
		must(t, err)
		for _, target := range status.Modules[0].Releases {
			versions = append(versions, target.Version.String())
		}
		return versions
	}
	if got, want := strings.Join(list(), " "), "2.0-rc10 2.0-rc5 2.0-rc4 2.0-rc3 2.0-rc2 1.2 1.0 nightly"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	pruned, err := r.open(r.disk).Prune(t.Context(), r.keys, 1)
	must(t, err)
	if got, want := strings.Join(list(), " "), "2.0-rc10 1.2 1.0 nightly"; got != want || len(pruned.Releases) != 4 {
		t.Errorf("got %s and %v pruned, want %s", got, pruned.Releases, want)
	}
	// what the generation before names stays, and goes with the next
	count := func() int { return strings.Count(content(t, r.disk, "files"), "\n") }
	if got := count(); got != 8 {
		t.Errorf("got %d files, want the 8 of both generations", got)
	}
	add("3.0-rc1")
	pruned, err = r.open(r.disk).Prune(t.Context(), r.keys, 1)
	must(t, err)
	if got := count(); got > 6 {
		t.Errorf("got %d files, want those of the last two generations", got)
	}
	r.assertWhole("pruned", r.disk)
	if got, want := strings.Join(pruned.Releases, " "), "irrigation/2.0-rc10"; got != want {
		t.Errorf("got %q pruned, want %q", got, want)
	}
}
