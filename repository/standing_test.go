package repository_test

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"moult/disk"
	"moult/pack"
	"moult/release"
	"moult/repository"
)

// sections lists what a bundle has, as "kind number", with "-" behind those without bytes.
func sections(t *testing.T, data []byte) (all []string) {
	t.Helper()
	b, err := pack.OpenBundle(bytes.NewReader(data))
	must(t, err)
	for {
		s, err := b.Next()
		if err == io.EOF {
			return all
		}
		must(t, err)
		line := fmt.Sprint(s.Kind, " ", s.Number)
		if s.Length == 0 {
			line += " -"
		}
		if all = append(all, line); s.Kind == pack.PackKind {
			return all
		}
	}
}

// TestStandingBundles shows which bundles stand for whom, what is in them, and when they are made anew.
func TestStandingBundles(t *testing.T) {
	r := newRig(t, repository.RSA2048)
	r.add("irrigation", "v1.0", tree{"app.py": "1", "lib.py": text("lib", 2000)})
	r.add("irrigation", "v1.1", tree{"app.py": "2", "lib.py": text("lib", 2000)})
	r.add("irrigation", "v2.0-rc1", tree{"app.py": "3", "lib.py": text("lib", 2000)})
	whole := []string{"module 0", "timestamp 4", "snapshot 4", "targets 2", "role 3", "manifest 0", "pack 0 -"}
	update := []string{"module 0", "timestamp 4", "snapshot 4", "role 3", "base 0", "manifest 1", "pack 0 -"}
	pointer := []string{"module 0", "root 1 -", "targets 2 -", "role 3 -"}
	want := map[string][]string{
		"stable.bundle": whole, "stable/v1.0.bundle": update, "stable/v1.1.bundle": pointer, "stable/v2.0-rc1.bundle": pointer,
		"beta.bundle": whole, "beta/v1.0.bundle": update, "beta/v1.1.bundle": update, "beta/v2.0-rc1.bundle": pointer,
	}
	before := map[string][]byte{}
	for name, want := range want {
		data, err := disk.ReadFile(r.disk, "bundles/irrigation/"+name, 1<<20)
		must(t, err)
		if got := sections(t, data); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
		t.Logf("%s: %d bytes", name, len(data))
		if most := map[int]int{len(pointer): 40, len(update): 1400}[len(want)]; name != "stable.bundle" && name != "beta.bundle" && len(data) > most {
			t.Errorf("%s: got %d bytes, want at most %d", name, len(data), most)
		}
		before[name] = data
	}
	var stick bytes.Buffer
	_, err := r.open(r.disk).WriteBundle(t.Context(), &stick, repository.Bundle{Module: "irrigation", From: release.MustVersion("v1.0")})
	must(t, err)
	if got, want := sections(t, stick.Bytes()), slices.Insert(slices.Clone(update), 3, "targets 2"); !slices.Equal(got, want) {
		t.Errorf("for a stick: got %q, want %q", got, want)
	}

	for _, test := range []struct {
		name  string
		after time.Duration
		same  bool
	}{{"the timestamp", 0, true}, {"the snapshot, too", 20 * 24 * time.Hour, true}, {"all", 200 * 24 * time.Hour, false}} {
		r.now = r.now.Add(test.after)
		_, err = r.open(r.disk).Sign(t.Context(), r.keys, true)
		must(t, err)
		for name, old := range before {
			data, err := disk.ReadFile(r.disk, "bundles/irrigation/"+name, 1<<20)
			must(t, err)
			if bytes.Equal(data, old) != test.same {
				t.Errorf("%s: got the same bytes %v when %s was signed anew", name, !test.same, test.name)
			}
		}
	}
}
