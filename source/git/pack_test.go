package git

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"moult/fault"
)

// entry is an object of a pack in the making.
type entry struct {
	kind   plumbing.ObjectType
	length int    // announced; -1 for that of data
	back   int    // of an offset delta: how many bytes before it its base stands, 0 for the entry before it
	base   string // of a hash delta: the base's hash, 20 bytes
	data   []byte
}

func whole(kind plumbing.ObjectType, data string) entry {
	return entry{kind: kind, length: -1, data: []byte(data)}
}

// change is a delta that says what it is built from and becomes by lengths of its own.
func change(source, target uint64, commands string) entry {
	data := append(binary.AppendUvarint(nil, source), binary.AppendUvarint(nil, target)...)
	return entry{kind: plumbing.OFSDeltaObject, length: -1, data: append(data, commands...)}
}

func onto(hash plumbing.Hash, e entry) entry {
	e.kind, e.base = plumbing.REFDeltaObject, string(hash[:])
	return e
}

// writePack writes a pack of a count of objects, -1 for as many as there are, with a good checksum.
func writePack(count int, entries ...entry) []byte {
	if count < 0 {
		count = len(entries)
	}
	out := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), uint32(count))
	before := 0
	w := zlib.NewWriter(nil)
	for _, e := range entries {
		at := len(out)
		length := e.length
		if length < 0 {
			length = len(e.data)
		}
		b := byte(e.kind)<<4 | byte(length&15)
		for length >>= 4; length > 0; length >>= 7 {
			out = append(out, b|0x80)
			b = byte(length & 0x7f)
		}
		out = append(out, b)
		switch e.kind {
		case plumbing.OFSDeltaObject:
			back := e.back
			if back == 0 {
				back = at - before
			}
			bytes := []byte{byte(back & 0x7f)}
			for back >>= 7; back > 0; back >>= 7 {
				back--
				bytes = append([]byte{byte(back&0x7f) | 0x80}, bytes...)
			}
			out = append(out, bytes...)
		case plumbing.REFDeltaObject:
			out = append(out, e.base...)
		}
		var buf bytes.Buffer
		w.Reset(&buf)
		w.Write(e.data)
		w.Close()
		out = append(out, buf.Bytes()...)
		before = at
	}
	sum := sha1.Sum(out)
	return append(out, sum[:]...)
}

func open(t testing.TB, data []byte, maxObjects, maxBytes int64) (*unpacked, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "pack")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return unpack(context.Background(), f, maxObjects, maxBytes)
}

func TestUnpack(t *testing.T) {
	const base = "the quick brown fox"
	baseHash := plumbing.ComputeHash(plumbing.BlobObject, []byte(base))
	copyAll := "\x90\x13"                                // 19 bytes of the base from 0
	doubled := change(19, 38, copyAll+copyAll)           //
	again := change(38, 41, "\x90\x26\x03end")           // 38 bytes of that, and three new ones
	mebibyte := strings.Repeat("\x00", 1<<20)            //
	gigabytes := strings.Repeat("\xb0\xff\xff", 100_000) // 64 KiB of the base a time
	tests := []struct {
		name    string
		pack    []byte
		limit   int64    // of bytes; 0 for 1.5 MiB
		want    []string // blobs that are there
		wantErr string
	}{
		{name: "whole objects", pack: writePack(-1, whole(plumbing.BlobObject, "a"), whole(plumbing.BlobObject, ""), whole(plumbing.BlobObject, base)), want: []string{"a", "", base}},
		{name: "deltas", pack: writePack(-1, whole(plumbing.BlobObject, base), doubled, again), want: []string{base, base + base, base + base + "end"}},
		{name: "delta before its base", pack: writePack(-1, onto(baseHash, doubled), whole(plumbing.BlobObject, base)), want: []string{base, base + base}},
		{name: "base twice", pack: writePack(-1, whole(plumbing.BlobObject, base), onto(baseHash, doubled), whole(plumbing.BlobObject, base)), want: []string{base + base}},
		{name: "nothing in it", pack: writePack(-1)},

		{name: "not a pack", pack: []byte("<html>, which is long enough to be one"), wantErr: "signature"},
		{name: "count of billions", pack: writePack(1<<32-1, whole(plumbing.BlobObject, "a")), wantErr: "got 4294967295 objects"},
		{name: "count too low", pack: writePack(0, whole(plumbing.BlobObject, "a")), wantErr: "checksum"},
		{name: "longer than announced", pack: writePack(-1, entry{kind: plumbing.BlobObject, length: 3, data: []byte("abcd")}), wantErr: "unpack"},
		{name: "shorter than announced", pack: writePack(-1, entry{kind: plumbing.BlobObject, length: 5, data: []byte("abcd")}), wantErr: "got 4 bytes, want 5"},
		{name: "announced beyond the limit", pack: writePack(-1, entry{kind: plumbing.BlobObject, length: 1 << 40, data: []byte("abcd")}), wantErr: "1099511627776 bytes"},
		{name: "bomb in one object", pack: writePack(-1, whole(plumbing.BlobObject, mebibyte+mebibyte)), wantErr: "2097152 bytes"},
		{name: "bomb in several objects", pack: writePack(-1, whole(plumbing.BlobObject, mebibyte), whole(plumbing.TreeObject, mebibyte)), wantErr: "1048576 bytes"},
		{name: "bomb in a delta's target", pack: writePack(-1, whole(plumbing.BlobObject, base), change(19, 1<<30, gigabytes)), wantErr: "1073741824 bytes"},
		{name: "delta's target of almost 2^63", pack: writePack(-1, whole(plumbing.BlobObject, base), change(19, 1<<63-1, gigabytes)), wantErr: "9223372036854775807 bytes"},
		{name: "delta's target beyond 2^63", pack: writePack(-1, whole(plumbing.BlobObject, base), change(19, 1<<64-1, gigabytes)), wantErr: "no lengths"},
		{name: "delta longer than its target", pack: writePack(-1, whole(plumbing.BlobObject, base), change(19, 19, copyAll+copyAll)), wantErr: "delta"},
		{name: "delta copies from beyond its base", pack: writePack(-1, whole(plumbing.BlobObject, base), change(19, 20, "\x90\x14")), wantErr: "delta"},
		{name: "delta of another base", pack: writePack(-1, whole(plumbing.BlobObject, base), change(18, 19, copyAll)), wantErr: "delta"},
		{name: "delta that is empty", pack: writePack(-1, whole(plumbing.BlobObject, base), entry{kind: plumbing.OFSDeltaObject, length: -1}), wantErr: "no lengths"},
		{name: "delta without its base", pack: writePack(-1, onto(baseHash, doubled)), wantErr: "1 deltas without"},
		{name: "delta onto the middle of an object", pack: writePack(-1, whole(plumbing.BlobObject, base), entry{kind: plumbing.OFSDeltaObject, length: -1, back: 5, data: doubled.data}), wantErr: "1 deltas without"},
		{name: "delta onto itself", pack: writePack(-1, entry{kind: plumbing.OFSDeltaObject, length: -1, back: 1 << 20, data: doubled.data}), wantErr: "OFS delta offset"},
		{name: "object of type 5", pack: writePack(-1, whole(5, "a")), wantErr: "type 5"},
		{name: "object of type 0", pack: writePack(-1, whole(0, "a")), wantErr: "type 0"},
		{name: "chain of 5000 deltas", pack: writePack(-1, append([]entry{whole(plumbing.BlobObject, base)}, chain(5000)...)...), limit: 1 << 30, wantErr: "chain of more than 4095"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.limit == 0 {
				test.limit = 3 << 19
			}
			u, err := open(t, test.pack, 10_000, test.limit)
			if test.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantErr) || fault.IsTransient(err) {
					t.Fatalf("got %v, want a final %q", err, test.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer u.close()
			for _, want := range test.want {
				c, err := u.open(plumbing.ComputeHash(plumbing.BlobObject, []byte(want)))
				if err != nil {
					t.Fatalf("%q: %v", want, err)
				}
				if got, err := io.ReadAll(c); err != nil || string(got) != want || c.size != int64(len(want)) {
					t.Errorf("got %q of %d, %v, want %q", got, c.size, err, want)
				}
				c.Close()
			}
		})
	}
}

