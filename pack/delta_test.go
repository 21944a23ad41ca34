package pack_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"moult/pack"
	"moult/release"
)

func apply(delta, base []byte, length int64) ([]byte, error) {
	r := bytes.NewReader(delta)
	got, err := io.ReadAll(pack.NewDelta(r, bytes.NewReader(base), int64(len(base)), length))
	if err == nil && r.Len() > 0 {
		return got, errors.New("bytes of the delta are left")
	}
	return got, err
}

type deltaTest struct {
	name, base, target string
	most               int // length of the delta
}

func deltaTests() []deltaTest {
	text := strings.Repeat("def water(self, seconds):\n    self.pump.on()\n", 3) + "import time\n# the end of it\n"
	random := make([]byte, 500)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(random)
	return []deltaTest{
		{"both empty", "", "", 0},
		{"nothing from something", text, "", 0},
		{"from nothing", "", "abc", 4},
		{"the same", text, text, 4},
		{"one byte of many", string(random), string(random[:250]) + "x" + string(random[251:]), 10},
		{"a byte more", string(random), string(random[:250]) + "x" + string(random[250:]), 10},
		{"a byte less", string(random), string(random[:250]) + string(random[251:]), 8},
		{"a byte more at the beginning", string(random), "x" + string(random), 7},
		{"a byte more at the end", string(random), string(random) + "x", 7},
		{"halves the other way round", string(random), string(random[250:]) + string(random[:250]), 12},
		{"nothing in common", text, string(random), 503},
		{"shorter than a block", "abcdefg", "abcdefg", 8},
		{"only zeros", strings.Repeat("\x00", 100000), strings.Repeat("\x00", 90000), 6},
	}
}

func TestDelta(t *testing.T) {
	for _, test := range deltaTests() {
		t.Run(test.name, func(t *testing.T) {
			delta := pack.AppendDelta([]byte("before"), []byte(test.base), []byte(test.target))
			delta, ok := bytes.CutPrefix(delta, []byte("before"))
			if !ok || len(delta) > test.most {
				t.Errorf("got %d bytes, %v, want at most %d", len(delta), ok, test.most)
			}
			got, err := apply(delta, []byte(test.base), int64(len(test.target)))
			if err != nil || string(got) != test.target {
				t.Errorf("got %q, %v, want %q", got, err, test.target)
			}
			r := bufio.NewReader(iotest.DataErrReader(bytes.NewReader(delta)))
			if err := iotest.TestReader(pack.NewDelta(r, strings.NewReader(test.base), int64(len(test.base)), int64(len(test.target))), []byte(test.target)); err != nil {
				t.Error(err)
			}
		})
	}
}

// A base larger than what is looked up at every place.
func TestDeltaLarge(t *testing.T) {
	base := make([]byte, 9<<20)
	rand.NewChaCha8([32]byte{2}).Read(base)
	target := bytes.Clone(base)
	target = append(target[:100_000], target[200_001:]...)
	copy(target[5_000_000:], "changed")
	delta := pack.AppendDelta(nil, base, target)
	if got, err := apply(delta, base, int64(len(target))); err != nil || !bytes.Equal(got, target) {
		t.Fatalf("got %d bytes, %v, want %d", len(got), err, len(target))
	}
	if len(delta) > 40 {
		t.Errorf("got %d bytes, want at most 40", len(delta))
	}
}

var deltaRefusals = []struct {
	name, hex, base string
	length          int64
	want            release.Reason
}{
	{"nothing there", "", "", 1, release.BadFormat},
	{"cut in a number", "80", "", 1, release.BadFormat},
	{"cut in an insertion", "0861", "", 4, release.BadFormat},
	{"cut before where to copy from", "09", "abcd", 4, release.BadFormat},
	{"operation of no bytes", "000861626364", "", 4, release.BadFormat},
	{"copy of no bytes", "01000900", "abcd", 4, release.BadFormat},
	{"insertion longer than the file", "0a6162636465", "", 4, release.BadLength},
	{"copy longer than the file", "0b00", "abcdef", 4, release.BadLength},
	{"second operation passes the length", "0461620661626364", "", 4, release.BadLength},
	{"copy from before the base", "0901", "abcd", 4, release.BadFormat},
	{"copy from behind the base", "0902", "abcd", 4, release.BadFormat},
	{"copy from an empty base", "0900", "", 4, release.BadFormat},
	{"second copy goes on behind the base", "05000500", "abc", 4, release.BadFormat},
	{"number not in its shortest form", "88800061626364", "abcd", 4, release.BadFormat},
	{"number of ten bytes", "ffffffffffffffffff01", "abcd", 4, release.BadFormat},
	{"insertion of 2^62 bytes", "feffffffffffffff7f61", "", 1 << 61, release.BadLength},
	{"copy from as far as a number goes", "09feffffffffffffff7f", "abcd", 4, release.BadFormat},
	{"copy from as far before", "09ffffffffffffffff7f", "abcd", 4, release.BadFormat},
}

func TestDeltaRefused(t *testing.T) {
	for _, test := range deltaRefusals {
		t.Run(test.name, func(t *testing.T) {
			delta, err := hex.DecodeString(test.hex)
			if err != nil {
				t.Fatal(err)
			}
			got, err := apply(delta, []byte(test.base), test.length)
			if release.ReasonOf(err) != test.want || int64(len(got)) > test.length {
				t.Errorf("got %q, %v, want %s", got, err, test.want)
			}
		})
	}
}

// What is broken below is no refusal: it may be right the next time.
func TestDeltaFails(t *testing.T) {
	broken := errors.New("broken")
	delta := pack.AppendDelta(nil, []byte("abcdefghijklmnop"), []byte("abcdefghijklmnopX"))
	tests := []struct {
		name string
		ops  io.Reader
		base string
		want error
	}{
		{"the reader, in an insertion", io.MultiReader(bytes.NewReader(delta[:len(delta)-1]), iotest.ErrReader(broken)), "abcdefghijklmnop", broken},
		{"the reader, in a number", iotest.ErrReader(broken), "abcdefghijklmnop", broken},
		{"a base that is shorter than it was", bytes.NewReader(delta), "abc", io.EOF},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := io.ReadAll(pack.NewDelta(bufio.NewReader(test.ops), strings.NewReader(test.base), 16, 17))
			if !errors.Is(err, test.want) || release.ReasonOf(err) != "" {
				t.Errorf("got %v (%q), want %v", err, release.ReasonOf(err), test.want)
			}
		})
	}
}
