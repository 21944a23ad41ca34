package update_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"moult/disk/disktest"
	"moult/journal"
	"moult/release"
	"moult/update"
)

// The device of the power cuts: one module with kept, local and removed files and a name that is taken,
// and the updater's own, which is updated in the same way.
var (
	irrigationOld = tree{"app.py": "old app", "gone.py": "only in the old", "lib/a.py": "a", "lib/deep/b.py": "b", "settings.py": "default 1", "run.sh": "#!old"}
	irrigationNew = tree{"app.py": "new app", "lib/a.py": "a", "lib/deep/c.py": "c", "settings.py": "default 2", "notes": "shipped now", "run.sh": "#!new", "alias.py": "-> app.py"}
	updaterOld    = tree{"ota.py": "old ota"}
	updaterNew    = tree{"ota.py": "new ota", "extra.py": "more"}

	// What is the person's, where it stands before the update and after it.
	ownBefore = tree{"settings.py": "mine", "secrets.py": "key", "data/2026/log.csv": "1,2,3", "notes": "my notes"}
	ownAfter  = tree{"settings.py": "mine", "secrets.py": "key", "data/2026/log.csv": "1,2,3", "notes.local": "my notes"}
)

func cutSpecs(judged bool) []moduleSpec {
	irrigation, updater := newShelf(), newShelf()
	irrigation.add("1.9.0", irrigationOld)
	irrigation.add("1.10.0", irrigationNew)
	updater.add("2.0", updaterOld)
	updater.add("2.1", updaterNew)
	return []moduleSpec{
		{name: "irrigation", source: irrigation, keep: []string{"settings.py"}, judged: judged},
		{name: "updater", source: updater, judged: judged},
	}
}

// cutDevice returns the disk of a device that runs the old releases, with files of its own.
func cutDevice(t testing.TB, kind disktest.Disk, judged bool) (*disktest.Disk, []moduleSpec) {
	t.Helper()
	d := disktest.New()
	d.NoExchange, d.NoLinks = kind.NoExchange, kind.NoLinks
	specs := cutSpecs(judged)
	return cutDeviceOf(t, d, specs), specs
}

// cutDeviceOf makes the disk the one of a device that runs the old releases.
func cutDeviceOf(t testing.TB, d *disktest.Disk, specs []moduleSpec) *disktest.Disk {
	t.Helper()
	for i, old := range []string{"1.9.0", "2.0"} {
		dev := start(d, specs...)
		_, err := dev.engine.Update(t.Context(), dev.modules[i], update.Options{To: release.MustVersion(old)})
		must(t, err)
		must(t, dev.engine.Confirm(dev.modules[i]))
	}
	for name, content := range ownBefore {
		write(t, d, "irrigation/main/"+name, content)
	}
	write(t, d, "config/moult.json", "{}")
	return d.Copy()
}

// assertWhole holds both modules to the law: the old or the new version whole, nothing of the person's lost.
func assertWhole(t testing.TB, where string, d *disktest.Disk) (versions string) {
	t.Helper()
	irrigation, updater := files(t, d, "irrigation/main"), files(t, d, "updater/main")
	assertTree := func(got, shipped, own tree) {
		t.Helper()
		want := tree{}
		for _, from := range []tree{shipped, own} {
			for name, content := range from {
				want[name] = content
			}
		}
		for name, content := range want {
			if got[name] != content {
				t.Errorf("%s: %s: got %q, want %q", where, name, got[name], content)
			}
		}
		for name, content := range got {
			if name == "notes.local" && content == ownBefore["notes"] {
				continue // what got another name in the new version keeps it on the way back
			}
			if _, wanted := want[name]; !wanted && name != ".version" && name != ".manifest" {
				t.Errorf("%s: %s is there, want it gone", where, name)
			}
		}
	}
	switch irrigation[".version"] {
	case "1.9.0":
		assertTree(irrigation, irrigationOld, ownBefore)
	case "1.10.0":
		assertTree(irrigation, irrigationNew, ownAfter)
	default:
		t.Errorf("%s: irrigation: got version %q, want 1.9.0 or 1.10.0", where, irrigation[".version"])
	}
	switch updater[".version"] {
	case "2.0":
		assertTree(updater, updaterOld, nil)
	case "2.1":
		assertTree(updater, updaterNew, nil)
	default:
		t.Errorf("%s: updater: got version %q, want 2.0 or 2.1", where, updater[".version"])
	}
	// Where the new version is main, the old one stands whole beside it, to go back to.
	for _, m := range []struct {
		name, prev string
		isNew      bool
		old        tree
	}{
		{"irrigation", "1.9.0", irrigation[".version"] == "1.10.0", irrigationOld},
		{"updater", "2.0", updater[".version"] == "2.1", updaterOld},
	} {
		prev := files(t, d, m.name+"/prev")
		if !m.isNew {
			continue
		}
		if prev[".version"] != m.prev {
			t.Errorf("%s: %s/prev: got version %q, want %s", where, m.name, prev[".version"], m.prev)
		}
		for name, content := range m.old {
			if prev[name] != content && ownBefore[name] != prev[name] {
				t.Errorf("%s: %s/prev/%s: got %q, want %q", where, m.name, name, prev[name], content)
			}
		}
	}
	if got := files(t, d, "config")["moult.json"]; got != "{}" {
		t.Errorf("%s: configuration: got %q", where, got)
	}
	return irrigation[".version"] + " " + updater[".version"]
}

