package pack_test

import (
	"bytes"
	"encoding/hex"
	"io"
	"runtime"
	"testing"

	"moult/pack"
	"moult/release"
)

// allocated returns how many bytes work takes from the heap, freed meanwhile or not.
func allocated(work func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	work()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func FuzzDelta(f *testing.F) {
	for _, v := range loadVectors[deltaVector](f, "delta") {
		f.Add(unhex(f, v.Delta), unhex(f, v.Base), v.Length)
	}
	f.Fuzz(func(t *testing.T, delta, base []byte, length int64) {
		if length < 0 || length > 1<<40 {
			return
		}
		var n int64
		var err error
		took := allocated(func() {
			// a few bytes may be copied many times, as often as the length says
			n, err = io.CopyN(io.Discard, pack.NewDelta(bytes.NewReader(delta), bytes.NewReader(base), int64(len(base)), length), 1<<20)
		})
		switch {
		case n > length:
			t.Fatalf("got %d bytes, want at most %d", n, length)
		case err == io.EOF && n != length:
			t.Fatalf("got the end after %d bytes, want %d", n, length)
		case err != nil && err != io.EOF && release.ReasonOf(err) == "":
			t.Fatalf("got %v, want a reason", err)
		case took > 128<<10:
			t.Fatalf("got %d bytes taken for a delta of %d", took, len(delta))
		}
	})
}

func FuzzAppendDelta(f *testing.F) {
	for _, test := range deltaTests() {
		f.Add([]byte(test.base), []byte(test.target))
	}
	f.Fuzz(func(t *testing.T, base, target []byte) {
		delta := pack.AppendDelta(nil, base, target)
		if got, err := apply(delta, base, int64(len(target))); err != nil || !bytes.Equal(got, target) {
			t.Fatalf("got %q, %v, want %q", got, err, target)
		}
		if most := len(target) + 10; len(delta) > most {
			t.Fatalf("got %d bytes for %d", len(delta), len(target))
		}
	})
}

func FuzzPack(f *testing.F) {
	to, base := refused.to.manifest("2"), refused.base.manifest("1")
	for _, v := range loadVectors[packVector](f, "pack") {
		f.Add(unhex(f, v.Pack))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got tree
		var err error
		took := allocated(func() { got, err = install(bytes.NewReader(data), to, base, refused.base) })
		if err != nil && release.ReasonOf(err) == "" {
			t.Fatalf("got %v, want a reason", err)
		}
		for path, content := range got {
			if e, there := to.Find(path); !there || e.Link == "" && int64(len(content)) != e.Length {
				t.Fatalf("got %q in %s, want %d bytes", content, path, e.Length)
			}
		}
		if took > 64<<10 {
			t.Fatalf("got %d bytes taken for a pack of %d", took, len(data))
		}
	})
}

func FuzzBundle(f *testing.F) {
	for _, v := range loadVectors[bundleVector](f, "bundle") {
		f.Add(unhex(f, v.Bundle), true)
	}
	for _, test := range bundleRefusals() {
		if raw, found := bytes.CutPrefix([]byte(test.in), []byte("MLT\x01\x0c\x00")); found && len(raw) > 9 {
			f.Add(raw[4:len(raw)-5], false) // the sections, not deflated
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, deflated bool) {
		if !deflated {
			data = []byte(bundle(hex.EncodeToString(data)))
		}
		const limit = 1000
		var err error
		roots := 0
		took := allocated(func() { roots, err = readAll(bytes.NewReader(data), limit) })
		if err != nil && release.ReasonOf(err) == "" {
			t.Fatalf("got %v, want a reason", err)
		}
		if most := 256<<10 + uint64(8+roots)*4*limit; took > most {
			t.Fatalf("got %d bytes taken for a bundle of %d, want at most %d", took, len(data), most)
		}
	})
}

// readAll reads a bundle, its sections to a limit, and returns how many roots it has.
func readAll(r io.Reader, limit int64) (roots int, err error) {
	b, err := pack.OpenBundle(r)
	if err != nil {
		return 0, err
	}
	for {
		s, err := b.Next()
		switch {
		case err == io.EOF:
			return roots, nil
		case err != nil:
			return roots, err
		case s.Kind == pack.Root:
			roots++
		}
		if s.Kind == pack.PackKind {
			_, err = install(b.Pack(), new(release.Manifest), nil, nil)
		} else {
			_, err = b.Body(limit)
		}
		if err != nil {
			return roots, err
		}
	}
}
