package deflate_test

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"moult/pack/deflate"
)

// deflated returns what the writer makes of data that comes in pieces.
func deflated(t testing.TB, data []byte, window, piece int) []byte {
	t.Helper()
	return deflatedBehind(t, nil, data, window, piece)
}

// deflatedBehind is deflated with a preset dictionary.
func deflatedBehind(t testing.TB, dictionary, data []byte, window, piece int) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := deflate.NewWriterDict(&buf, window, dictionary)
	if err != nil {
		t.Fatal(err)
	}
	for part := range slices.Chunk(data, max(piece, 1)) {
		if n, err := w.Write(part); n != len(part) || err != nil {
			t.Fatalf("got %d, %v, want %d", n, err, len(part))
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// samples are inputs that each lead another way through the writer.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	source, err := os.ReadFile("parse.go")
	if err != nil {
		t.Fatal(err)
	}
	random := func(n int) []byte {
		p := make([]byte, n)
		rand.NewChaCha8([32]byte{byte(n)}).Read(p)
		return p
	}
	var numbers bytes.Buffer
	for i := range 12_000 {
		fmt.Fprintf(&numbers, "%d,", i*i%7919)
	}
	skewed := make([]byte, 0, 400_000) // counts so unlike that codes would be longer than 15 bits
	for i, n := byte(0), 1; n < 10_000; i, n = i+1, n+n*2/3+1 {
		skewed = append(skewed, bytes.Repeat([]byte{i}, n)...)
	}
	r := rand.New(rand.NewPCG(1, 2))
	r.Shuffle(len(skewed), func(i, j int) { skewed[i], skewed[j] = skewed[j], skewed[i] })
	return map[string][]byte{
		"nothing":                            nil,
		"a byte":                             []byte("x"),
		"two bytes":                          []byte("xy"),
		"one word":                           []byte("irrigation"),
		"a short match":                      []byte("abcabc"),
		"source":                             source,
		"source and its own again":           slices.Concat(source, source),
		"zeros":                              make([]byte, 300_000),
		"the longest match":                  bytes.Repeat([]byte("a"), 259),
		"a match and a byte":                 bytes.Repeat([]byte("a"), 260),
		"random":                             random(1000),
		"random, longer than a stored block": random(200_000),
		"a chunk":                            bytes.Repeat(source, 1+(128<<10)/len(source))[:128<<10],
		"a chunk and a byte":                 bytes.Repeat(source, 1+(128<<10)/len(source))[:128<<10+1],
		"source, random, numbers":            slices.Concat(source, random(20_000), numbers.Bytes()),
		"skewed":                             skewed,
		"random again after 1 KiB":           bytes.Repeat(random(1<<10), 3),
		"random again a byte after 1 KiB":    bytes.Repeat(random(1<<10+1), 3),
		"random again a byte after 4 KiB":    bytes.Repeat(random(1<<12+1), 2),
		"random again after 4 KiB":           bytes.Repeat(random(1<<12), 3),
		"random again after 32 KiB":          bytes.Repeat(random(1<<15), 6),
		"random again a byte after 32 KiB":   bytes.Repeat(random(1<<15+1), 3),
	}
}

func TestWriter(t *testing.T) {
	for name, data := range samples(t) {
		t.Run(name, func(t *testing.T) {
			for _, window := range []int{10, 12, 15} {
				stream := deflated(t, data, window, len(data))
				got, err := io.ReadAll(flate.NewReader(bytes.NewReader(stream)))
				if err != nil || !bytes.Equal(got, data) {
					t.Fatalf("window %d: got %d bytes, %v, want %d", window, len(got), err, len(data))
				}
				if most := len(data) + 5*(len(data)/65535+len(data)/(128<<10)) + 6; len(stream) > most {
					t.Errorf("window %d: got %d bytes for %d, want at most %d", window, len(stream), len(data), most)
				}
				if again := deflated(t, data, window, 1+len(data)/3); !bytes.Equal(again, stream) {
					t.Errorf("window %d: got other bytes when written in pieces", window)
				}
			}
			var usual bytes.Buffer
			w, _ := flate.NewWriter(&usual, 9) // the level is one that there is
			w.Write(data)
			w.Close()
			if got := deflated(t, data, deflate.MaxWindow, len(data)); len(got) > usual.Len()+32*(1+len(data)/(128<<10)) {
				t.Errorf("got %d bytes, which compress/flate does in %d", len(got), usual.Len())
			}
		})
	}
}

// zlib inflates with the window that it is told, and refuses what reaches further back; what it gives at once it can reach too,
// and so it gives little.
const zlib = `
import hashlib, json, sys, zlib
for line in sys.stdin:
    window, dictionary, stream, want = json.loads(line)
    try:
        d = zlib.decompressobj(-window, zdict=bytes.fromhex(dictionary)) if dictionary else zlib.decompressobj(-window)
        data, left = [], bytes.fromhex(stream)
        step = 1 if len(left) < 9000 else 1024
        while not d.eof:
            data.append(d.decompress(left, step))
            assert data[-1] or left != d.unconsumed_tail, "no end"
            left = d.unconsumed_tail
        assert not d.unused_data, "more behind the end"
        assert hashlib.sha256(b"".join(data)).hexdigest() == want, "other bytes"
        print("good")
    except Exception as e:
        print(e)
`

// TestWindow holds the streams to their window by an inflater that has no more.
func TestWindow(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Fatalf("%v; scripts/test-deps.sh installs it", err)
	}
	var in bytes.Buffer
	var names []string
	add := func(name string, window int, dictionary, data []byte) {
		sum := sha256.Sum256(data)
		stream := deflatedBehind(t, dictionary, data, window, len(data))
		line := []any{window, hex.EncodeToString(dictionary), hex.EncodeToString(stream), hex.EncodeToString(sum[:])}
		if err := json.NewEncoder(&in).Encode(line); err != nil {
			t.Fatal(err)
		}
		names = append(names, fmt.Sprintf("%s, window %d", name, window))
	}
	for name, data := range samples(t) {
		for window := deflate.MinWindow; window <= deflate.MaxWindow; window++ {
			add(name, window, nil, data)
		}
	}
	for name, dictionary := range dictionaries(t) {
		for window := deflate.MinWindow; window <= deflate.MaxWindow; window++ {
			for sample, data := range samples(t) {
				if len(data) <= 20_000 {
					add("dictionary "+name+", "+sample, window, dictionary, data)
				}
			}
		}
	}
	cmd := exec.Command("python3", "-c", zlib)
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(answers) != len(names) {
		t.Fatalf("got %d answers, want %d", len(answers), len(names))
	}
	for i, answer := range answers {
		if answer != "good" {
			t.Errorf("%s: got %q", names[i], answer)
		}
	}
}

