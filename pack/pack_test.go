package pack_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"moult/pack"
	"moult/release"
)

// install makes of a base and a pack the new tree, as a device does.
func install(r pack.ByteReader, to, base *release.Manifest, have tree) (tree, error) {
	got := tree{}
	packs := pack.NewReader(r, to, base)
	for {
		e, err := packs.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return got, err
		}
		var from io.ReaderAt
		if e.Base != nil {
			from = readerAt(have[e.Base.Path])
		}
		content, err := io.ReadAll(packs.Body(from))
		if err != nil {
			return got, fmt.Errorf("%s: %w", e.File.Path, err)
		}
		if digestOf(string(content)) != e.File.SHA256 {
			return got, release.Refuse(release.BadHash, "%s: other content", e.File.Path)
		}
		got[e.File.Path] = string(content)
	}
	for _, f := range to.Files {
		if _, done := got[f.Path]; done {
			continue
		}
		if f.Link != "" {
			got[f.Path] = "-> " + f.Link
			continue
		}
		content, found := have.byDigest(f.SHA256)
		if !found {
			content, found = got.byDigest(f.SHA256)
		}
		if !found && f.Length > 0 {
			return got, release.Refuse(release.Missing, "%s: not in the pack, and nowhere else", f.Path)
		}
		got[f.Path] = content
	}
	return got, nil
}

var lines = func() string {
	var b strings.Builder
	for i := range 16 {
		fmt.Fprintf(&b, "def step_%d(value):\n    return value * %d + %d\n", i, i*7919%1000, i*104729%977)
	}
	return b.String()
}()

var edited = strings.Replace(lines, "step_10", "stride", 1)

var packTests = []struct {
	name     string
	base, to tree // a nil base: nothing is installed
	most     int  // length of the pack
}{
	{"nothing to nothing", nil, tree{}, 1},
	{"nothing changed", tree{"a": lines, "b": "x"}, tree{"a": lines, "b": "x"}, 1},
	{"all is new", nil, tree{"a": "one", "b/c": "two", "empty": "", "link": "-> a"}, 11},
	{"an edit", tree{"a": lines, "b": "x"}, tree{"a": edited, "b": "x"}, 30},
	{"a file gone", tree{"a": lines, "b": "x"}, tree{"b": "x"}, 1},
	{"renamed", tree{"a": lines}, tree{"b/c": lines}, 1},
	{"renamed and edited", tree{"a.py": lines, "x.py": "print()\n"}, tree{"b/c.py": edited, "x.py": "print()\n"}, 30},
	{"copied", tree{"a": lines}, tree{"a": lines, "b": lines, "c": lines}, 1},
	{"new, twice", nil, tree{"a": "one", "b": "one"}, 6},
	{"two change places", tree{"a": lines, "b": edited}, tree{"a": edited, "b": lines}, 1},
	{"a file becomes a link", tree{"a": lines, "b": "x"}, tree{"a": "-> b", "b": "x"}, 1},
	{"a link becomes a file", tree{"a": "-> b", "b": lines}, tree{"a": edited, "b": lines}, 30 + len(edited)},
	{"emptied", tree{"a": lines}, tree{"a": ""}, 1},
	{"filled", tree{"a": ""}, tree{"a": "x"}, 4},
	{"so small that whole is smaller", tree{"a": "abc"}, tree{"a": "abd"}, 6},
}

func TestPack(t *testing.T) {
	for _, test := range packTests {
		t.Run(test.name, func(t *testing.T) {
			to := test.to.manifest("2")
			var base *release.Manifest
			if test.base != nil {
				base = test.base.manifest("1")
			}
			var buf bytes.Buffer
			if err := pack.Encode(&buf, to, base, test.to.open, test.base.open); err != nil {
				t.Fatal(err)
			}
			if buf.Len() > test.most {
				t.Errorf("got %d bytes, want at most %d", buf.Len(), test.most)
			}
			buf.WriteString("behind")
			r := bytes.NewReader(buf.Bytes())
			got, err := install(r, to, base, test.base)
			if err != nil || fmt.Sprint(got) != fmt.Sprint(test.to) {
				t.Errorf("got %v, %v, want %v", got, err, test.to)
			}
			if r.Len() != len("behind") {
				t.Errorf("got %d bytes left, want those behind the pack", r.Len())
			}
		})
	}
}

// refused has two files and a link, of which the base has the first.
var refused = struct{ base, to tree }{tree{"a": "abcd"}, tree{"a": "abcde", "b": "xyz", "c": "", "d": "-> a"}}

var packRefusals = []struct {
	name, hex string
	want      release.Reason
}{
	{"good", "0001" + "0900" + "0265" + "0000" + "78797a" + "02", ""},
	{"nothing there", "", release.BadFormat},
	{"cut behind a skip", "00", release.BadFormat},
	{"cut in a file", "00006162", release.BadFormat},
	{"cut in a delta", "00010900", release.BadFormat},
	{"cut before the end", "00006162636465" + "0000" + "78797a", release.BadFormat},
	{"passed over more than there are", "05", release.BadFormat},
	{"passed over more than are left", "00006162636465" + "04", release.BadFormat},
	{"passed over as many as a number holds", "ffffffffffffffff7f", release.BadFormat},
	{"content for an empty file", "0200", release.BadFormat},
	{"content for a link", "0300", release.BadFormat},
	{"delta to a file that there is not", "0002", release.BadFormat},
	{"delta to the last file that a number can name", "00ffffffffffffffff7f", release.BadFormat},
	{"number not in its shortest form", "8000" + "00" + "6162636465" + "0000" + "78797a" + "02", release.BadFormat},
	{"delta longer than the file", "00010900" + "046566", release.BadLength},
	{"delta out of the base", "00010b00", release.BadFormat},
	{"other content", "0000" + "6162636466" + "0000" + "78797a" + "02", release.BadHash},
	{"a file left out", "0101" + "067879" + "7a02", release.Missing},
}

