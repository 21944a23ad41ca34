package pack_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"moult/pack"
	"moult/pack/deflate"
	"moult/release"
)

var update = flag.Bool("update", false, "write testdata/vectors/pack again")

// The vectors are what every implementation reads. Bytes are hex; a manifest is its text; a case has want, or the reason why it is refused.

type deltaVector struct {
	Name   string         `json:"name"`
	Base   string         `json:"base"`
	Length int64          `json:"length"` // of what comes out
	Delta  string         `json:"delta"`
	Want   *string        `json:"want,omitempty"`
	Reason release.Reason `json:"reason,omitempty"`
}

type packVector struct {
	Name     string            `json:"name"`
	Base     string            `json:"base"` // the installed manifest, "" for none
	Have     map[string]string `json:"have"` // its files, by their path
	Manifest string            `json:"manifest"`
	Pack     string            `json:"pack"`
	Want     map[string]string `json:"want,omitempty"` // the files of the new one, links left out
	Reason   release.Reason    `json:"reason,omitempty"`
}

type bundleVector struct {
	Name     string            `json:"name"`
	Base     string            `json:"base"`
	Have     map[string]string `json:"have"`
	Bundle   string            `json:"bundle"`
	Limit    int64             `json:"limit"` // of a section but the pack, in bytes
	Sections []sectionVector   `json:"sections,omitempty"`
	Want     map[string]string `json:"want,omitempty"` // left out where there is no pack
	Reason   release.Reason    `json:"reason,omitempty"`
}

type sectionVector struct {
	Kind   pack.Kind `json:"kind"`
	Number uint64    `json:"number"`
	Body   string    `json:"body"` // of a pack: ""
}

func TestVectors(t *testing.T) {
	if *update {
		writeVectors(t, "delta", deltaVectors())
		writeVectors(t, "pack", packVectors(t))
		writeVectors(t, "bundle", bundleVectors(t))
	}
	readVectors(t, "delta", func(t *testing.T, v deltaVector) {
		base := unhex(t, v.Base)
		got, err := apply(unhex(t, v.Delta), base, v.Length)
		if release.ReasonOf(err) != v.Reason || (v.Want == nil) != (v.Reason != "") {
			t.Fatalf("got %v (%q), want %q", err, release.ReasonOf(err), v.Reason)
		}
		if v.Want != nil && (err != nil || hex.EncodeToString(got) != *v.Want) {
			t.Errorf("got %x, %v, want %s", got, err, *v.Want)
		}
	})
	readVectors(t, "pack", func(t *testing.T, v packVector) {
		to := parseManifest(t, v.Manifest)
		got, err := install(bytes.NewReader(unhex(t, v.Pack)), to, parseManifest(t, v.Base), fromHex(t, v.Have))
		if release.ReasonOf(err) != v.Reason || (err == nil) != (v.Reason == "") {
			t.Fatalf("got %v (%q), want %q", err, release.ReasonOf(err), v.Reason)
		}
		if err == nil && fmt.Sprint(got.hex()) != fmt.Sprint(v.Want) {
			t.Errorf("got %v, want %v", got.hex(), v.Want)
		}
	})
	readVectors(t, "bundle", func(t *testing.T, v bundleVector) {
		sections, got, err := readBundle(t, unhex(t, v.Bundle), v.Limit, v.Base, fromHex(t, v.Have))
		if release.ReasonOf(err) != v.Reason || (err == nil) != (v.Reason == "") {
			t.Fatalf("got %v (%q), want %q", err, release.ReasonOf(err), v.Reason)
		}
		if err == nil && (fmt.Sprint(sections) != fmt.Sprint(v.Sections) || fmt.Sprint(got) != fmt.Sprint(v.Want)) {
			t.Errorf("got %v, %v, want %v, %v", sections, got, v.Sections, v.Want)
		}
	})
}