// dictionaries are some that samples begin with, end with, or are; longer than the window, and shorter than a match.
func dictionaries(t testing.TB) map[string][]byte {
	all := samples(t)
	source, random := all["source"], all["random again a byte after 1 KiB"]
	return map[string][]byte{"a byte": source[:1], "a part": source[:600], "all of it": source, "random": random[:1<<10+1]}
}

// TestDictionary shows that a dictionary is what stands before the first byte.
func TestDictionary(t *testing.T) {
	source := samples(t)["source"]
	for name, dictionary := range dictionaries(t) {
		for window := deflate.MinWindow; window <= deflate.MaxWindow; window++ {
			for _, piece := range []int{len(source), 100} {
				stream := deflatedBehind(t, dictionary, source, window, piece)
				got, err := io.ReadAll(flate.NewReaderDict(bytes.NewReader(stream), dictionary))
				if err != nil || !bytes.Equal(got, source) {
					t.Fatalf("%s, window %d: got %d bytes, %v, want %d", name, window, len(got), err, len(source))
				}
			}
		}
	}
	if got := len(deflatedBehind(t, source[:600], source[:600], 10, 600)); got > 20 {
		t.Errorf("a part again: got %d bytes, want few", got)
	}
	if got := len(deflatedBehind(t, source, source[:1000], 15, 1000)); got > 30 {
		t.Errorf("the beginning again: got %d bytes, want few", got)
	}
}

func TestWriterFails(t *testing.T) {
	for _, window := range []int{-1, 0, 9, 16} {
		if _, err := deflate.NewWriter(io.Discard, window); err == nil {
			t.Errorf("window %d: got nil, want an error", window)
		}
	}
	full := errors.New("full")
	w, err := deflate.NewWriter(failing{full}, 12)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := w.Write(make([]byte, 1<<20)); !errors.Is(err, full) || n > 128<<10 {
		t.Errorf("write: got %d, %v, want %v", n, err, full)
	}
	if err := w.Close(); !errors.Is(err, full) {
		t.Errorf("close: got %v, want %v", err, full)
	}
	w, err = deflate.NewWriter(io.Discard, 12)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("write after close: got nil, want an error")
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func FuzzWriter(f *testing.F) {
	for _, data := range samples(f) {
		f.Add(data[:min(len(data), 3000)], byte(2), uint16(7))
	}
	f.Fuzz(func(t *testing.T, data []byte, window byte, piece uint16) {
		w := deflate.MinWindow + int(window)%(deflate.MaxWindow-deflate.MinWindow+1)
		got, err := io.ReadAll(flate.NewReader(bytes.NewReader(deflated(t, data, w, int(piece)))))
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("got %d bytes, %v, want %d", len(got), err, len(data))
		}
	})
}

func BenchmarkWriter(b *testing.B) {
	source, err := os.ReadFile("parse.go")
	if err != nil {
		b.Fatal(err)
	}
	many := samples(b)["source, random, numbers"]
	for _, bench := range []struct {
		name string
		data []byte
	}{{"5 KB of source", source}, {"160 KB", many}, {"5 MB", bytes.Repeat(many, 30)}} {
		b.Run(bench.name, func(b *testing.B) {
			b.SetBytes(int64(len(bench.data)))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n = len(deflated(b, bench.data, 12, len(bench.data)))
			}
			b.ReportMetric(float64(n), "deflated-bytes")
		})
	}
}
