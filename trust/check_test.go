package trust_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"moult/disk"
	"moult/pack"
	"moult/release"
	"moult/trust"
	"moult/trust/trusttest"
	"moult/update"
)

// spy notes what a site answers: "PATH", "PATH unchanged" or "PATH none".
type spy struct {
	trust.Site
	said *[]string
}

func (s spy) Open(ctx context.Context, name string, ask trust.Ask) (*trust.Answer, error) {
	answer, err := s.Site.Open(ctx, name, ask)
	switch {
	case err != nil:
		name += " none"
	case answer.Unchanged:
		name += " unchanged"
	}
	*s.said = append(*s.said, name)
	return answer, err
}

// watch has what the site answers noted from now on, and returns a function that gives it, with what is below files/ and targets/ left out.
func (d *device) watch() func() []string {
	var said []string
	d.wire = func(site trust.Site) trust.Site { return spy{site, &said} }
	return func() []string {
		got := slices.DeleteFunc(said, func(s string) bool { return strings.HasPrefix(s, "files/") || strings.HasPrefix(s, "targets/") })
		said = nil
		return got
	}
}

const (
	from10  = "bundles/irrigation/stable/1.0.bundle"
	at      = "metadata/timestamp.json"
	expired = trusttest.Life + time.Hour
)

// TestCheck follows a device that has 1.0 from check to check, and holds what it asks for to docs/formats.md, A check.
func TestCheck(t *testing.T) {
	first := newRepo(trusttest.Ed25519)
	first.PutBundles("irrigation", "stable", "1.0")
	type step struct {
		do   func(d *device, r *trusttest.Repo) // what happens before the check; r is served
		want []string
		runs string         // "" for 1.0
		why  release.Reason // the refusal
	}
	nothing := func(*device, *trusttest.Repo) {}
	seen := step{nothing, []string{from10}, "", ""}                     // the pointer comes once
	unchanged := step{nothing, []string{from10 + " unchanged"}, "", ""} // and then needs not
	again := step{nothing, []string{from10, at + " unchanged"}, "", ""} // what it named is not there yet
	later := func(after time.Duration, do func(r *trusttest.Repo)) func(*device, *trusttest.Repo) {
		return func(d *device, r *trusttest.Repo) {
			d.now = d.now.Add(after)
			r.Now = d.now
			do(r)
		}
	}
	point := func(root, targets, role int64) func(*device, *trusttest.Repo) {
		return func(_ *device, r *trusttest.Repo) {
			r.Files[from10] = trusttest.Pointer("irrigation", r.Root.Version+root, r.Targets.Version+targets, r.Roles["irrigation"].Version+role)
		}
	}
	release11 := func(r *trusttest.Repo) {
		r.Add("irrigation", "1.1", trusttest.Release{Files: newFiles})
		r.Publish()
		r.PutBundles("irrigation", "stable", "1.1", "1.0")
	}
	single := []string{at, "metadata/2.root.json none"}
	for name, steps := range map[string][]step{
		"nothing new":                            {seen, unchanged, unchanged},
		"timestamp and snapshot are signed anew": {seen, {later(time.Hour, func(r *trusttest.Repo) { r.PublishSnapshot() }), unchanged.want, "", ""}, unchanged},
		"the timestamp that is held expires": {seen, {later(expired, func(r *trusttest.Repo) {
			r.Targets.Version++
			r.Publish()
		}), append(slices.Clone(unchanged.want), at, "metadata/2.root.json none", "metadata/3.snapshot.json", "metadata/3.targets.json", "metadata/3.irrigation.json"), "", ""}, unchanged},
		"what says for ever that nothing is new freezes until then": {seen, {later(trusttest.Life-time.Hour, func(*trusttest.Repo) {}), unchanged.want, "", ""},
			{later(2*time.Hour, func(*trusttest.Repo) {}), []string{from10 + " unchanged", at, "metadata/2.root.json none"}, "", release.Expired}},
		"an update is one request": {seen, {later(time.Hour, release11), []string{from10}, "1.1", ""}},
		"an update in a bundle whose timestamp has expired": {seen, {later(2*time.Hour, func(r *trusttest.Repo) {
			release11(r)
			good := r.Timestamp.Expires
			r.Timestamp.Expires = r.Now.Add(-time.Hour)
			r.Timestamp.UnrecognizedFields["issued"] = r.Timestamp.Expires.Format(time.RFC3339)
			r.PutTimestamp()
			r.PutBundles("irrigation", "stable", "1.1", "1.0")
			r.Timestamp.Expires = good
			r.PublishTimestamp()
		}), []string{from10, at}, "1.1", ""}},
		"an update in a bundle whose timestamp is older than the one held": {seen, {later(time.Hour, func(r *trusttest.Repo) {
			release11(r)
			newest := r.Timestamp.Version
			r.Timestamp.Version = 1
			r.PutTimestamp()
			r.PutBundles("irrigation", "stable", "1.1", "1.0")
			r.Timestamp.Version = newest
			r.PutTimestamp()
		}), []string{from10, at}, "1.1", ""}},
		"a pointer that names what is held":    {{point(0, 0, 0), seen.want, "", ""}, unchanged},
		"a pointer that names something older": {{point(0, -1, -1), seen.want, "", ""}, unchanged},
		"a pointer that names a newer root":    {{point(1, 0, 0), append(slices.Clone(seen.want), single...), "", ""}, again},
		"a pointer that names newer targets":   {{point(0, 1, 0), append(slices.Clone(seen.want), single...), "", ""}, again},
		"a pointer that names a newer role":    {{point(0, 0, 1), append(slices.Clone(seen.want), single...), "", ""}, again},
	} {
		t.Run(name, func(t *testing.T) {
			r := first.Copy()
			d := newDevice(t, r)
			d.mustUpdate("1.0", oldFiles)
			said := d.watch()
			for i, s := range steps {
				s.do(d, r)
				plan, err := d.update()
				if release.ReasonOf(err) != s.why || (err == nil) != (s.why == "") {
					t.Errorf("step %d: got %v, want %q", i, err, s.why)
				}
				if s.runs == "" && s.why == "" && plan.Action != update.Nothing {
					t.Errorf("step %d: got %v, want nothing new", i, plan)
				}
				if got := said(); !slices.Equal(got, s.want) {
					t.Errorf("step %d: got %q, want %q", i, got, s.want)
				}
				if s.runs == "1.1" {
					d.mustHave("1.1", newFiles)
				} else {
					d.mustHave("1.0", oldFiles)
				}
			}
		})
	}
}

