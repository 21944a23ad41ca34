package repository_test

import (
	"bytes"
	"crypto"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"moult/disk"
	"moult/disk/disktest"
	"moult/release"
	"moult/repository"
)

// change rewrites a file as somebody would who can write to the folder, and has no key.
func change(t *testing.T, d *disktest.Disk, name string, edit func([]byte) []byte) {
	t.Helper()
	data, err := disk.ReadFile(d, name, 1<<20)
	must(t, err)
	must(t, disk.WriteFile(d, name, edit(data), 0o644))
}

func replace(old, new string) func([]byte) []byte {
	return func(data []byte) []byte { return bytes.Replace(data, []byte(old), []byte(new), 1) }
}

// find returns the one path below dir that ends so.
func find(t *testing.T, d *disktest.Disk, dir, end string) string {
	t.Helper()
	entries, err := d.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		name := dir + "/" + e.Name()
		if e.IsDir() {
			if found := find(t, d, name, end); found != "" {
				return found
			}
		} else if strings.HasSuffix(name, end) {
			return name
		}
	}
	return ""
}

// TestVerify harms a repository in each way, and holds Verify to the reason that a device would give.
func TestVerify(t *testing.T) {
	fileOf := func(r *rig, version, file string) string {
		data, err := disk.ReadFile(r.disk, find(t, r.disk, "targets/irrigation", "."+version), 1<<20)
		must(t, err)
		m, err := release.ParseManifest(data)
		must(t, err)
		e, _ := m.Find(file)
		return repository.FilePath(e.SHA256)
	}
	tests := []struct {
		name string
		harm func(r *rig)
		want release.Reason // "" for a warning
		says string
	}{
		{"a file altered", func(r *rig) { change(t, r.disk, fileOf(r, "v1.10", "app.py"), replace("new", "bad")) }, release.BadHash, "app.py"},
		{"a file cut", func(r *rig) {
			change(t, r.disk, fileOf(r, "v1.10", "app.py"), func(b []byte) []byte { return b[:3] })
		}, release.BadLength, "got 3, want 7"},
		{"a file longer", func(r *rig) {
			change(t, r.disk, fileOf(r, "v1.10", "app.py"), func(b []byte) []byte { return append(b, 'x') })
		}, release.BadLength, "app.py"},
		{"a file gone", func(r *rig) { must(t, r.disk.Remove(fileOf(r, "v1.10", "app.py"))) }, release.Missing, "app.py"},
		{"a manifest altered", func(r *rig) {
			change(t, r.disk, find(t, r.disk, "targets", ".v1.10"), replace("app.py", "apq.py"))
		}, release.BadHash, ".v1.10"},
		{"a manifest gone", func(r *rig) { must(t, r.disk.Remove(find(t, r.disk, "targets", ".v1.10"))) }, release.Missing, ".v1.10"},
		{"a role altered", func(r *rig) {
			change(t, r.disk, "metadata/2.irrigation.json", replace("irrigation/v1.10", "irrigation/v1.11"))
		}, release.BadSignature, "2.irrigation.json"},
		{"a role gone", func(r *rig) { must(t, r.disk.Remove("metadata/2.irrigation.json")) }, release.Missing, "2.irrigation.json"},
		{"an older role under the newer's name", func(r *rig) {
			old, err := disk.ReadFile(r.disk, "metadata/1.irrigation.json", 1<<20)
			must(t, err)
			change(t, r.disk, "metadata/2.irrigation.json", func([]byte) []byte { return old })
		}, release.Mismatch, "got 1, want 2"},
		{"a role signed by a key that is not its own", func(r *rig) {
			thief := newRig(t, repository.Ed25519)
			thief.add("irrigation", "v1.9", treeOld)
			thief.add("irrigation", "v1.10", treeNew)
			forged, err := disk.ReadFile(thief.disk, "metadata/2.irrigation.json", 1<<20)
			must(t, err)
			change(t, r.disk, "metadata/2.irrigation.json", func([]byte) []byte { return forged })
		}, release.BadSignature, "2.irrigation.json"},
		{"a signature altered", func(r *rig) {
			change(t, r.disk, "metadata/timestamp.json", func(b []byte) []byte {
				i := bytes.Index(b, []byte(`"sig":"`)) + len(`"sig":"`)
				if b[i]++; b[i] == '0'+10 || b[i] == 'f'+1 { // the next hex digit, or 0
					b[i] = '0'
				}
				return b
			})
		}, release.BadSignature, "timestamp.json"},
		{"a signature twice", func(r *rig) {
			change(t, r.disk, "metadata/timestamp.json", func(b []byte) []byte {
				var file struct {
					Signatures []json.RawMessage `json:"signatures"`
					Signed     json.RawMessage   `json:"signed"`
				}
				must(t, json.Unmarshal(b, &file))
				file.Signatures = append(file.Signatures, file.Signatures[0])
				b, err := json.Marshal(file)
				must(t, err)
				return b
			})
		}, release.BadFormat, "multiple signatures"},
		{"no JSON", func(r *rig) {
			change(t, r.disk, "metadata/timestamp.json", func(b []byte) []byte { return b[:40] })
		}, release.BadFormat, "timestamp.json"},
		{"spaces in the signed bytes", func(r *rig) {
			change(t, r.disk, "metadata/timestamp.json", replace(`"signed":{`, `"signed":{ `))
		}, release.BadFormat, "not those of the file"},
		{"endless metadata", func(r *rig) {
			change(t, r.disk, "metadata/timestamp.json", func(b []byte) []byte { return append(b, bytes.Repeat([]byte(" "), 17<<10)...) })
		}, release.BadLength, "timestamp.json"},
		{"the first root gone", func(r *rig) { must(t, r.disk.Remove("metadata/1.root.json")) }, release.Untrusted, "1.root.json"},
		{"the timestamp expired", func(r *rig) { r.now = r.now.Add(8 * 24 * time.Hour) }, release.Expired, "timestamp"},
		{"the root expired", func(r *rig) { r.now = r.now.Add(366 * 24 * time.Hour) }, release.Expired, "1.root.json"},
		{"a bundle altered", func(r *rig) {
			change(t, r.disk, "bundles/irrigation/stable.bundle", func(b []byte) []byte { return b[:len(b)-2] })
		}, release.BadFormat, "stable.bundle"},
		{"another module's bundle", func(r *rig) {
			other, err := disk.ReadFile(r.disk, "bundles/updater/stable.bundle", 1<<20)
			must(t, err)
			change(t, r.disk, "bundles/irrigation/stable.bundle", func([]byte) []byte { return other })
		}, release.WrongModule, "stable.bundle"},
		{"another version's bundle", func(r *rig) {
			other, err := disk.ReadFile(r.disk, "bundles/irrigation/stable/v1.9.bundle", 1<<20)
			must(t, err)
			change(t, r.disk, "bundles/irrigation/stable.bundle", func([]byte) []byte { return other })
		}, release.BadFormat, "stable.bundle"},
		{"a pointer where an update is wanted", func(r *rig) {
			pointer, err := disk.ReadFile(r.disk, "bundles/irrigation/stable/v1.10.bundle", 1<<20)
			must(t, err)
			change(t, r.disk, "bundles/irrigation/stable/v1.9.bundle", func([]byte) []byte { return pointer })
		}, release.Missing, "v1.9.bundle"},
		{"an update where a pointer is wanted", func(r *rig) {
			update, err := disk.ReadFile(r.disk, "bundles/irrigation/stable/v1.9.bundle", 1<<20)
			must(t, err)
			change(t, r.disk, "bundles/irrigation/stable/v1.10.bundle", func([]byte) []byte { return update })
		}, release.BadFormat, "v1.10.bundle"},
		{"a bundle gone", func(r *rig) { must(t, r.disk.Remove("bundles/irrigation/beta.bundle")) }, "", "is not there"},
		{"a file too many", func(r *rig) { must(t, disk.WriteNew(r.disk, "targets/irrigation/notes", []byte("x"), 0o644)) }, "", "nothing names it"},
		{"a command that was cut", func(r *rig) { must(t, r.disk.Mkdir("metadata.next", 0o755)) }, "", "was cut"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, repository.Ed25519)
			r.add("irrigation", "v1.9", treeOld)
			r.add("updater", "2.0", tree{"ota.py": "ota"})
			r.add("irrigation", "v1.10", treeNew)
			r.assertWhole("unharmed", r.disk)
			test.harm(r)
			v, err := repository.Look(r.disk, r.clock)
			must(t, err)
			report, err := v.Verify(t.Context(), nil)
			must(t, err)
			if report.OK() != (test.want == "") || !slices.ContainsFunc(report.Findings, func(f repository.Finding) bool {
				return f.Reason == test.want && f.Warning == (test.want == "") && strings.Contains(f.Text, test.says)
			}) {
				t.Errorf("got %+v, want %q and %q", report.Findings, test.want, test.says)
			}
		})
	}
}