// powerCuts lets the power go before every operation of work and, for each loss, again before every operation
// of the recovery. It returns how many cuts were made, and fails where one did harm.
func powerCuts(t *testing.T, fresh *disktest.Disk, specs []moduleSpec, work func(*device) error, ends string) {
	seeds := 1
	if s := os.Getenv("MOULT_CUT_SEEDS"); s != "" {
		var err error
		seeds, err = strconv.Atoi(s)
		must(t, err)
	}
	whole := fresh.Copy()
	must(t, work(start(whole, specs...)))
	cuts, again := 0, 0
	seen := map[string]int{}
	for n := range whole.Ops() {
		d := fresh.Copy()
		d.CutBefore(n)
		if err := work(start(d, specs...)); !errors.Is(err, disktest.ErrPowerCut) {
			t.Fatalf("cut before operation %d, %s: got %v, want the power cut", n, whole.Trace()[n], err)
		}
		for _, loss := range disktest.Losses {
			for seed := range seeds {
				if seed > 0 && loss != disktest.LoseSome {
					continue
				}
				cuts++
				where := fmt.Sprintf("cut before operation %d (%s), %s %d", n, whole.Trace()[n], loss, seed)
				found := d.Crash(loss, uint64(seed))

				after := found.Copy()
				must(t, start(after, specs...).recoverAll())
				seen[assertWhole(t, where, after)]++
				for m := range after.Ops() {
					again++
					twice := found.Copy()
					twice.CutBefore(m)
					if err := start(twice, specs...).recoverAll(); !errors.Is(err, disktest.ErrPowerCut) {
						t.Fatalf("%s: recovery cut before %d: got %v, want the power cut", where, m, err)
					}
					twice = twice.Crash(loss, uint64(seed))
					must(t, start(twice, specs...).recoverAll())
					assertWhole(t, fmt.Sprintf("%s, then before operation %d of the recovery (%s)", where, m, after.Trace()[m]), twice)
				}

				must(t, work(start(after, specs...)))
				if got := assertWhole(t, where+", then done again", after); got != ends {
					t.Errorf("%s: done again: got %s, want %s", where, got, ends)
				}
				if t.Failed() {
					t.FailNow()
				}
			}
		}
	}
	t.Logf("%d operations, %d cuts, %d cuts of the recovery; found after the first recovery: %v", whole.Ops(), cuts, again, seen)
	if len(seen) < 2 {
		t.Errorf("every cut was found as %v: the cuts cannot have covered the switch", seen)
	}
}

// TestPowerCutOfAReinstall installs the same version anew: both slots then say the same, and only names tell them apart.
// The files of main were damaged before, so that the old and the new copy can be told apart here.
func TestPowerCutOfAReinstall(t *testing.T) {
	for name, kind := range diskKinds {
		t.Run(name, func(t *testing.T) {
			fresh, specs := cutDevice(t, kind, false)
			must(t, start(fresh, specs...).updateAll())
			write(t, fresh, "irrigation/main/app.py", "damaged")
			fresh = fresh.Copy()
			work := func(dev *device) error {
				_, err := dev.engine.Update(context.Background(), dev.modules[0], update.Options{Reinstall: true})
				return err
			}
			whole := fresh.Copy()
			must(t, work(start(whole, specs...)))
			events, _, err := journal.New(fresh).History("irrigation", 100)
			must(t, err)
			before := len(events)
			found := map[string]int{}
			for n := range whole.Ops() {
				for _, loss := range disktest.Losses {
					d := fresh.Copy()
					d.CutBefore(n)
					if err := work(start(d, specs...)); !errors.Is(err, disktest.ErrPowerCut) {
						t.Fatalf("cut before %d: got %v, want the power cut", n, err)
					}
					d = d.Crash(loss, 0)
					must(t, start(d, specs...).recoverAll())
					main, prev := files(t, d, "irrigation/main"), files(t, d, "irrigation/prev")
					where := fmt.Sprintf("cut before operation %d (%s), %s", n, whole.Trace()[n], loss)
					found[main["app.py"]]++
					told, _, err := journal.New(d).History("irrigation", 100)
					must(t, err)
					if isNew := main["app.py"] != "damaged"; isNew != (len(told) == before+1) {
						t.Errorf("%s: main is %q, and the history has %d events, %d before", where, main["app.py"], len(told), before)
					}
					switch main["app.py"] {
					case "damaged":
					case irrigationNew["app.py"]:
						if prev["app.py"] != "damaged" {
							t.Errorf("%s: prev: got %q, want what was main before", where, prev["app.py"])
						}
					default:
						t.Errorf("%s: main: got %q, want the old or the new copy", where, main["app.py"])
					}
					if main["secrets.py"] != "key" || main["settings.py"] != "mine" || main[".version"] != "1.10.0" {
						t.Errorf("%s: main: got %v", where, main)
					}
				}
			}
			if len(found) != 2 {
				t.Errorf("got main as %v, want both the old and the new copy", found)
			}
		})
	}
}