func TestPackRefused(t *testing.T) {
	to, base := refused.to.manifest("2"), refused.base.manifest("1")
	for _, test := range packRefusals {
		t.Run(test.name, func(t *testing.T) {
			data, err := hex.DecodeString(test.hex)
			if err != nil {
				t.Fatal(err)
			}
			got, err := install(bytes.NewReader(data), to, base, refused.base)
			if release.ReasonOf(err) != test.want || err != nil && test.want == "" {
				t.Errorf("got %v, %v (%q), want %q", got, err, release.ReasonOf(err), test.want)
			}
			if test.want == "" && fmt.Sprint(got) != fmt.Sprint(refused.to) {
				t.Errorf("got %v, want %v", got, refused.to)
			}
		})
	}
}

// What a device does not read of an entry, or cannot for want of the base, does not harm the entries behind.
func TestPackPassesOver(t *testing.T) {
	have := tree{"a": lines, "b": lines[50:], "c": "x"}
	want := tree{"a": lines + "1\n", "b": "2\n" + lines[50:], "c": "y"}
	to, base := want.manifest("2"), have.manifest("1")
	var buf bytes.Buffer
	if err := pack.Encode(&buf, to, base, want.open, have.open); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		read func(io.Reader) error
	}{
		{"nothing read", func(io.Reader) error { return nil }},
		{"a byte read", func(r io.Reader) error { _, err := io.ReadFull(r, make([]byte, 1)); return err }},
		{"the base is shorter than it was", func(r io.Reader) error {
			if _, err := io.ReadAll(r); err == nil || release.ReasonOf(err) != "" {
				return fmt.Errorf("got %w (%s), want an error without a reason", err, release.ReasonOf(err))
			}
			return nil
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := pack.NewReader(bytes.NewReader(buf.Bytes()), to, base)
			for _, path := range []string{"a", "b"} {
				e, err := r.Next()
				if err != nil || e.File.Path != path || e.Base == nil {
					t.Fatalf("got %+v, %v, want a delta for %s", e, err, path)
				}
				if err := test.read(r.Body(readerAt("def step"))); err != nil {
					t.Error(err)
				}
			}
			if e, err := r.Next(); err != nil || e.File.Path != "c" {
				t.Fatalf("got %+v, %v, want c", e, err)
			}
			if content, err := io.ReadAll(r.Body(nil)); err != nil || string(content) != "y" {
				t.Errorf("got %q, %v, want y", content, err)
			}
			for range 2 {
				if _, err := r.Next(); err != io.EOF {
					t.Errorf("got %v, want the end", err)
				}
			}
		})
	}
}

// A publisher whose files are not those of the manifest notices it, not the device.
func TestEncodeRefuses(t *testing.T) {
	good := tree{"a": lines}
	tests := []struct {
		name    string
		to, was tree
		want    string
	}{
		{"longer", tree{"a": lines + "x"}, tree{}, "length: got"},
		{"shorter", tree{"a": lines[1:]}, tree{}, "length: got"},
		{"other", tree{"a": "x" + lines[1:]}, tree{}, "sha256: got"},
		{"not there", tree{}, tree{}, "not exist"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := pack.Encode(io.Discard, good.manifest("2"), nil, test.to.open, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			older := tree{"a": lines[:400]}
			err = pack.Encode(io.Discard, good.manifest("2"), older.manifest("1"), good.open, test.was.open)
			if err == nil || !strings.Contains(err.Error(), "base a") {
				t.Errorf("got %v, want an error of the base", err)
			}
		})
	}
	full := errors.New("full")
	if err := pack.Encode(failing{full}, good.manifest("2"), nil, good.open, nil); !errors.Is(err, full) {
		t.Errorf("got %v, want %v", err, full)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// A file beyond MaxDelta is neither held nor made a delta of.
func TestEncodeStreams(t *testing.T) {
	const length = pack.MaxDelta + 1
	zeros := func(release.Entry) (io.ReadCloser, error) { return io.NopCloser(io.LimitReader(zero{}, length)), nil }
	sum := sha256.New()
	if _, err := io.CopyN(sum, zero{}, length); err != nil {
		t.Fatal(err)
	}
	to := tree{"large": "x"}.manifest("2")
	to.Files[0].Length, to.Files[0].SHA256 = length, hex.EncodeToString(sum.Sum(nil))
	base := tree{"large": "y"}.manifest("1")
	for name, base := range map[string]*release.Manifest{"with a base": base, "without": nil} {
		var n counter
		var err error
		took := allocated(func() { err = pack.Encode(&n, to, base, zeros, zeros) })
		if err != nil || n != length+3 || took > 2<<20 {
			t.Errorf("%s: got %d bytes, %v, and %d bytes taken, want %d bytes, streamed", name, n, err, took, length+3)
		}
	}
}

type zero struct{}

func (zero) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }
