package trusttest

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"moult/pack"
	"moult/release"
)

// Bundle packs what the repository serves, true or not, into the bundle that leads a device from the installed manifest, or from
// nothing, to a module's release. What is not there is left out.
func (r *Repo) Bundle(module, version string, installed *release.Manifest) []byte {
	var out bytes.Buffer
	w, err := pack.NewWriter(&out, 12)
	check(err)
	section := func(kind pack.Kind, number uint64, body []byte) { check(w.Section(kind, number, body)) }
	section(pack.Module, 0, []byte(module))
	for n := uint64(2); ; n++ {
		root, there := r.Files[fmt.Sprintf("metadata/%d.root.json", n)]
		if !there {
			break
		}
		section(pack.Root, n, root)
	}
	timestamp, there := r.Files["metadata/timestamp.json"]
	said := glance(timestamp)
	if there {
		section(pack.Timestamp, max(said.Version, 1), timestamp)
	}
	put := func(kind pack.Kind, name string, number int64) report {
		data, there := r.Files[fmt.Sprintf("metadata/%d.%s.json", number, name)]
		if there {
			section(kind, uint64(number), data)
		}
		return glance(data)
	}
	snapshot := put(pack.Snapshot, metadata.SNAPSHOT, said.of("snapshot.json"))
	put(pack.Targets, metadata.TARGETS, snapshot.of("targets.json"))
	role := put(pack.Role, module, snapshot.of(module+".json"))
	manifest := r.Files[fmt.Sprintf("targets/%s/%s.%s", module, role.Targets[module+"/"+version].Hashes["sha256"], version)]
	if manifest != nil {
		r.putManifest(w, module, version, manifest, installed)
	}
	check(w.Close())
	return out.Bytes()
}

func (r *Repo) putManifest(w *pack.Writer, module, version string, manifest []byte, installed *release.Manifest) {
	if installed != nil {
		from, err := installed.Encode()
		check(err)
		check(w.Section(pack.Base, 0, sum(from)[:pack.BaseLength]))
		check(w.Section(pack.ManifestKind, 1, pack.AppendDelta(nil, from, manifest)))
	} else {
		check(w.Section(pack.ManifestKind, 0, manifest))
	}
	to := r.Manifests[module+"/"+version]
	var made bytes.Buffer
	if err := pack.Encode(&made, to, installed, r.open, r.open); err != nil { // what it serves is not what the manifest says
		made.Reset()
		r.lie(&made, to, installed)
	}
	_, err := w.Pack().Write(made.Bytes())
	check(err)
}

// lie packs content that is not the manifest's, each file that changed whole.
func (r *Repo) lie(w io.Writer, to, installed *release.Manifest) {
	var out []byte
	skip := uint64(0)
	for _, e := range to.Files {
		same := release.Entry{}
		if installed != nil {
			same, _ = installed.Find(e.Path)
		}
		if e.Length == 0 || same.SHA256 == e.SHA256 {
			skip++
			continue
		}
		out = binary.AppendUvarint(out, skip)
		out = append(binary.AppendUvarint(out, 0), r.Files["files/"+e.SHA256[:2]+"/"+e.SHA256]...)
		skip = 0
	}
	_, err := w.Write(binary.AppendUvarint(out, skip))
	check(err)
}

func (r *Repo) open(e release.Entry) (io.ReadCloser, error) {
	data, there := r.Files["files/"+e.SHA256[:2]+"/"+e.SHA256]
	if !there || hex.EncodeToString(sum(data)) != e.SHA256 {
		return nil, fmt.Errorf("%s: got other content", e.Path)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// Pointer returns the bundle that says that nothing is newer than these versions.
func Pointer(module string, root, targets, role int64) []byte {
	var out bytes.Buffer
	w, err := pack.NewWriter(&out, 12)
	check(err)
	check(w.Section(pack.Module, 0, []byte(module)))
	for i, number := range []int64{root, targets, role} {
		check(w.Section([]pack.Kind{pack.Root, pack.Targets, pack.Role}[i], uint64(number), nil))
	}
	check(w.Close())
	return out.Bytes()
}

// PutBundles makes the bundles of a module's release, as a static host has them: for devices that have nothing, for
// those that have one of the versions, and the pointer for those that have this one.
func (r *Repo) PutBundles(module, channel, version string, from ...string) {
	r.Files[fmt.Sprintf("bundles/%s/%s.bundle", module, channel)] = r.Bundle(module, version, nil)
	r.Files[fmt.Sprintf("bundles/%s/%s/%s.bundle", module, channel, version)] = Pointer(module, r.Root.Version, r.Targets.Version, r.Roles[module].Version)
	for _, f := range from {
		r.Files[fmt.Sprintf("bundles/%s/%s/%s.bundle", module, channel, f)] = r.Bundle(module, version, r.Manifests[module+"/"+f])
	}
}

// DropBundles removes all bundles.
func (r *Repo) DropBundles() {
	for name := range r.Files {
		if strings.HasPrefix(name, "bundles/") {
			delete(r.Files, name)
		}
	}
}

// report is what metadata says, read as anybody can.
type report struct {
	Version uint64
	Meta    map[string]struct{ Version int64 }
	Targets map[string]struct{ Hashes map[string]string }
}

func (s report) of(name string) int64 { return s.Meta[name].Version }

func glance(data []byte) report {
	var file struct{ Signed report }
	_ = json.Unmarshal(data, &file) // garbage says nothing
	return file.Signed
}
