package repository_test

import (
	"maps"
	"testing"
	"time"

	"moult/repository"
)

var (
	treeOld = tree{"app.py": "old app", "lib/a.py": "a", "run.sh": "#!sh", "alias.py": "-> app.py", "empty": "", ".version": "theirs"}
	treeNew = tree{"app.py": "new app", "lib/a.py": "a", "lib/c.py": "c"}
)

// seen is a tree as a device gets it: what the updater writes itself is left out.
func (files tree) seen() tree {
	files = maps.Clone(files)
	delete(files, ".version")
	return files
}

func (r *rig) wantRead(c *device, module, version string, want tree) {
	r.t.Helper()
	got, err := c.read(r.disk, r.now, module, version)
	if err != nil {
		r.t.Fatalf("%s %s: %v", module, version, err)
	}
	if !maps.Equal(got, want.seen()) {
		r.t.Errorf("%s %s: got %q, want %q", module, version, got, want.seen())
	}
}

// TestClient lets go-tuf's own client follow a repository from its first release on.
func TestClient(t *testing.T) {
	for _, kind := range repository.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			r := newRig(t, kind)
			c := newDevice(t, r.disk)
			r.add("irrigation", "v1.9", treeOld)
			r.wantRead(c, "irrigation", "v1.9", treeOld)
			r.add("irrigation", "v1.10", treeNew)
			r.add("updater", "2.0", treeOld)
			r.wantRead(c, "irrigation", "v1.10", treeNew)
			r.wantRead(c, "updater", "2.0", treeOld)
			r.now = r.now.Add(6 * 24 * time.Hour)
			signed, err := r.open(r.disk).Sign(t.Context(), ring(t, r.online), false)
			must(t, err)
			if len(signed.Roles) != 1 || signed.Roles[0] != repository.Timestamp {
				t.Errorf("after six days: got %v signed, want the timestamp", signed.Roles)
			}
			r.now = r.now.Add(5 * 24 * time.Hour)
			r.wantRead(c, "irrigation", "v1.9", treeOld)
		})
	}
}
