package trust_test

import (
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"moult/disk"
	"moult/disk/disktest"
	"moult/release"
	"moult/trust"
	"moult/trust/trusttest"
	"moult/update"
)

var rewrite = flag.Bool("update", false, "write testdata/vectors/chain again")

// vectors is where the vectors of the whole chain are (its README.md tells their form).
const vectors = "../testdata/vectors/chain"

// vector is one case: a device, a bundle, and what comes of it.
type vector struct {
	Name    string            `json:"name"`
	Device  string            `json:"device"` // a folder beside: what the device is at first
	Now     time.Time         `json:"now"`    // what the device's clock says
	Module  string            `json:"module"`
	Channel string            `json:"channel"`
	Kinds   []string          `json:"kinds"`
	Reason  release.Reason    `json:"reason,omitempty"`  // why it is refused
	Nothing bool              `json:"nothing,omitempty"` // nothing is new, and nothing refused
	Version string            `json:"version,omitempty"` // or what runs then,
	Files   map[string]string `json:"files,omitempty"`   // with these files: path to SHA-256, or "-> target" of a link
}

// TestVectors plays every vector, with just what is in the files.
func TestVectors(t *testing.T) {
	if *rewrite {
		writeVectors(t)
	}
	names, err := filepath.Glob(vectors + "/*/case.json")
	must(t, err)
	good, bad := 0, 0
	for _, name := range names {
		dir := filepath.Dir(name)
		var v vector
		data, err := os.ReadFile(name)
		must(t, err)
		must(t, json.Unmarshal(data, &v))
		if v.Reason == "" {
			good++
		} else {
			bad++
		}
		t.Run(filepath.Base(dir), func(t *testing.T) {
			bundle, err := os.ReadFile(filepath.Join(dir, "bundle"))
			must(t, err)
			v.play(t, bundle)
		})
	}
	if good < 5 || bad < 50 {
		t.Errorf("got %d good vectors and %d bad ones, want them all", good, bad)
	}
}

func (v *vector) play(t *testing.T, bundle []byte) {
	channel, err := release.ParseChannel(v.Channel)
	must(t, err)
	d := &device{t: t, disk: disktest.New(), now: v.Now, kinds: v.Kinds, channel: channel, stick: bundle}
	root := filepath.Join(vectors, v.Device)
	err = filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		to := path.Join("irrigation/main", strings.TrimPrefix(filepath.ToSlash(rel), "main/"))
		if in, isTrust := strings.CutPrefix(filepath.ToSlash(rel), "trust/"); isTrust {
			to = path.Join(trust.Dir, in)
		}
		must(t, disk.MkdirAll(d.disk, path.Dir(to), 0o755))
		return disk.WriteFile(d.disk, to, data, 0o644)
	})
	must(t, err)
	before := disktest.Tree(t, d.disk, "irrigation/main")
	plan, err := d.update()
	switch {
	case v.Reason == release.Downgrade:
		if order, _ := release.Compare(plan.Release.Version, plan.Installed); err != nil || plan.Changes() || order >= 0 {
			t.Errorf("got %v, %v, want an older release passed over", plan, err)
		}
	case v.Reason != "":
		if release.ReasonOf(err) != v.Reason {
			t.Errorf("got %q (%v), want %q", release.ReasonOf(err), err, v.Reason)
		}
	case err != nil:
		t.Fatal(err)
	case v.Nothing:
		if plan.Action != update.Nothing {
			t.Errorf("got %v, want nothing new", plan)
		}
	default:
		after := disktest.Tree(t, d.disk, "irrigation/main")
		if after[".version"] != v.Version {
			t.Errorf("got version %q, want %s", after[".version"], v.Version)
		}
		if got := hashes(after); len(got) != len(v.Files) {
			t.Errorf("got the files %v, want %v", got, v.Files)
		} else {
			for name, want := range v.Files {
				if got[name] != want {
					t.Errorf("%s: got %s, want %s", name, got[name], want)
				}
			}
		}
		return
	}
	for name, want := range before {
		if got := disktest.Tree(t, d.disk, "irrigation/main")[name]; got != want {
			t.Errorf("%s changed", name)
		}
	}
}

// hashes gives each file but the updater's own its SHA-256.
func hashes(files map[string]string) map[string]string {
	all := map[string]string{}
	for name, content := range files {
		switch {
		case name == ".version" || name == ".manifest":
		case strings.HasPrefix(content, "-> "):
			all[name] = content
		default:
			all[name] = hex(content)
		}
	}
	return all
}

