package trust_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"moult/disk"
	"moult/disk/disktest"
	"moult/fault"
	"moult/release"
	"moult/slot"
	"moult/trust"
	"moult/trust/trusttest"
	"moult/update"
	"moult/web"
)

// second publishes 1.1 a day later.
func second(r *trusttest.Repo) *trusttest.Repo {
	r = r.Copy()
	r.Now = r.Now.Add(24 * time.Hour)
	r.Add("irrigation", "1.1", trusttest.Release{Files: newFiles})
	r.Publish()
	return r
}

func TestUpdate(t *testing.T) {
	first := newRepo(trusttest.Ed25519)
	next := second(first)
	for name, test := range map[string]struct {
		bundles bool
		install []string // the requests of the first install, and of the update
		update  []string
	}{
		"single requests": {false,
			[]string{"bundles/irrigation/stable.bundle", "metadata/timestamp.json", "metadata/2.root.json", "metadata/2.snapshot.json", "metadata/2.targets.json", "metadata/2.irrigation.json", "targets/", "files/", "files/", "files/", "files/"},
			[]string{"bundles/irrigation/stable/1.0.bundle", "metadata/timestamp.json", "metadata/2.root.json", "metadata/3.snapshot.json", "metadata/3.irrigation.json", "targets/", "files/", "files/"}},
		"bundles": {true,
			[]string{"bundles/irrigation/stable.bundle"},
			[]string{"bundles/irrigation/stable/1.0.bundle"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, n := first.Copy(), next.Copy()
			if test.bundles {
				r.PutBundles("irrigation", "stable", "1.0")
				n.PutBundles("irrigation", "stable", "1.1", "1.0")
			}
			d := newDevice(t, r)
			d.mustUpdate("1.0", oldFiles)
			wantRequests(t, r, test.install)
			wantCounted(t, d, len(test.install))
			r.Requests = nil
			if plan, err := d.update(); err != nil || plan.Action != update.Nothing {
				t.Errorf("again: got %v, %v, want nothing", plan, err)
			}
			again := []string{"bundles/irrigation/stable/1.0.bundle"}
			if !test.bundles {
				again = append(again, "metadata/timestamp.json")
			}
			wantRequests(t, r, again)

			d.now = n.Now
			d.handler.Serve(n)
			d.mustUpdate("1.1", newFiles)
			wantRequests(t, n, test.update)
			wantCounted(t, d, len(test.update))
			if main := disktest.Tree(t, d.disk, "irrigation/main"); main[".manifest"] != manifestOf(t, n, "irrigation/1.1") {
				t.Errorf("manifest: got %s, want the target's bytes", main[".manifest"])
			}
			if left := disktest.Tree(t, d.disk, ".moult/download"); len(left) > 0 {
				t.Errorf("got %d downloads left, want none", len(left))
			}
		})
	}
	t.Run("from a stick", func(t *testing.T) {
		d := newDevice(t, trusttest.New(day, trusttest.Ed25519)) // a server that knows nothing
		d.stick = first.Bundle("irrigation", "1.0", nil)
		d.mustUpdate("1.0", oldFiles)
		d.stick = next.Bundle("irrigation", "1.1", first.Manifests["irrigation/1.0"])
		d.mustUpdate("1.1", newFiles)
		if main := disktest.Tree(t, d.disk, "irrigation/main"); main[".manifest"] != manifestOf(t, next, "irrigation/1.1") {
			t.Errorf("manifest: got %s, want the target's bytes", main[".manifest"])
		}
	})
}

func manifestOf(t *testing.T, r *trusttest.Repo, name string) string {
	t.Helper()
	data, err := r.Manifests[name].Encode()
	must(t, err)
	return string(data)
}

// wantCounted holds the last update to have told of all that it asked for, its check's part too.
func wantCounted(t *testing.T, d *device, requests int) {
	t.Helper()
	for _, e := range slices.Backward(d.events) {
		if e.Kind == update.StagedAll {
			if e.Requests != requests || e.Received == 0 {
				t.Errorf("told of %d requests and %d bytes, want %d requests", e.Requests, e.Received, requests)
			}
			return
		}
	}
	t.Error("got no event of what was staged")
}

// wantRequests compares what was asked with beginnings of it.
func wantRequests(t *testing.T, r *trusttest.Repo, want []string) {
	t.Helper()
	if !slices.EqualFunc(r.Requests, want, func(got, want string) bool { return strings.HasPrefix(got, "GET "+want) }) {
		t.Errorf("requests: got %q, want %q", r.Requests, want)
	}
}

