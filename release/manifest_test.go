package release_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"moult/release"
)

var digest = strings.Repeat("0a", 32)

func entryOf(path string) release.Entry {
	return release.Entry{Path: path, Length: 1, SHA256: digest}
}

func TestManifest(t *testing.T) {
	m := &release.Manifest{Module: "m", Version: release.MustVersion("v1.0"), Repository: "https://example.org/<m>&", Commit: strings.Repeat("c", 40),
		Files: []release.Entry{entryOf("b/c"), entryOf("a"), {Path: "b.d", SHA256: digest, Executable: true}, {Path: "é", Link: "b/c"}}}
	data, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := release.ParseManifest(data)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(m) || got.Size() != 2 || !got.HasBelow("b") || got.HasBelow("a") || got.HasBelow("b.") {
		t.Errorf("got %+v, want %+v", got, m)
	}
	for _, path := range []string{"a", "b.d", "b/c", "é"} {
		if e, ok := got.Find(path); !ok || e.Path != path {
			t.Errorf("find %s: got %+v, %v", path, e, ok)
		}
	}
	if e, ok := got.Find("b"); ok {
		t.Errorf("find a folder: got %+v", e)
	}
}

// TestManifestBytes holds the manifest to the bytes of docs/formats.md: a delta between two of them needs the same on both sides.
func TestManifestBytes(t *testing.T) {
	m := &release.Manifest{Module: "m", Version: release.MustVersion("v1.0"), Repository: "https://example.org/<m>&",
		Files: []release.Entry{{Path: "b", Link: "a\"\\"}, {Path: "a", Length: 1, SHA256: digest, Executable: true}}}
	want := `{"module":"m","version":"v1.0","repository":"https://example.org/<m>&","files":[` + "\n" +
		`{"path":"a","length":1,"sha256":"` + digest + `","executable":true},` + "\n" +
		`{"path":"b","length":0,"link":"a\"\\"}` + "\n]}\n"
	if got, err := m.Encode(); err != nil || string(got) != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
	m.Files = nil
	want = `{"module":"m","version":"v1.0","repository":"https://example.org/<m>&","files":[` + "\n]}\n"
	if got, err := m.Encode(); err != nil || string(got) != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
}

func TestManifestRefused(t *testing.T) {
	files := func(entries ...string) string {
		return `{"module":"m","version":"1","files":[` + strings.Join(entries, ",") + `]}`
	}
	file := func(path string) string {
		return fmt.Sprintf(`{"path":%q,"length":1,"sha256":%q}`, path, digest)
	}
	tests := []struct{ name, in, want string }{
		{"no JSON", "x", "invalid character"},
		{"cut", files(file("a"))[:40], "unexpected end"},
		{"two documents", files() + files(), "after top-level"},
		{"no version", `{"module":"m","files":[]}`, "no version"},
		{"version with a space", `{"module":"m","version":"1 0","files":[]}`, "space"},
		{"length that is no number", files(`{"path":"a","length":"1"}`), "string"},
		{"length with a fraction", files(`{"path":"a","length":1.5}`), "1.5"},
		{"path leaves", files(file("../a")), `".."`},
		{"absolute path", files(file("/a")), "absolute"},
		{"no path", files(file("")), "empty"},
		{"twice", files(file("a"), file("a")), "in order"},
		{"out of order", files(file("b"), file("a")), "in order"},
		{"below a file", files(file("a"), file("a.b"), file("a/c")), `"a/c" below the file "a"`},
		{"below a link", files(`{"path":"a","length":0,"link":"b"}`, file("a/c")), `below the file "a"`},
		{"length below zero", files(`{"path":"a","length":-1,"sha256":"` + digest + `"}`), "length: got -1"},
		{"lengths beyond counting", files(fmt.Sprintf(`{"path":"a","length":%d,"sha256":%q}`, math.MaxInt64, digest), file("b")), "lengths"},
		{"no digest", files(`{"path":"a","length":1}`), `sha256: got ""`},
		{"short digest", files(`{"path":"a","length":1,"sha256":"00"}`), `sha256: got "00"`},
		{"digest in capitals", files(`{"path":"a","length":1,"sha256":"` + strings.ToUpper(digest) + `"}`), "lower-case"},
		{"link with a digest", files(`{"path":"a","length":0,"link":"b","sha256":"` + digest + `"}`), "got a link with"},
		{"link with a length", files(`{"path":"a","length":1,"link":"b"}`), "got a link with"},
		{"executable link", files(`{"path":"a","length":0,"link":"b","executable":true}`), "got a link with"},
		{"link leaves", files(`{"path":"a","length":0,"link":"../b"}`), "leads out"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := release.ParseManifest([]byte(test.in)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	m := release.Manifest{Version: release.MustVersion("1"), Files: []release.Entry{{Path: "a", Link: "b\xff"}}}
	if data, err := m.Encode(); err == nil {
		t.Errorf("link that JSON cannot hold: got %s", data)
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(`{"module":"m","version":"v1","commit":"c","files":[{"path":"a","length":1,"sha256":"` + digest + `"},{"path":"b/c","length":0,"link":"../a"}]}`))
	f.Add([]byte(`{"version":"1","files":[{"path":"a","length":9223372036854775807,"sha256":"` + digest + `","executable":true}]}`))
	f.Add([]byte(`{"VERSION":"1","module":"\ud800<>","files":null,"x":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := release.ParseManifest(data)
		if err != nil {
			return
		}
		first, err := m.Encode()
		if err != nil {
			t.Fatalf("accepted, but not written: %v", err)
		}
		again, err := release.ParseManifest(first)
		if err != nil {
			t.Fatalf("written, but not accepted: %v\n%s", err, first)
		}
		second, err := again.Encode()
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("got %s, %v, want %s", second, err, first)
		}
		if m.Size() < 0 {
			t.Fatalf("size: got %d", m.Size())
		}
		guard := release.NewGuard(release.Limits{Files: math.MaxInt, Bytes: math.MaxInt64})
		for _, e := range m.Files {
			// what a manifest may list, a release may bring
			err := guard.Pass(release.File{Path: e.Path, Link: e.Link, Body: strings.NewReader("")}, func(release.File) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			if found, ok := m.Find(e.Path); !ok || found != e {
				t.Fatalf("%q: got %+v, %v", e.Path, found, ok)
			}
		}
	})
}