// chain is n deltas, each onto the one before it, each a byte longer.
func chain(n int) (all []entry) {
	for i := range n {
		size := uint64(19 + i)
		all = append(all, change(size, size+1, "\xb0"+string([]byte{byte(size), byte(size >> 8)})+"\x01x"))
	}
	return all
}

// TestUnpackCut cuts a pack at every byte: the cut is told, and that another try may help.
func TestUnpackCut(t *testing.T) {
	data := writePack(-1, whole(plumbing.BlobObject, "the quick brown fox"), change(19, 38, "\x90\x13\x90\x13"), whole(plumbing.TreeObject, ""))
	for n := range data {
		if _, err := open(t, data[:n], 10, 1000); !errors.Is(err, io.ErrUnexpectedEOF) || !fault.IsTransient(err) {
			t.Errorf("cut at %d of %d: got %v, want a transient io.ErrUnexpectedEOF", n, len(data), err)
		}
	}
}

// FuzzUnpack wants of any bytes that each object of an accepted pack has its size and its hash, and that trees of any kind are walked
// or refused within the limits.
func FuzzUnpack(f *testing.F) {
	const base = "the quick brown fox"
	hash := plumbing.ComputeHash(plumbing.BlobObject, []byte(base))
	f.Add(writePack(-1, whole(plumbing.BlobObject, base), change(19, 38, "\x90\x13\x90\x13")))
	f.Add(writePack(-1, whole(plumbing.TreeObject, "100644 a\x00"+string(hash[:])), whole(plumbing.BlobObject, base), onto(hash, change(19, 3, "\x03abc"))))
	f.Add(writePack(-1, whole(plumbing.TagObject, "object "+hash.String()+"\ntype blob\ntag x\ntagger a <a> 1 +0000\n\nx\n"), whole(plumbing.CommitObject, "tree "+hash.String()+"\n\nx\n")))
	f.Add(writePack(-1, chain(20)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 20 { // behind a good checksum
			sum := sha1.Sum(data[:len(data)-20])
			data = append(data[:len(data)-20:len(data)-20], sum[:]...)
		}
		u, err := open(t, data, 100, 1<<20)
		if err != nil {
			return
		}
		defer u.close()
		for hash, p := range u.objects {
			c, err := u.open(hash)
			if err != nil {
				t.Fatalf("%s: %v", hash, err)
			}
			content, err := io.ReadAll(c)
			c.Close()
			if err != nil || int64(len(content)) != p.size || plumbing.ComputeHash(p.kind, content) != hash {
				t.Fatalf("%s: got %d bytes that are not it, %v, want %d", hash, len(content), err, p.size)
			}
			if _, err := peel(u, hash); err == nil && p.kind != plumbing.TagObject && p.kind != plumbing.CommitObject {
				t.Fatalf("%s: got a commit out of a %s", hash, p.kind)
			}
			if _, err := loadTree(u, hash); err == nil && p.kind != plumbing.TreeObject {
				t.Fatalf("%s: got a tree out of a %s", hash, p.kind)
			}
		}
	})
}