// TestChannels shows which bundle each channel takes, and what is done where there is none.
func TestChannels(t *testing.T) {
	first := newRepo(trusttest.Ed25519)
	next := first.Copy()
	next.Add("irrigation", "2.0-rc1", trusttest.Release{Files: newFiles, Prerelease: true})
	next.Add("irrigation", "1.5", trusttest.Release{Files: newFiles, Devices: []string{"esp32"}})
	next.Add("irrigation", "1.1", trusttest.Release{Files: newFiles, Devices: []string{"linux/arm64"}})
	next.Publish()
	for name, test := range map[string]struct {
		channel, to string
		want        string
		bundles     []string // that are asked for
	}{
		"stable":               {"stable", "", "1.1", []string{"stable/1.0.bundle"}},
		"beta":                 {"beta", "", "2.0-rc1", []string{"beta/1.0.bundle"}},
		"a constraint":         {"~> 1.0", "", "1.1", nil},
		"a version by its tag": {"stable", "2.0-rc1", "2.0-rc1", nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(t, first)
			d.mustUpdate("1.0", oldFiles)
			r := next.Copy()
			r.PutBundles("irrigation", "stable", "1.1", "1.0")
			r.PutBundles("irrigation", "beta", "2.0-rc1", "1.0")
			d.handler.Serve(r)
			var err error
			d.channel, err = release.ParseChannel(test.channel)
			must(t, err)
			if test.to != "" {
				d.to = release.MustVersion(test.to)
			}
			d.mustUpdate(test.want, newFiles)
			var asked []string
			for _, line := range r.Requests {
				if name, ok := strings.CutPrefix(line, "GET bundles/irrigation/"); ok {
					asked = append(asked, name)
				}
			}
			if !slices.Equal(asked, test.bundles) {
				t.Errorf("bundles: got %q, want %q", asked, test.bundles)
			}
		})
	}
	t.Run("beta where only stable has a bundle", func(t *testing.T) {
		d := newDevice(t, first)
		d.mustUpdate("1.0", oldFiles)
		r := second(first)
		r.PutBundles("irrigation", "stable", "1.1", "1.0")
		d.handler.Serve(r)
		d.now, d.channel = r.Now, release.Beta
		d.mustUpdate("1.1", newFiles)
		wantRequests(t, r, []string{"bundles/irrigation/beta/1.0.bundle", "bundles/irrigation/stable/1.0.bundle"})
	})
}

// TestAltered updates a device whose files are no longer what the release put there.
func TestAltered(t *testing.T) {
	first := newRepo(trusttest.Ed25519)
	next := second(first)
	next.PutBundles("irrigation", "stable", "1.1", "1.0")
	for name, test := range map[string]struct {
		file, content string
		want          int // files that are asked for whole
	}{
		"a file that a delta is made to":              {"app.py", "print('mine')", 1},
		"a file that did not change":                  {"lib/a.py", strings.Repeat("a = 2\n", 50), 1},
		"a file that moved":                           {"run.sh", "#!mine", 1},
		"the manifest, so that it is as a new device": {".manifest", "{}", 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(t, first)
			d.mustUpdate("1.0", oldFiles)
			must(t, disk.WriteFile(d.disk, "irrigation/main/"+test.file, []byte(test.content), 0o644))
			fresh := d.disk.Copy()
			r := next.Copy()
			d.handler.Serve(r)
			d.now = r.Now
			_, err := d.update()
			must(t, err)
			whole := 0
			for _, line := range r.Requests {
				if strings.HasPrefix(line, "GET files/") {
					whole++
				}
			}
			got := disktest.Tree(t, d.disk, "irrigation/main")
			if got[".version"] != "1.1" || got["app.py"] != newFiles["app.py"] || got["moved.sh"] != newFiles["moved.sh"] || got["lib/a.py"] != newFiles["lib/a.py"] {
				t.Errorf("got %q", got)
			}
			if whole != test.want {
				t.Errorf("got %d files asked for whole, want %d: %q", whole, test.want, r.Requests)
			}

			d.disk, d.stick = fresh, next.Bundle("irrigation", "1.1", first.Manifests["irrigation/1.0"])
			if _, err := d.update(); release.ReasonOf(err) != release.Missing || fault.HintOf(err) == "" {
				t.Errorf("from a stick: got %v, want it missing, with a hint", err)
			}
			d.stick = next.Bundle("irrigation", "1.1", nil)
			if _, err := d.update(); err != nil {
				t.Errorf("from a stick with all of it: %v", err)
			}
		})
	}
}

// TestManyRoots follows a repository through a year of new roots, and stops at more in a row than there can be.
func TestManyRoots(t *testing.T) {
	first := newRepo(trusttest.Ed25519)
	for _, test := range []struct {
		roots int64
		want  release.Reason
	}{{256, ""}, {257, release.BadLength}} {
		d := newDevice(t, first)
		d.mustUpdate("1.0", oldFiles)
		r := second(first)
		for r.Root.Version <= test.roots {
			r.Root.Version++
			r.PutRoot()
		}
		d.handler.Serve(r)
		d.now = r.Now
		if _, err := d.update(); release.ReasonOf(err) != test.want || test.want == "" && err != nil {
			t.Errorf("%d roots: got %v, want %q", test.roots, err, test.want)
		}
	}
}

// TestLock looks over the store only while other modules are kept from it, and keeps them from it no longer than that.
func TestLock(t *testing.T) {
	d := newDevice(t, newRepo(trusttest.Ed25519))
	meter := new(web.Meter)
	site, err := trust.OpenSite(d.server.URL, d.client, meter)
	must(t, err)
	locked := false
	var walks []bool
	s := trust.NewSource(trust.Options{Disk: d.disk, Module: "irrigation", Slot: slot.New(d.disk, slot.ModulePlace("irrigation"), nil), Site: site, Meter: meter,
		Clock: func() time.Time { walks = append(walks, locked); return d.now },
		Lock:  func(context.Context) (func(), error) { locked = true; return func() { locked = false }, nil }})
	answer, err := s.Latest(t.Context(), release.Query{})
	must(t, err)
	_, err = s.Fetch(t.Context(), answer.Release, release.Want{}, func(f release.File) error {
		if locked {
			t.Errorf("%s: got the store locked while files come", f.Path)
		}
		_, err := io.Copy(io.Discard, f.Body)
		return err
	})
	must(t, err)
	if want := []bool{true, true}; !slices.Equal(walks, want) {
		t.Errorf("walks under the lock: got %v, want %v", walks, want)
	}
}