// readBundle reads a bundle to its end, and installs its pack.
func readBundle(t *testing.T, data []byte, limit int64, baseText string, have tree) (sections []sectionVector, files map[string]string, err error) {
	b, err := pack.OpenBundle(bytes.NewReader(data))
	if err != nil {
		return nil, nil, err
	}
	base, to := parseManifest(t, baseText), new(release.Manifest)
	for {
		s, err := b.Next()
		if err == io.EOF {
			return sections, files, nil
		}
		if err != nil {
			return nil, nil, err
		}
		if s.Kind == pack.PackKind {
			got, err := install(b.Pack(), to, base, have)
			if err != nil {
				return nil, nil, err
			}
			sections, files = append(sections, sectionVector{s.Kind, s.Number, ""}), got.hex()
			continue
		}
		body, err := b.Body(limit)
		if err != nil {
			return nil, nil, err
		}
		sections = append(sections, sectionVector{s.Kind, s.Number, hex.EncodeToString(body)})
		if s.Kind == pack.ManifestKind && s.Number == 0 {
			to = parseManifest(t, string(body))
		}
		if s.Kind == pack.ManifestKind && s.Number == 1 {
			// the role would tell the length; here the manifest is as long as the one that it differs from
			text, err := apply(body, []byte(baseText), int64(len(baseText)))
			if err != nil {
				return nil, nil, err
			}
			to = parseManifest(t, string(text))
		}
	}
}

func deltaVectors() (all []deltaVector) {
	for _, test := range deltaTests() {
		if len(test.base)+len(test.target) > 2000 {
			continue
		}
		want := hex.EncodeToString([]byte(test.target))
		all = append(all, deltaVector{Name: test.name, Base: hex.EncodeToString([]byte(test.base)), Length: int64(len(test.target)),
			Delta: hex.EncodeToString(pack.AppendDelta(nil, []byte(test.base), []byte(test.target))), Want: &want})
	}
	for _, test := range deltaRefusals {
		all = append(all, deltaVector{Name: test.name, Base: hex.EncodeToString([]byte(test.base)), Length: test.length, Delta: test.hex, Reason: test.want})
	}
	return all
}

func packVectors(t *testing.T) (all []packVector) {
	for _, test := range packTests {
		base, have := "", tree{}
		var from *release.Manifest
		if test.base != nil {
			have = test.base
			from = have.manifest("1")
			base = manifestText(t, from)
		}
		want := test.to
		to := want.manifest("2")
		var buf bytes.Buffer
		if err := pack.Encode(&buf, to, from, want.open, have.open); err != nil {
			t.Fatal(err)
		}
		all = append(all, packVector{Name: test.name, Base: base, Have: have.hex(), Manifest: manifestText(t, to),
			Pack: hex.EncodeToString(buf.Bytes()), Want: want.hex()})
	}
	for _, test := range packRefusals {
		to := refused.to.manifest("2")
		v := packVector{Name: test.name, Base: manifestText(t, refused.base.manifest("1")), Have: refused.base.hex(), Manifest: manifestText(t, to),
			Pack: test.hex, Reason: test.want}
		if test.want == "" {
			v.Want = refused.to.hex()
		}
		all = append(all, v)
	}
	return all
}