// TestTamperedIsNotSigned lets somebody write to the folder who has no key: nothing is signed on top of what they wrote.
func TestTamperedIsNotSigned(t *testing.T) {
	for name, edit := range map[string]func([]byte) []byte{
		"metadata/1.irrigation.json": replace(`irrigation/v1.9`, `irrigation/v9.9`),
		"metadata/2.targets.json":    replace(`"threshold":1`, `"threshold":0`),
		"metadata/2.snapshot.json":   replace(`"version":2`, `"version":9`),
		"metadata/timestamp.json":    replace(`"version":2`, `"version":1`),
		"metadata/1.root.json":       replace(`"threshold":1`, `"threshold":0`),
	} {
		r := newRig(t, repository.Ed25519)
		r.add("irrigation", "v1.9", treeOld)
		change(t, r.disk, name, edit)
		before := content(t, r.disk, "metadata")
		repo := r.open(r.disk)
		_, added := repo.Add(t.Context(), r.keys, head("irrigation", "v1.10"), treeNew.fill)
		_, signed := repo.Sign(t.Context(), r.keys, true)
		_, rotated := repo.Rotate(t.Context(), r.keys, repository.Rotation{Role: repository.Online, Add: []crypto.PublicKey{newKey(t, repository.Ed25519).Public()}})
		for what, err := range map[string]error{"add": added, "sign": signed, "rotate": rotated} {
			if release.ReasonOf(err) == "" {
				t.Errorf("%s: %s: got %v, want a refusal", name, what, err)
			}
		}
		if content(t, r.disk, "metadata") != before {
			t.Errorf("%s: the metadata was changed", name)
		}
	}
}