// TestPowerCutOfAnUndo lets a switch fail on a full disk, and cuts the power at each operation of giving it up.
func TestPowerCutOfAnUndo(t *testing.T) {
	kind := disktest.Disk{NoLinks: true} // what is the device's own must be copied, and does not fit
	fresh, specs := cutDevice(t, kind, false)
	write(t, fresh, "irrigation/main/large.log", strings.Repeat("x", 300<<10))
	fresh = fresh.Copy()
	fresh.Space = 700 << 10
	work := func(dev *device) error {
		_, err := dev.engine.Update(context.Background(), dev.modules[0], update.Options{})
		return err
	}
	whole := fresh.Copy()
	if err := work(start(whole, specs...)); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Fatalf("got %v, want a full disk", err)
	}
	for n := range whole.Ops() {
		for i := range len(disktest.Losses) + 20 { // the last loss by many chances: what is removed in one folder and not in another
			loss := disktest.Losses[min(i, len(disktest.Losses)-1)]
			where := fmt.Sprintf("cut before operation %d (%s), %s %d", n, whole.Trace()[n], loss, i)
			d := fresh.Copy()
			d.CutBefore(n)
			_ = work(start(d, specs...))
			d = d.Crash(loss, uint64(i))
			if i%2 == 1 { // at the next start the disk is still full, or somebody has made room
				_ = start(d, specs...).recoverAll()
				main := files(t, d, "irrigation/main")
				if main[".version"] != "1.9.0" || main["app.py"] != "old app" || main["secrets.py"] != "key" || len(main["large.log"]) != 300<<10 {
					t.Errorf("%s: main is not as it was: version %q, app %q", where, main[".version"], main["app.py"])
				}
			}
			d.Space = 0
			must(t, start(d, specs...).recoverAll())
			if main := files(t, d, "irrigation/main"); main[".version"] == "1.10.0" && main["lib/deep/c.py"] != "c" {
				t.Errorf("%s: a half of the new version is main: %v", where, main)
			}
			must(t, work(start(d, specs...)))
			if main := files(t, d, "irrigation/main"); main[".version"] != "1.10.0" || main["app.py"] != "new app" || main["lib/deep/c.py"] != "c" || len(main["large.log"]) != 300<<10 {
				t.Errorf("%s: with room: got version %q, app %q", where, main[".version"], main["app.py"])
			}
		}
	}
}

// TestDiskErrorAtEveryOperation lets one operation fail, as on a full or a worn disk. The update may fail;
// the next start finds the old or the new version whole, and can update.
func TestDiskErrorAtEveryOperation(t *testing.T) {
	for name, kind := range diskKinds {
		t.Run(name, func(t *testing.T) {
			fresh, specs := cutDevice(t, kind, false)
			whole := fresh.Copy()
			must(t, start(whole, specs...).updateAll())
			failed := 0
			for n := range whole.Ops() {
				for _, err := range []error{syscall.ENOSPC, syscall.EIO} {
					where := fmt.Sprintf("%v at operation %d (%s)", err, n, whole.Trace()[n])
					d := fresh.Copy()
					d.FailAt(n, err)
					if start(d, specs...).updateAll() != nil {
						failed++
					}
					d.FailAt(-1, nil)
					must(t, start(d, specs...).recoverAll())
					assertWhole(t, where, d)
					must(t, start(d, specs...).updateAll())
					if got := assertWhole(t, where, d); got != "1.10.0 2.1" {
						t.Errorf("%s: done again: got %s", where, got)
					}
				}
			}
			if failed < whole.Ops() {
				t.Errorf("%d of %d faults failed an update: most should", failed, 2*whole.Ops())
			}
		})
	}
}

var diskKinds = map[string]disktest.Disk{
	"exchange and links":  {},
	"renames and links":   {NoExchange: true},
	"renames and copies":  {NoExchange: true, NoLinks: true},
	"exchange and copies": {NoLinks: true},
}

func TestPowerCutOfAnUpdate(t *testing.T) {
	for name, kind := range diskKinds {
		t.Run(name, func(t *testing.T) {
			fresh, specs := cutDevice(t, kind, false)
			powerCuts(t, fresh, specs, (*device).updateAll, "1.10.0 2.1")
		})
	}
}

func TestPowerCutOfARollBack(t *testing.T) {
	for name, kind := range diskKinds {
		t.Run(name, func(t *testing.T) {
			fresh, specs := cutDevice(t, kind, true)
			must(t, start(fresh, specs...).updateAll())
			work := func(dev *device) error {
				for _, m := range dev.modules {
					err := dev.engine.RollBack(context.Background(), m, "it does not water")
					if err != nil && !errors.Is(err, update.ErrNothingToGoBackTo) {
						return err
					}
				}
				return nil
			}
			powerCuts(t, fresh.Copy(), specs, work, "1.9.0 2.0")
		})
	}
}
