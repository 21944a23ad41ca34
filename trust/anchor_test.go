package trust_test

import (
	"bytes"
	"errors"
	"maps"
	"testing"

	"moult/disk/disktest"
	"moult/release"
	"moult/trust"
	"moult/trust/trusttest"
)

// TestInstall gives a device its root of trust.
func TestInstall(t *testing.T) {
	r := newRepo(trusttest.Ed25519)
	good := r.Files["metadata/1.root.json"]
	for name, test := range map[string]struct {
		data []byte
		want release.Reason
	}{
		"no JSON":           {[]byte("<html>"), release.BadFormat},
		"nothing":           {nil, release.BadFormat},
		"another role":      {r.Files["metadata/timestamp.json"], release.BadFormat},
		"too long":          {append(bytes.Clone(good), make([]byte, 64<<10)...), release.BadLength},
		"changed":           {bytes.Replace(good, []byte(`"version":1`), []byte(`"version":2`), 1), release.BadSignature},
		"signed by nobody":  {trusttest.Sign(r.Root), release.BadSignature},
		"signed by another": {trusttest.Sign(r.Root, r.Key("thief")), release.BadSignature},
		"no keys at all": {func() []byte {
			c := r.Copy()
			for role := range c.Root.Roles {
				c.Allow(role, 1)
			}
			c.PutRoot()
			return c.Files["metadata/1.root.json"]
		}(), release.Untrusted},
		"a threshold that one key cannot reach": {func() []byte {
			c := r.Copy()
			c.Allow("root", 2, c.Key("root"), c.Key("root-2"))
			c.PutRoot()
			return c.Files["metadata/1.root.json"]
		}(), release.BadSignature},
		"a threshold of none": {func() []byte {
			c := r.Copy()
			c.Allow("root", 0, c.Key("root"))
			c.PutRoot()
			return c.Files["metadata/1.root.json"]
		}(), release.BadFormat},
	} {
		t.Run(name, func(t *testing.T) {
			d := disktest.New()
			if _, err := trust.NewStore(d).Install(test.data, true); release.ReasonOf(err) != test.want {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if held := disktest.Tree(t, d, trust.Dir); len(held) > 0 {
				t.Errorf("got %d files, want none", len(held))
			}
		})
	}
	t.Run("another root", func(t *testing.T) {
		d := newDevice(t, r)
		d.mustUpdate("1.0", oldFiles)
		other := trusttest.New(day, func(name string) trusttest.Key { return trusttest.Ed25519("other " + name) }).Files["metadata/1.root.json"]
		store, before := trust.NewStore(d.disk), d.trusted()
		if _, err := store.Install(other, false); !errors.Is(err, trust.ErrTrusted) {
			t.Errorf("got %v, want it refused", err)
		}
		if _, err := store.Install(good, false); err != nil {
			t.Errorf("the same again: %v", err)
		}
		if !maps.Equal(before, d.trusted()) {
			t.Error("what is trusted changed")
		}
		anchor, err := store.Install(other, true)
		must(t, err)
		state, err := store.State()
		must(t, err)
		if state.Anchor.SHA256 != anchor.SHA256 || len(state.Roles) > 0 || !state.Floor.IsZero() {
			t.Errorf("got %+v, want the other root and nothing else", state)
		}
		if _, err := d.update(); release.ReasonOf(err) == "" {
			t.Errorf("got %v, want the first repository refused", err)
		}
	})
}

// TestVouches tells a manifest that the role names from any other.
func TestVouches(t *testing.T) {
	r := newRepo(trusttest.Ed25519)
	d := newDevice(t, r)
	store := trust.NewStore(d.disk)
	manifest := []byte(manifestOf(t, r, "irrigation/1.0"))
	vouches := func(module string, data []byte) bool {
		got, err := store.Vouches(module, data)
		must(t, err)
		return got
	}
	if vouches("irrigation", manifest) {
		t.Error("before anything was verified: got true")
	}
	d.mustUpdate("1.0", oldFiles)
	if !vouches("irrigation", manifest) {
		t.Error("got false for what runs")
	}
	if vouches("irrigation", append(manifest, ' ')) || vouches("updater", manifest) || vouches("irrigation", nil) {
		t.Error("got true for another manifest")
	}
}