func bundleVectors(t *testing.T) (all []bundleVector) {
	have, want := tree{"a": "print(1)\n", "b": "x"}, tree{"a": "print(2)\n", "b": "x"}
	base := manifestText(t, have.manifest("1"))
	to := want.manifest("2")
	text := manifestText(t, to)
	var pk bytes.Buffer
	if err := pack.Encode(&pk, to, have.manifest("1"), want.open, have.open); err != nil {
		t.Fatal(err)
	}
	module := "0100016d"
	section := func(kind pack.Kind, number byte, body []byte) string {
		var buf bytes.Buffer
		buf.Write([]byte{byte(kind), number})
		buf.Write(binary.AppendUvarint(nil, uint64(len(body))))
		buf.Write(body)
		return hex.EncodeToString(buf.Bytes())
	}
	digest := unhex(t, digestOf(base))[:pack.BaseLength]
	whole := section(pack.ManifestKind, 0, []byte(text))
	packed := "090000" + hex.EncodeToString(pk.Bytes())
	for _, v := range []struct{ name, sections string }{
		{"update", module + section(pack.Base, 0, digest) + section(pack.ManifestKind, 1, pack.AppendDelta(nil, []byte(base), []byte(text))) + packed},
		{"the manifest whole", module + section(pack.Base, 0, digest) + whole + packed},
		{"metadata", module + section(pack.Root, 2, []byte("{2}")) + section(pack.Root, 3, []byte("{3}")) + section(pack.Timestamp, 9, []byte("t")) +
			section(pack.Snapshot, 8, []byte("s")) + section(pack.Targets, 1, []byte("g")) + section(pack.Role, 5, nil)},
		{"metadata that is much of the dictionary", module + section(pack.Timestamp, 9, []byte(pack.Dictionary[450:])) + section(pack.Role, 5, []byte(pack.Dictionary[:200]))},
		{"a pointer", module + section(pack.Root, 1, nil) + section(pack.Targets, 2, nil) + section(pack.Role, 9, nil)},
	} {
		for _, window := range []int{10, 12, 15} {
			data := written(t, v.sections, window)
			sections, files, err := readBundle(t, data, 1000, base, have)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, bundleVector{Name: fmt.Sprintf("%s, window %d", v.name, window), Base: base, Have: have.hex(), Bundle: hex.EncodeToString(data), Limit: 1000,
				Sections: sections, Want: files})
		}
	}
	for _, test := range bundleRefusals() {
		v := bundleVector{Name: test.name, Have: map[string]string{}, Bundle: hex.EncodeToString([]byte(test.in)), Limit: 100, Reason: test.want}
		if test.want == "" {
			var err error
			if v.Sections, v.Want, err = readBundle(t, []byte(test.in), 100, "", nil); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, v)
	}
	return all
}

// written writes a bundle of sections in hex at a window.
func written(t *testing.T, sections string, window int) []byte {
	t.Helper()
	buf := bytes.NewBufferString("MLT\x01" + string(rune(window)))
	w, err := deflate.NewWriterDict(buf, window, []byte(pack.Dictionary))
	if err != nil {
		t.Fatal(err)
	}
	w.Write(unhex(t, sections)) // a buffer has no errors
	w.Close()
	return buf.Bytes()
}

const vectors = "../testdata/vectors/pack/"

func writeVectors[V any](t *testing.T, name string, all []V) {
	t.Helper()
	var buf bytes.Buffer
	buf.WriteString("[")
	for i, v := range all {
		if i > 0 {
			buf.WriteString(",")
		}
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		buf.WriteString("\n")
		buf.Write(data)
	}
	buf.WriteString("\n]\n")
	if err := os.MkdirAll(vectors, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(vectors+name+".json", buf.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readVectors[V deltaVector | packVector | bundleVector](t *testing.T, name string, check func(*testing.T, V)) {
	t.Helper()
	for i, v := range loadVectors[V](t, name) {
		t.Run(fmt.Sprintf("%s %d", name, i+1), func(t *testing.T) {
			t.Logf("%+v", v)
			check(t, v)
		})
	}
}

func loadVectors[V deltaVector | packVector | bundleVector](t testing.TB, name string) (all []V) {
	t.Helper()
	data, err := os.ReadFile(vectors + name + ".json")
	if err != nil {
		t.Fatalf("%v; make vectors writes it", err)
	}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("%s: got %d vectors, want many", name, len(all))
	}
	return all
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func manifestText(t *testing.T, m *release.Manifest) string {
	t.Helper()
	data, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// parseManifest reads a manifest; none is one without files.
func parseManifest(t *testing.T, text string) *release.Manifest {
	t.Helper()
	if text == "" {
		return new(release.Manifest)
	}
	m, err := release.ParseManifest([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// hex returns the content of the tree's files, without its links.
func (tr tree) hex() map[string]string {
	out := map[string]string{}
	for path, content := range tr {
		if !strings.HasPrefix(content, "-> ") {
			out[path] = hex.EncodeToString([]byte(content))
		}
	}
	return out
}

func fromHex(t *testing.T, files map[string]string) tree {
	t.Helper()
	out := tree{}
	for path, content := range files {
		out[path] = string(unhex(t, content))
	}
	return out
}
