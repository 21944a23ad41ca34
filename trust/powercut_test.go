package trust_test

import (
	"fmt"
	"path"
	"strings"
	"testing"

	"moult/disk"
	"moult/disk/disktest"
	"moult/release"
	"moult/trust"
	"moult/trust/trusttest"
)

// TestPowerCutOfTheStore cuts the power before each operation of an update, loses what was not synced in each way, and then serves
// what is older than all that the device ever verified: it is refused for what it is, and the update works after.
func TestPowerCutOfTheStore(t *testing.T) {
	first := newRepo(trusttest.Ed25519)
	next := second(first)
	next.Root.Version = 2
	next.PutRoot()
	next.PutBundles("irrigation", "stable", "1.1", "1.0")
	d := newDevice(t, first)
	d.mustUpdate("1.0", oldFiles)
	d.now = next.Now
	fresh := d.disk.Copy()
	d.handler.Serve(next)
	whole := fresh.Copy()
	d.disk = whole
	d.mustUpdate("1.1", newFiles)
	found := map[string]int{}
	for n := range whole.Ops() {
		for _, loss := range disktest.Losses {
			where := fmt.Sprintf("cut before operation %d (%s), %s", n, whole.Trace()[n], loss)
			d.disk = fresh.Copy()
			d.disk.CutBefore(n)
			d.handler.Serve(next)
			_, _ = d.update()
			d.disk = d.disk.Crash(loss, uint64(n))
			trusted := d.trusted()
			for _, name := range steps[1:] { // the first device has no newer root than its anchor
				if trusted[name] == "" {
					t.Errorf("%s: %s is gone", where, name)
				}
			}
			found[fmt.Sprint(len(trusted["root.json"]), trusted["timestamp.json"] == string(next.Files["metadata/timestamp.json"]))]++
			d.handler.Serve(before(trusttest.Ed25519))
			if _, err := d.update(); release.ReasonOf(err) != release.Rollback {
				t.Errorf("%s: something older: got %v, want it refused", where, err)
			}
			d.handler.Serve(next)
			d.mustUpdate("1.1", newFiles)
			if t.Failed() {
				t.FailNow()
			}
		}
	}
	if len(found) < 2 {
		t.Errorf("every cut was found as %v: the cuts cannot have covered the store", found)
	}
}

// TestWornStore loses or spoils one file of the store: the others, and the floor, still refuse what is older.
func TestWornStore(t *testing.T) {
	first := newRepo(trusttest.Ed25519)
	d := newDevice(t, first)
	first.Root.Version = 2
	first.PutRoot()
	d.mustUpdate("1.0", oldFiles)
	fresh := d.disk.Copy()
	next := second(first)
	for _, name := range append([]string{"floor.json"}, steps...) {
		for how, data := range map[string][]byte{"gone": nil, "empty": {}, "cut": []byte(`{"signatures":[`), "null": []byte("null"), "zeros": make([]byte, 700), "large": make([]byte, 2<<20)} {
			t.Run(name+" "+how, func(t *testing.T) {
				d.disk, d.now, d.t = fresh.Copy(), day, t
				where := path.Join(trust.Dir, name)
				must(t, disk.Remove(d.disk, where))
				if data != nil {
					must(t, disk.WriteFile(d.disk, where, data, 0o644))
				}
				d.handler.Serve(before(trusttest.Ed25519))
				if _, err := d.update(); release.ReasonOf(err) != release.Rollback {
					t.Errorf("something older: got %v, want it refused", err)
				}
				d.now = next.Now
				d.handler.Serve(next)
				d.mustUpdate("1.1", newFiles)
			})
		}
	}
	for _, name := range steps { // each version is guarded by itself, whatever is lost
		for _, a := range append(attacks(), attack{name: "rollback: a root that is hidden", want: release.Rollback,
			do: func(h *trusttest.Repo) { delete(h.Files, "metadata/2.root.json") }}) {
			if !strings.HasPrefix(a.name, "rollback: ") || a.name == "rollback: the root" || strings.HasSuffix(a.name, "hidden") && name != "root.json" {
				continue
			}
			t.Run(name+" gone, "+a.name, func(t *testing.T) {
				d.disk, d.now, d.t = fresh.Copy(), next.Now, t
				must(t, disk.Remove(d.disk, path.Join(trust.Dir, name)))
				hostile := next.Copy()
				a.do(hostile)
				if strings.HasSuffix(a.name, "before") {
					hostile.Files["metadata/2.root.json"] = next.Files["metadata/2.root.json"]
				}
				d.handler.Serve(hostile)
				if _, err := d.update(); release.ReasonOf(err) != release.Rollback {
					t.Errorf("got %v, want it refused", err)
				}
			})
		}
	}
	t.Run("anchor.json gone", func(t *testing.T) {
		d.disk, d.t = fresh.Copy(), t
		must(t, d.disk.Remove(path.Join(trust.Dir, "anchor.json")))
		if _, err := d.update(); release.ReasonOf(err) != release.Untrusted {
			t.Errorf("got %v, want nothing to be trusted", err)
		}
	})
}