// writeVectors makes all vectors again, with RSA keys, which every device reads.
func writeVectors(t *testing.T) {
	old, err := filepath.Glob(vectors + "/*/*")
	must(t, err)
	for _, name := range old {
		must(t, os.RemoveAll(name))
	}
	first := newRepo(trusttest.RSA)
	next := second(first)
	installed := first.Manifests["irrigation/1.0"]
	d := newDevice(t, first)
	writeDevice(t, "device-new", d)
	d.mustUpdate("1.0", oldFiles)
	writeDevice(t, "device", d)
	base := vector{Device: "device", Now: next.Now, Module: "irrigation", Channel: "stable", Kinds: []string{"linux", "linux/arm64"}}

	good := func(name string, change func(r *trusttest.Repo, v *vector), bundle func(r *trusttest.Repo) []byte) {
		r, v := next.Copy(), base
		v.Name, v.Version, v.Files = name, "1.1", hashes(newFiles)
		change(r, &v)
		writeVector(t, v, bundle(r))
	}
	delta := func(r *trusttest.Repo) []byte { return r.Bundle("irrigation", "1.1", installed) }
	same := func(*trusttest.Repo, *vector) {}
	good("good: an update by deltas", same, delta)
	good("good: an update with whole files", same, func(r *trusttest.Repo) []byte { return r.Bundle("irrigation", "1.1", nil) })
	good("good: a first install", func(_ *trusttest.Repo, v *vector) { v.Device = "device-new" },
		func(r *trusttest.Repo) []byte { return r.Bundle("irrigation", "1.1", nil) })
	good("good: a clock at 1970", func(_ *trusttest.Repo, v *vector) { v.Now = time.Unix(0, 0).UTC() }, delta)
	good("good: three newer roots, with new keys", func(r *trusttest.Repo, _ *vector) {
		r.Root.Version = 2
		r.PutRoot()
		newKeys(r)
		r.Root.Version = 4
		r.PutRoot()
	}, delta)
	good("good: a release for this kind of device", func(r *trusttest.Repo, _ *vector) {
		r.Add("irrigation", "1.1", trusttest.Release{Files: newFiles, Devices: []string{"esp32", "linux/arm64"}})
		r.Publish()
	}, delta)
	good("good: a pre-release for who follows beta", func(r *trusttest.Repo, v *vector) {
		r.Add("irrigation", "1.1", trusttest.Release{Files: newFiles, Prerelease: true})
		r.Publish()
		v.Channel = "beta"
	}, delta)
	good("good: nothing is new", func(r *trusttest.Repo, v *vector) {
		*r = *first.Copy()
		v.Version, v.Files, v.Nothing = "", nil, true
	}, func(r *trusttest.Repo) []byte { return r.Bundle("irrigation", "1.0", installed) })

	// Keys of timestamp and snapshot are also others where a root wants another number of them: what they signed is forgotten.
	for _, role := range []string{metadata.TIMESTAMP, metadata.SNAPSHOT} {
		a := recovery("", role, 2, true)
		hostile, recovered := first.Copy(), next.Copy()
		a.do(hostile)
		d := newDevice(t, hostile)
		d.mustUpdate("1.0", oldFiles)
		v := base
		v.Device = "device-ahead-of-" + role
		writeDevice(t, v.Device, d)
		a.after(recovered)
		v.Name, v.Version, v.Files = "good: recovery from a fast-forward by a root that wants two keys of "+role, "1.1", hashes(newFiles)
		writeVector(t, v, recovered.Bundle("irrigation", "1.1", installed))
	}
	for _, a := range attacks() {
		if a.only != "" {
			continue
		}
		v := base
		v.Name, v.Reason = a.name, a.want
		if a.stick != "" {
			v.Reason = a.stick
		}
		if v.Reason == "none" || v.Reason == "" {
			v.Reason, v.Nothing = "", true
		}
		if a.clock != nil {
			v.Now = a.clock(v.Now).UTC()
		}
		h := next.Copy()
		a.do(h)
		writeVector(t, v, h.Bundle("irrigation", "1.1", installed))
	}
	whole := next.Bundle("irrigation", "1.1", installed)
	for name, bundle := range map[string][]byte{
		"bundle: cut in the metadata":   whole[:len(whole)/3],
		"bundle: cut in its last byte":  whole[:len(whole)-1],
		"bundle: a byte behind its end": append(whole[:len(whole):len(whole)], 'x'),
		"bundle: another magic":         append([]byte("MLT\x02"), whole[4:]...),
		"bundle: a window too large":    append([]byte("MLT\x01\x10"), whole[5:]...),
	} {
		v := base
		v.Name, v.Reason = name, release.BadFormat
		writeVector(t, v, bundle)
	}
	v := base
	v.Name, v.Reason = "bundle: another module's", release.WrongModule
	writeVector(t, v, next.Bundle("updater", "7.0", nil))
	v.Name, v.Reason = "bundle: made for another version than the installed", release.Missing
	next.Add("irrigation", "1.0.1", trusttest.Release{Files: newFiles})
	next.Publish()
	writeVector(t, v, next.Bundle("irrigation", "1.1", next.Manifests["irrigation/1.0.1"]))
}

var notName = regexp.MustCompile(`[^a-z0-9]+`)

func writeVector(t *testing.T, v vector, bundle []byte) {
	t.Helper()
	dir := filepath.Join(vectors, strings.Trim(notName.ReplaceAllString(strings.ToLower(v.Name), "-"), "-"))
	must(t, os.MkdirAll(dir, 0o755))
	data, err := json.MarshalIndent(v, "", " ")
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "case.json"), append(data, '\n'), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "bundle"), bundle, 0o644))
}

// writeDevice writes down what a device trusts and runs.
func writeDevice(t *testing.T, name string, d *device) {
	t.Helper()
	for from, to := range map[string]string{trust.Dir: "trust", "irrigation/main": "main"} {
		for file, content := range disktest.Tree(t, d.disk, from) {
			file = filepath.Join(vectors, name, to, filepath.FromSlash(file))
			must(t, os.MkdirAll(filepath.Dir(file), 0o755))
			must(t, os.WriteFile(file, []byte(content), 0o644))
		}
	}
}
