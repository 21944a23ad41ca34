package repository_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"strings"
	"testing"

	"moult/disk"
	"moult/fault"
	"moult/release"
	"moult/repository"
)

// heldOpen opens a repository as a publisher does who remembers what was published, in a file of the same disk: so the power is cut
// at the operations of remembering too.
func (r *rig) heldOpen(d disk.Disk) (*repository.Repository, error) {
	repo, err := repository.Open(d, r.clock)
	if err != nil {
		return nil, err
	}
	repo.Hold(floorOn(r.t, d))
	repo.Remember = func(floor repository.Floor) error {
		data, err := json.Marshal(floor)
		if err != nil {
			return err
		}
		return disk.WriteFile(d, "floor.json", data, 0o644)
	}
	return repo, nil
}

// floorOn is what the publisher remembers.
func floorOn(t testing.TB, d disk.Reader) (floor repository.Floor) {
	t.Helper()
	data, err := disk.ReadFile(d, "floor.json", 1<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	must(t, err)
	must(t, json.Unmarshal(data, &floor))
	return floor
}

// published adds a release to what was remembered.
func (r *rig) published(module, version string, files tree) {
	r.t.Helper()
	repo, err := r.heldOpen(r.disk)
	must(r.t, err)
	_, err = repo.Add(r.t.Context(), r.keys, head(module, version), files.fill)
	must(r.t, err)
}

// TestOlderState puts an older state under a publisher who remembers what was published: nothing is signed on top of it by any command,
// and its files are as they were.
func TestOlderState(t *testing.T) {
	works := map[string]func(r *rig, repo *repository.Repository) error{
		"add": func(r *rig, repo *repository.Repository) error {
			_, err := repo.Add(r.t.Context(), r.keys, head("irrigation", "v1.11"), treeNew.fill)
			return err
		},
		"sign": func(r *rig, repo *repository.Repository) error {
			_, err := repo.Sign(r.t.Context(), r.keys, true)
			return err
		},
		"rotate": func(r *rig, repo *repository.Repository) error {
			_, err := repo.Rotate(r.t.Context(), r.keys, repository.Rotation{Role: repository.Online, Add: publics(r.root)})
			return err
		},
		"remove": func(r *rig, repo *repository.Repository) error {
			_, err := repo.Remove(r.t.Context(), r.keys, "irrigation", release.MustVersion("v1.8"))
			return err
		},
		"prune": func(r *rig, repo *repository.Repository) error {
			_, err := repo.Prune(r.t.Context(), r.keys, 1)
			return err
		},
	}
	r := newRig(t, repository.Ed25519)
	r.published("irrigation", "v1.8", treeOld)
	r.published("irrigation", "v1.9", treeOld)
	older := r.disk.Copy()
	r.published("irrigation", "v1.10", treeNew)
	floor := floorOn(t, r.disk)
	if want := (repository.Floor{"root": 1, "timestamp": 4, "snapshot": 4, "targets": 2, "irrigation": 3}); !maps.Equal(floor, want) {
		t.Fatalf("got the floor %v, want %v", floor, want)
	}
	for name, work := range works {
		d := older.Copy()
		before := content(t, d, ".")
		repo, err := repository.Open(d, r.clock)
		must(t, err)
		repo.Hold(floor)
		err = work(r, repo)
		if release.ReasonOf(err) != release.Rollback || !strings.Contains(err.Error(), "irrigation 2, want at least 3; snapshot 3, want at least 4; timestamp 3, want at least 4") ||
			!strings.Contains(fault.HintOf(err), "--restored") {
			t.Errorf("%s: got %v, hint %q, want a rollback that says how far, and the way back", name, err, fault.HintOf(err))
		}
		if content(t, d, ".") != before {
			t.Errorf("%s: it changed the repository", name)
		}
		must(t, work(r, r.open(older.Copy()))) // without the floor nothing is wrong with it
	}
	// Each role alone is held, and one that is gone from the snapshot.
	for role := range floor {
		repo := r.open(r.disk)
		repo.Hold(repository.Floor{role: floor[role]})
		if _, err := repo.Status(); err != nil {
			t.Errorf("%s at its floor: %v", role, err)
		}
		repo.Hold(repository.Floor{role: floor[role] + 1})
		if _, err := repo.Status(); release.ReasonOf(err) != release.Rollback {
			t.Errorf("%s below its floor: got %v, want a rollback", role, err)
		}
	}
	repo := r.open(r.disk)
	repo.Hold(repository.Floor{"pump": 1})
	if _, err := repo.Status(); release.ReasonOf(err) != release.Rollback {
		t.Errorf("a module that is gone: got %v, want a rollback", err)
	}
}

// TestRestore signs a backup that was put back above what was published: a device that followed to what is lost takes it, and what is
// published on top of it.
func TestRestore(t *testing.T) {
	r := newRig(t, repository.Ed25519)
	r.published("irrigation", "v1.8", tree{"app.py": "older"})
	r.published("irrigation", "v1.9", treeOld)
	backup := r.disk.Copy()
	r.published("irrigation", "v1.10", treeNew)
	r.published("pump", "v1", treeOld) // which the backup does not know: targets is below as well
	follows := newDevice(t, r.disk)
	r.wantRead(follows, "irrigation", "v1.10", treeNew)
	floor := floorOn(t, r.disk)

	open := func() *repository.Repository {
		repo := r.open(backup)
		repo.Hold(floor)
		repo.Remember = func(now repository.Floor) error { floor = now; return nil }
		return repo
	}
	online := ring(t, r.online)
	if _, err := open().Restore(t.Context(), online); !errors.Is(err, repository.ErrNoKey) {
		t.Errorf("without the key of targets: got %v, want the key to be asked for", err)
	}
	if _, err := follows.read(backup, r.now, "irrigation", "v1.9"); err == nil {
		t.Error("a device that followed takes an older state")
	}
	lost := maps.Clone(floor)
	signed, err := open().Restore(t.Context(), r.keys)
	must(t, err)
	if got := strings.Join(signed, " "); got != "targets irrigation snapshot timestamp" {
		t.Errorf("signed %s, want what was below", got)
	}
	for role, version := range lost {
		if floor[role] < version || floor[role] == version && role != "root" && role != "pump" {
			t.Errorf("%s: got version %d, want it above %d", role, floor[role], version)
		}
	}
	r.disk = backup
	r.wantRead(follows, "irrigation", "v1.9", treeOld)
	report, err := open().Verify(t.Context(), nil)
	must(t, err)
	if !report.OK() {
		t.Errorf("restored: got the findings %v, want none that a device minds", report.Findings)
	}
	if _, err := open().Restore(t.Context(), r.keys); err == nil {
		t.Error("again: got no error, want it told that there is nothing to restore")
	}
	_, err = open().Add(t.Context(), r.keys, head("irrigation", "v1.10"), treeNew.fill)
	must(t, err)
	_, err = open().Add(t.Context(), r.keys, head("pump", "v1"), treeOld.fill)
	must(t, err)
	if floor["pump"] <= lost["pump"] {
		t.Errorf("pump: got version %d, want it above %d", floor["pump"], lost["pump"])
	}
	r.wantRead(follows, "irrigation", "v1.10", treeNew)
	r.wantRead(follows, "pump", "v1", treeOld)
	r.assertWhole("published on top", backup)
}

// TestRestoreOfAnOlderRoot tells of roots that are lost: those cannot be signed again.
func TestRestoreOfAnOlderRoot(t *testing.T) {
	r := newRig(t, repository.Ed25519)
	r.published("irrigation", "v1.9", treeOld)
	repo := r.open(r.disk)
	repo.Hold(repository.Floor{"root": 2})
	if _, err := repo.Restore(t.Context(), r.keys); release.ReasonOf(err) != release.Rollback || !strings.Contains(fault.HintOf(err), "root.json") {
		t.Errorf("got %v, hint %q, want a rollback, and where the newer root is", err, fault.HintOf(err))
	}
}

// TestNotRemembered tells of a floor that could not be written: what was published stands.
func TestNotRemembered(t *testing.T) {
	r := newRig(t, repository.Ed25519)
	repo := r.open(r.disk)
	full := errors.New("the stick is full")
	repo.Remember = func(repository.Floor) error { return full }
	if _, err := repo.Add(t.Context(), r.keys, head("irrigation", "v1.9"), treeOld.fill); !errors.Is(err, full) || !strings.Contains(err.Error(), "published") {
		t.Errorf("got %v, want it to say what was done and what not", err)
	}
	r.wantRead(newDevice(t, r.disk), "irrigation", "v1.9", treeOld)
}
