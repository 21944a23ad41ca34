package repository_test

import (
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"

	"moult/disk"
	"moult/disk/disktest"
	"moult/repository"
)

var diskKinds = map[string]disktest.Disk{
	"exchange and links":  {},
	"renames and links":   {NoExchange: true},
	"renames and copies":  {NoExchange: true, NoLinks: true},
	"exchange and copies": {NoLinks: true},
}

// watcher looks at a repository as devices do, once for each state that it is found in.
type watcher struct {
	*rig
	follows *device // it followed until the change began
	seen    map[string]string
}

// content is all that stands on a disk but the bundles and the publisher's floor, to tell states apart.
func content(t testing.TB, d disk.Reader, dir string) string {
	var b strings.Builder
	entries, err := d.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if name == "bundles" || name == "floor.json" {
			continue
		}
		if e.IsDir() {
			b.WriteString(content(t, d, name))
			continue
		}
		data, err := disk.ReadFile(d, name, 1<<20)
		must(t, err)
		fmt.Fprintf(&b, "%s %x\n", name, sha256.Sum256(data))
	}
	return b.String()
}

// assertServes lets two devices refresh over a repository as a web server would show it now: one with the first root alone, and one that
// followed until the change began. Both must see the same releases, of before or after. It returns what they saw.
func (w *watcher) assertServes(where string, d *disktest.Disk) (seen string) {
	w.t.Helper()
	state := content(w.t, d, ".")
	if seen, known := w.seen[state]; known {
		return seen
	}
	follows := &device{w.t.TempDir(), w.follows.anchor}
	must(w.t, os.CopyFS(follows.dir, os.DirFS(w.follows.dir)))
	for name, c := range map[string]*device{"a new device": newDevice(w.t, d), "a device that followed": follows} {
		saw := ""
		for version, want := range map[string]tree{"v1.9": treeOld, "v1.10": treeNew} {
			got, err := c.read(d, w.now, "irrigation", version)
			if err != nil || got == nil && version == "v1.9" || got != nil && !maps.Equal(got, want.seen()) {
				w.t.Errorf("%s: %s: %s: got %q, %v", where, name, version, got, err)
			}
			if version == "v1.10" {
				saw = fmt.Sprintf("v1.10 %v, root %d", got != nil, c.rootVersion())
			}
		}
		if seen != "" && seen != saw {
			w.t.Errorf("%s: one device saw %s, another %s", where, seen, saw)
		}
		seen = saw
	}
	w.seen[state] = seen
	return seen
}

// cuts lets the power go before every operation of work, and again before every operation of the next command; after each
// a device sees the repository of before or after, whole, and work done again ends well: the floor is never ahead of what was published.
func cuts(t *testing.T, r *rig, work func(*repository.Repository) error) {
	seeds := 1
	if s := os.Getenv("MOULT_CUT_SEEDS"); s != "" {
		var err error
		seeds, err = strconv.Atoi(s)
		must(t, err)
	}
	w := &watcher{r, newDevice(t, r.disk), map[string]string{}}
	r.wantRead(w.follows, "irrigation", "v1.9", treeOld)
	before := w.assertServes("before", r.disk)
	run := func(d *disktest.Disk) error {
		repo, err := r.heldOpen(d)
		if err != nil {
			return err
		}
		return work(repo)
	}
	fresh := r.disk.Copy()
	whole := fresh.Copy()
	must(t, run(whole))
	done := w.assertServes("after", whole)
	made, seen := 0, map[string]int{}
	for n := range whole.Ops() {
		d := fresh.Copy()
		d.CutBefore(n)
		if err := run(d); !errors.Is(err, disktest.ErrPowerCut) {
			t.Fatalf("cut before operation %d, %s: got %v, want the power cut", n, whole.Trace()[n], err)
		}
		for _, loss := range disktest.Losses {
			for seed := range seeds {
				if seed > 0 && loss != disktest.LoseSome {
					continue
				}
				made++
				where := fmt.Sprintf("cut before operation %d (%s), %s %d", n, whole.Trace()[n], loss, seed)
				found := d.Crash(loss, uint64(seed))
				if !found.NoExchange { // between two renames a web server has no metadata at all
					seen[w.assertServes(where, found)]++
				}
				after := found.Copy()
				_, err := repository.Open(after, r.clock)
				must(t, err)
				opened := w.assertServes(where+", opened", after)
				seen[opened]++
				for m := range after.Ops() {
					twice := found.Copy()
					twice.CutBefore(m)
					_, _ = repository.Open(twice, r.clock)
					twice = twice.Crash(loss, uint64(seed))
					_, err := repository.Open(twice, r.clock)
					must(t, err)
					if got := w.assertServes(where+", cut again", twice); got != opened {
						t.Errorf("%s: opened: got the repository of %s, and after another cut of %s", where, opened, got)
					}
				}
				must(t, run(after))
				if got := w.assertServes(where+", then done again", after); got != done {
					t.Errorf("%s, then done again: got %s, want %s", where, got, done)
				}
				r.assertWhole(where+", then done again", after)
				if t.Failed() {
					return
				}
			}
		}
	}
	t.Logf("%d cuts: found as %v", made, seen)
	for state := range seen {
		if state != before && state != done {
			t.Errorf("got %s, want %s or %s", state, before, done)
		}
	}
	if made < 4*whole.Ops() || seen[before] == 0 || seen[done] == 0 {
		t.Errorf("got %d cuts of %d operations, found as %v: they cannot have covered the change", made, whole.Ops(), seen)
	}
}

