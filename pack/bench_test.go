package pack_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"moult/pack"
)

// benchPairs are bases and what becomes of them.
func benchPairs() map[string][2][]byte {
	var text strings.Builder
	for i := range 600 {
		fmt.Fprintf(&text, "def step_%d(value):\n    return value * %d + %d\n", i, i*7919%1000, i*104729%977)
	}
	source := text.String()
	edited := strings.NewReplacer("step_100(", "stride(", "* 17 ", "* 18 ", "step_400(value)", "step_400(value, more=None)").Replace(source)
	binary := make([]byte, 2<<20)
	rand.NewChaCha8([32]byte{3}).Read(binary)
	rebuilt := bytes.Clone(binary)
	for i := 0; i < len(rebuilt); i += 4000 { // addresses that moved
		rebuilt[i]++
	}
	return map[string][2][]byte{
		"27 KB of source, three lines": {[]byte(source), []byte(edited)},
		"2 MB binary, 524 bytes":       {binary, rebuilt},
		"16 MB of zeros":               {make([]byte, 16<<20), append(make([]byte, 16<<20), 1)},
		"4 MB of one line":             {bytes.Repeat([]byte(source[:44]), 100_000), bytes.Repeat([]byte(source[:45]), 100_000)},
	}
}

func BenchmarkAppendDelta(b *testing.B) {
	for name, pair := range benchPairs() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(pair[1])))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n = len(pack.AppendDelta(nil, pair[0], pair[1]))
			}
			b.ReportMetric(float64(n), "delta-bytes")
		})
	}
}

func BenchmarkNewDelta(b *testing.B) {
	for name, pair := range benchPairs() {
		b.Run(name, func(b *testing.B) {
			delta := pack.AppendDelta(nil, pair[0], pair[1])
			b.SetBytes(int64(len(pair[1])))
			b.ReportAllocs()
			for b.Loop() {
				r := pack.NewDelta(bytes.NewReader(delta), bytes.NewReader(pair[0]), int64(len(pair[0])), int64(len(pair[1])))
				if _, err := io.Copy(io.Discard, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