// TestBadPointer gives a device pointers that are none: they are refused, not remembered, and single requests made.
func TestBadPointer(t *testing.T) {
	first := newRepo(trusttest.Ed25519)
	bundle := func(sections ...pack.Section) []byte {
		var out bytes.Buffer
		w, err := pack.NewWriter(&out, 12)
		must(t, err)
		must(t, w.Section(pack.Module, 0, []byte("irrigation")))
		for _, s := range sections {
			must(t, w.Section(s.Kind, s.Number, make([]byte, s.Length)))
		}
		must(t, w.Close())
		return out.Bytes()
	}
	root, targets, role := pack.Section{Kind: pack.Root, Number: 1}, pack.Section{Kind: pack.Targets, Number: 2}, pack.Section{Kind: pack.Role, Number: 2}
	for name, data := range map[string][]byte{
		"of the root alone": bundle(root),
		"without the role":  bundle(root, targets),
		"without the root":  bundle(targets, role),
		"two roots":         bundle(root, pack.Section{Kind: pack.Root, Number: 2}, targets, role),
		"a snapshot in it":  bundle(root, pack.Section{Kind: pack.Snapshot, Number: 2}, targets, role),
		"a base in it":      bundle(root, targets, role, pack.Section{Kind: pack.Base, Length: pack.BaseLength}),
		"bytes in one":      bundle(root, targets, pack.Section{Kind: pack.Role, Number: 2, Length: 1}),
		"cut":               trusttest.Pointer("irrigation", 1, 2, 2)[:12],
		"another module's":  trusttest.Pointer("updater", 1, 2, 2),
	} {
		t.Run(name, func(t *testing.T) {
			r := first.Copy()
			d := newDevice(t, r)
			d.mustUpdate("1.0", oldFiles)
			r.Files[from10] = data
			said := d.watch()
			for range 2 {
				if plan, err := d.update(); err != nil || plan.Action != update.Nothing {
					t.Errorf("got %v, %v, want nothing new", plan, err)
				}
				if got := said(); len(got) != 2 || got[0] != from10 || got[1] != at+" unchanged" {
					t.Errorf("got %q, want the bundle again and again, and the timestamp", got)
				}
			}
		})
	}
}

// TestUnwanted is a release that was seen and not installed: it is told of again when nothing has changed since.
func TestUnwanted(t *testing.T) {
	first := newRepo(trusttest.Ed25519)
	d := newDevice(t, first)
	d.mustUpdate("1.0", oldFiles)
	r := second(first)
	r.PutBundles("irrigation", "stable", "1.1", "1.0")
	d.handler.Serve(r)
	d.now = r.Now
	said := d.watch()
	var memo []byte
	for _, want := range []string{from10, from10 + " unchanged", from10 + " unchanged"} {
		answer, err := d.module().Source.Latest(t.Context(), release.Query{Memo: memo})
		must(t, err)
		if memo = answer.Memo; answer.Release.Version.String() != "1.1" {
			t.Errorf("got %s, want 1.1", answer.Release.Version)
		}
		must(t, disk.RemoveAll(d.disk, trust.DownloadDir)) // nothing is kept
		if got := said(); !slices.Equal(got, []string{want}) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	d.mustUpdate("1.1", newFiles)
}

// TestEarlyPointer has a server that names a newer root before it has it: a device does not take the pointer's 304 for the end of it.
func TestEarlyPointer(t *testing.T) {
	first := newRepo(trusttest.Ed25519)
	first.PutBundles("irrigation", "stable", "1.0")
	d := newDevice(t, first)
	d.mustUpdate("1.0", oldFiles)
	later := first.Copy()
	newKeys(later)
	later.PutBundles("irrigation", "stable", "1.0")
	early := first.Copy()
	early.Files[from10] = later.Files[from10]
	for _, r := range []*trusttest.Repo{early, later} {
		d.handler.Serve(r)
		_, err := d.update()
		must(t, err)
	}
	if got, want := d.trusted()["root.json"], string(later.Files["metadata/2.root.json"]); got != want {
		t.Errorf("root: got %.80q, want version 2", got)
	}
	got := d.watch()
	for range 2 {
		_, err := d.update()
		must(t, err)
	}
	if said := got(); !slices.Equal(said, []string{from10, from10 + " unchanged"}) {
		t.Errorf("then: got %q, want the pointer once more, and nothing new", said)
	}
}
