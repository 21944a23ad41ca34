package pack_test

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"moult/pack"
	"moult/pack/deflate"
	"moult/release"
)

func TestBundle(t *testing.T) {
	have, want := tree{"a": lines, "b": "x"}, tree{"a": lines + "1", "b": "x", "c": "new"}
	to, base := want.manifest("2"), have.manifest("1")
	manifest, err := to.Encode()
	if err != nil {
		t.Fatal(err)
	}
	before, err := base.Encode()
	if err != nil {
		t.Fatal(err)
	}
	sections := []struct {
		kind   pack.Kind
		number uint64
		body   []byte
	}{
		{pack.Module, 0, []byte("irrigation")}, {pack.Root, 2, []byte("{2}")}, {pack.Root, 3, []byte("{3}")}, {pack.Timestamp, 900, []byte("{}")},
		{pack.Snapshot, 7, nil}, {pack.Targets, 1, []byte("t")}, {pack.Role, 12, []byte("r")}, {pack.Base, 0, bytes.Repeat([]byte{7}, pack.BaseLength)},
		{pack.ManifestKind, 1, pack.AppendDelta(nil, before, manifest)},
	}
	for window := deflate.MinWindow; window <= deflate.MaxWindow; window++ {
		for _, withPack := range []bool{true, false} {
			t.Run(fmt.Sprintf("window %d, pack %v", window, withPack), func(t *testing.T) {
				var buf bytes.Buffer
				w, err := pack.NewWriter(&buf, window)
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range sections {
					if err := w.Section(s.kind, s.number, s.body); err != nil {
						t.Fatal(err)
					}
				}
				if withPack {
					if err := pack.Encode(w.Pack(), to, base, want.open, have.open); err != nil {
						t.Fatal(err)
					}
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				b, err := pack.OpenBundle(iotest.OneByteReader(&buf))
				if err != nil || b.Window() != window {
					t.Fatalf("got %v, window %d", err, b.Window())
				}
				for _, s := range sections {
					got, err := b.Next()
					if err != nil || got != (pack.Section{Kind: s.kind, Number: s.number, Length: int64(len(s.body))}) {
						t.Fatalf("got %+v, %v, want %s", got, err, s.kind)
					}
					if s.kind == pack.Targets { // passed over
						continue
					}
					if body, err := b.Body(int64(len(s.body))); err != nil || !bytes.Equal(body, s.body) {
						t.Fatalf("%s: got %q, %v, want %q", s.kind, body, err, s.body)
					}
				}
				if withPack {
					if s, err := b.Next(); err != nil || s.Kind != pack.PackKind {
						t.Fatalf("got %+v, %v, want the pack", s, err)
					}
					if got, err := install(b.Pack(), to, base, have); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("got %v, %v, want %v", got, err, want)
					}
				}
				if _, err := b.Next(); err != io.EOF {
					t.Errorf("got %v, want the end", err)
				}
			})
		}
	}
}

// bundle writes a bundle of sections in hex, by other means than the writer's.
func bundle(sections string) string {
	data, err := hex.DecodeString(sections)
	if err != nil {
		panic(err)
	}
	var buf bytes.Buffer
	buf.WriteString("MLT\x01\x0c")
	w, _ := flate.NewWriter(&buf, 0) // the level is one that there is
	w.Write(data)
	w.Close()
	return buf.String()
}

const moduleM = "0100016d" // for the module m

type bundleRefusal struct {
	name, in string
	want     release.Reason
}

