package repository_test

import (
	"errors"
	"strings"
	"testing"

	"moult/release"
	"moult/repository"
)

// TestRemove withdraws a release and a module; devices follow, and a module that comes back is newer than it was.
func TestRemove(t *testing.T) {
	r := newRig(t, repository.Ed25519)
	r.add("irrigation", "v1.9", treeOld)
	r.add("irrigation", "v1.10", treeNew)
	r.add("updater", "2.0", tree{"ota.py": "ota"})
	c := newDevice(t, r.disk)
	remove := func(module, version string, keys repository.Ring) error {
		var v release.Version
		must(t, v.UnmarshalText([]byte(version)))
		_, err := r.open(r.disk).Remove(t.Context(), keys, module, v)
		return err
	}
	gone := func(module, version string) {
		t.Helper()
		if got, err := c.read(r.disk, r.now, module, version); err != nil || got != nil {
			t.Errorf("%s %s: got %q, %v, want it gone", module, version, got, err)
		}
	}
	must(t, remove("irrigation", "v1.10", ring(t, r.online)))
	gone("irrigation", "v1.10")
	r.wantRead(c, "irrigation", "v1.9", treeOld)
	if err := remove("irrigation", "v1.10", r.keys); !errors.Is(err, release.ErrNotFound) {
		t.Errorf("removed twice: got %v", err)
	}
	if err := remove("updater", "", ring(t, r.online)); !errors.Is(err, repository.ErrNoKey) {
		t.Errorf("a module without the root's key: got %v", err)
	}
	must(t, remove("updater", "", r.keys))
	gone("updater", "2.0")
	r.wantRead(c, "irrigation", "v1.9", treeOld)
	r.assertWhole("removed", r.disk)
	r.add("irrigation", "v1.11", treeNew)
	r.add("irrigation", "v1.12", treeNew)
	if strings.Contains(content(t, r.disk, "targets"), "updater") {
		t.Error("the module's manifests are still there after two generations")
	}
	r.add("updater", "2.1", tree{"ota.py": "ota 2"})
	r.wantRead(c, "updater", "2.1", tree{"ota.py": "ota 2"})
	r.assertWhole("added again", r.disk)
}