// assertWhole holds a repository to Verify, without as much as a warning.
func (r *rig) assertWhole(where string, d *disktest.Disk) {
	r.t.Helper()
	v, err := repository.Look(d, r.clock)
	must(r.t, err)
	report, err := v.Verify(context.Background(), nil)
	must(r.t, err)
	for _, f := range report.Findings {
		r.t.Errorf("%s: verify: %s: %s", where, f.Reason, f.Text)
	}
	if report.Releases == 0 || report.Files == 0 || report.Bundles == 0 {
		r.t.Errorf("%s: verify: got %d releases, %d files, %d bundles", where, report.Releases, report.Files, report.Bundles)
	}
}

// TestPowerCutOfInit cuts the making of a repository: there is none, or a whole one, and Init can be done again.
func TestPowerCutOfInit(t *testing.T) {
	for name, kind := range diskKinds {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, repository.Ed25519)
			make := func(d *disktest.Disk) error {
				_, err := repository.Init(d, r.clock, r.keys, repository.Plan{Root: publics(r.root), Online: publics(r.online)})
				return err
			}
			fresh := disktest.New()
			fresh.NoExchange, fresh.NoLinks = kind.NoExchange, kind.NoLinks
			whole := fresh.Copy()
			must(t, make(whole))
			found := map[bool]int{}
			for n := range whole.Ops() {
				for _, loss := range disktest.Losses {
					d := fresh.Copy()
					d.CutBefore(n)
					_ = make(d)
					d = d.Crash(loss, 1)
					_, err := repository.Look(d, r.clock)
					if found[err == nil]++; errors.Is(err, repository.ErrNone) {
						must(t, make(d))
					} else {
						must(t, err)
					}
					c := newDevice(t, d)
					if _, err := c.read(d, r.now, "irrigation", "v1"); err != nil {
						t.Errorf("cut before operation %d (%s), %s: %v", n, whole.Trace()[n], loss, err)
					}
				}
			}
			if found[false] < 20 || found[true] == 0 {
				t.Errorf("found a repository, or none: %v", found)
			}
		})
	}
}

func TestPowerCut(t *testing.T) {
	for name, kind := range diskKinds {
		t.Run(name, func(t *testing.T) {
			newCutRig := func(t *testing.T) *rig {
				r := newRigOn(t, kind, repository.Ed25519)
				r.add("irrigation", "v1.8", tree{"app.py": "older"})
				r.add("irrigation", "v1.9", treeOld)
				r.disk = r.disk.Copy()
				return r
			}
			t.Run("add", func(t *testing.T) {
				r := newCutRig(t)
				cuts(t, r, func(repo *repository.Repository) error {
					_, err := repo.Add(t.Context(), r.keys, head("irrigation", "v1.10"), treeNew.fill)
					return err
				})
			})
			t.Run("rotate the online key", func(t *testing.T) {
				r := newCutRig(t)
				fresh := newKey(t, repository.Ed25519)
				keys := ring(t, r.root, r.online, fresh)
				cuts(t, r, func(repo *repository.Repository) error {
					_, err := repo.Rotate(t.Context(), keys, repository.Rotation{Role: repository.Online, Add: []crypto.PublicKey{fresh.Public()}, Remove: []string{keyID(t, r.online)}})
					if errors.Is(err, repository.ErrNoSuchKey) { // done before the cut
						_, err = repo.Sign(t.Context(), keys, false)
					}
					return err
				})
			})
			t.Run("prune", func(t *testing.T) {
				r := newCutRig(t)
				r.add("irrigation", "v1.10", treeNew)
				cuts(t, r, func(repo *repository.Repository) error {
					_, err := repo.Prune(t.Context(), r.keys, 2)
					return err
				})
			})
		})
	}
}