func bundleRefusals() []bundleRefusal {
	base := "070008" + strings.Repeat("00", 8)
	good := bundle(moduleM + base + "080100" + "090000" + "00")
	return []bundleRefusal{
		{"good", good, ""},
		{"nothing new", bundle(moduleM), ""},
		{"nothing", "", release.BadFormat},
		{"cut in the magic", good[:3], release.BadFormat},
		{"another file", "PK\x03\x04....", release.BadFormat},
		{"another version", "MLT\x02" + good[4:], release.BadFormat},
		{"window too small", "MLT\x01\x09" + good[5:], release.BadFormat},
		{"window too large", "MLT\x01\x10" + good[5:], release.BadFormat},
		{"cut before the stream", good[:5], release.BadFormat},
		{"cut in the stream", good[:20], release.BadFormat},
		{"cut before the final block", good[:len(good)-5], release.BadFormat},
		{"cut in the final block", good[:len(good)-1], release.BadFormat},
		{"a byte more", good + "\x00", release.BadFormat},
		{"twice", good + good, release.BadFormat},
		{"no deflate stream", good[:5] + "\xff", release.BadFormat},
		{"no section", bundle(""), release.BadFormat},
		{"module missing", bundle("030100"), release.BadFormat},
		{"module twice", bundle(moduleM + moduleM), release.BadFormat},
		{"section that there is not", bundle(moduleM + "0a0000"), release.BadFormat},
		{"section 0", bundle(moduleM + "000000"), release.BadFormat},
		{"out of order", bundle(moduleM + "040100" + "030100"), release.BadFormat},
		{"timestamp twice", bundle(moduleM + "030100" + "030200"), release.BadFormat},
		{"roots in order", bundle(moduleM + "020200" + "020300"), ""},
		{"root twice", bundle(moduleM + "020200" + "020200"), release.BadFormat},
		{"version 0", bundle(moduleM + "030000"), release.BadFormat},
		{"module with a number", bundle("0101016d"), release.BadFormat},
		{"base too short", bundle(moduleM + "070007" + strings.Repeat("00", 7)), release.BadFormat},
		{"base too long", bundle(moduleM + "070020" + strings.Repeat("00", 32)), release.BadFormat},
		{"manifest of kind 2", bundle(moduleM + base + "080200"), release.BadFormat},
		{"delta without a base", bundle(moduleM + "080100"), release.BadFormat},
		{"pack with a length", bundle(moduleM + "090001" + "00"), release.BadFormat},
		{"pack cut", bundle(moduleM + "090000"), release.BadFormat},
		{"more behind the pack", bundle(moduleM + "090000" + "00" + "00"), release.BadFormat},
		{"section behind the pack", bundle(moduleM + "090000" + "00" + "090000" + "00"), release.BadFormat},
		{"cut in a number", bundle(moduleM + "0380"), release.BadFormat},
		{"cut before a length", bundle(moduleM + "0301"), release.BadFormat},
		{"section longer than the stream", bundle(moduleM + "0301027b"), release.BadFormat},
		{"section longer than its limit", bundle(moduleM + "030165" + strings.Repeat("20", 101)), release.BadLength},
		{"section longer than any", bundle(moduleM + "0301" + "81808010" + "00"), release.BadLength},
		{"section of 2^63 bytes", bundle(moduleM + "0301" + "ffffffffffffffff7f"), release.BadLength},
		{"length not in its shortest form", bundle(moduleM + "0301" + "8100" + "7b"), release.BadFormat},
	}
}

func TestBundleRefused(t *testing.T) {
	good := bundleRefusals()[0].in
	for _, test := range bundleRefusals() {
		t.Run(test.name, func(t *testing.T) {
			_, err := readAll(strings.NewReader(test.in), 100)
			if release.ReasonOf(err) != test.want || err != nil && test.want == "" {
				t.Errorf("got %v (%q), want %q", err, release.ReasonOf(err), test.want)
			}
		})
	}
	for cut := range len(good) {
		if _, err := readAll(strings.NewReader(good[:cut]), 100); release.ReasonOf(err) != release.BadFormat {
			t.Errorf("cut at %d of %d: got %v", cut, len(good), err)
		}
		// a link that breaks is not the bundle's fault
		broken := io.MultiReader(strings.NewReader(good[:cut]), iotest.ErrReader(io.ErrUnexpectedEOF))
		if _, err := readAll(broken, 100); !errors.Is(err, io.ErrUnexpectedEOF) || release.ReasonOf(err) != "" {
			t.Errorf("link broken at %d of %d: got %v (%q)", cut, len(good), err, release.ReasonOf(err))
		}
	}
}

// A section that nobody reads may not be endless either.
func TestBundlePassesOver(t *testing.T) {
	for name, test := range map[string]struct {
		length string
		want   release.Reason
	}{"as long as may be": {"80808010", release.BadFormat}, "longer": {"81808010", release.BadLength}} {
		b, err := pack.OpenBundle(strings.NewReader(bundle(moduleM + "0301" + test.length + "00")))
		for err == nil {
			_, err = b.Next()
		}
		if release.ReasonOf(err) != test.want {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	if _, err := pack.NewWriter(io.Discard, 9); err == nil || !strings.Contains(err.Error(), "2^9") {
		t.Errorf("got %v, want the window refused", err)
	}
	tests := []struct {
		name  string
		write func(*pack.Writer)
	}{
		{"no section", func(*pack.Writer) {}},
		{"out of order", func(w *pack.Writer) {
			w.Section(pack.Module, 0, nil)
			w.Section(pack.Role, 1, nil)
			w.Section(pack.Targets, 1, nil)
		}},
		{"pack first", func(w *pack.Writer) { w.Pack() }},
		{"two packs", func(w *pack.Writer) { w.Section(pack.Module, 0, nil); w.Pack(); w.Pack() }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w, err := pack.NewWriter(io.Discard, 12)
			if err != nil {
				t.Fatal(err)
			}
			test.write(w)
			if err := w.Close(); err == nil {
				t.Error("got nil, want an error")
			}
		})
	}
}
