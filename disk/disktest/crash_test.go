package disktest

import (
	"testing"

	"moult/disk"
)

// TestCrash shows what each loss takes: a synced file, one whose bytes are not synced, one whose name is not.
func TestCrash(t *testing.T) {
	d := New()
	must(t, disk.WriteNew(d, "safe", []byte("safe"), 0o644))
	f, err := d.Create("bytes", 0o644)
	must(t, err)
	must(t, d.SyncDir("."))
	_, err = f.Write([]byte("bytes!"))
	must(t, err)
	must(t, disk.WriteNew(d, "name", []byte("name"), 0o644))
	must(t, d.Rename("safe", "renamed"))

	for loss, after := range map[Loss]map[string]string{
		LoseNothing:  {"renamed": "safe", "bytes": "bytes!", "name": "name"},
		LoseUnsynced: {"safe": "safe", "bytes": ""},
		LoseBytes:    {"renamed": "safe", "bytes": "byt", "name": "name"},
	} {
		t.Run(string(loss), func(t *testing.T) {
			c := d.Crash(loss, 1)
			for _, name := range []string{"safe", "renamed", "bytes", "name"} {
				if content, there := after[name]; there {
					want(t, c, name, content)
				} else {
					missing(t, c, name)
				}
			}
		})
	}
	t.Run("mixed is the same for the same seed", func(t *testing.T) {
		seen := map[string]bool{}
		for seed := range uint64(20) {
			a, b := listing(t, d.Crash(LoseSome, seed)), listing(t, d.Crash(LoseSome, seed))
			if a != b {
				t.Errorf("seed %d: got %q, then %q", seed, a, b)
			}
			seen[a] = true
		}
		if len(seen) < 3 {
			t.Errorf("20 seeds lost in %d ways, want several", len(seen))
		}
	})
	if listing(t, d) != "bytes=bytes! name=name renamed=safe " {
		t.Errorf("the crashed disk itself changed: %s", listing(t, d))
	}
}

func TestCutBefore(t *testing.T) {
	d := New()
	d.CutBefore(1)
	must(t, d.Mkdir("a", 0o755))
	if err := d.Mkdir("b", 0o755); err != ErrPowerCut {
		t.Errorf("got %v, want %v", err, ErrPowerCut)
	}
	if err := d.Remove("a"); err != ErrPowerCut {
		t.Errorf("got %v, want %v: the power stays away", err, ErrPowerCut)
	}
}

func listing(t *testing.T, d *Disk) string {
	entries, err := d.ReadDir(".")
	must(t, err)
	var s string
	for _, e := range entries {
		data, err := disk.ReadFile(d, e.Name(), 100)
		must(t, err)
		s += e.Name() + "=" + string(data) + " "
	}
	return s
}
