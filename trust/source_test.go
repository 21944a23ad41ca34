package trust_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"moult/trust/trusttest"
	"moult/update"
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
			[]string{"metadata/timestamp.json", "bundles/irrigation/stable.bundle", "metadata/2.root.json", "metadata/2.snapshot.json", "metadata/2.targets.json", "metadata/2.irrigation.json", "targets/", "files/", "files/", "files/", "files/"},
			[]string{"metadata/timestamp.json", "bundles/irrigation/stable/1.0.bundle", "metadata/2.root.json", "metadata/3.snapshot.json", "metadata/3.irrigation.json", "targets/", "files/", "files/"}},
		"bundles": {true,
			[]string{"metadata/timestamp.json", "bundles/irrigation/stable.bundle"},
			[]string{"metadata/timestamp.json", "bundles/irrigation/stable/1.0.bundle"}},
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
			r.Requests = nil
			if plan, err := d.update(); err != nil || plan.Action != update.Nothing {
				t.Errorf("again: got %v, %v, want nothing", plan, err)
			}
			wantRequests(t, r, []string{"metadata/timestamp.json"})

			d.now = n.Now
			d.handler.Serve(n)
			d.mustUpdate("1.1", newFiles)
			wantRequests(t, n, test.update)
			if main := tree(t, d.disk, "irrigation/main"); main[".manifest"] != manifestOf(t, n, "irrigation/1.1") {
				t.Errorf("manifest: got %s, want the target's bytes", main[".manifest"])
			}
			if left := tree(t, d.disk, ".moult/download"); len(left) > 0 {
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
		if main := tree(t, d.disk, "irrigation/main"); main[".manifest"] != manifestOf(t, next, "irrigation/1.1") {
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

// wantRequests compares what was asked with beginnings of it.
func wantRequests(t *testing.T, r *trusttest.Repo, want []string) {
	t.Helper()
	if !slices.EqualFunc(r.Requests, want, func(got, want string) bool { return strings.HasPrefix(got, "GET "+want) }) {
		t.Errorf("requests: got %q, want %q", r.Requests, want)
	}
}
