package deflate

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

const (
	hashBits   = 15
	maxChain   = 512 // places of one hash that are tried
	maxMatches = 24  // matches of a place that are kept; further ones take the place of the longest
)

// finder finds where the bytes of a place stood before, by a hash of the first three.
type finder struct {
	buf    []byte
	window int
	heads  [1 << hashBits]int32 // the last place with a hash, plus 1
	prev   []int32              // the place before with the hash of this
}

// reset begins with a buffer whose first bytes are known already.
func (f *finder) reset(buf []byte, known, window int) {
	f.buf, f.window = buf, window
	clear(f.heads[:])
	f.prev = slices.Grow(f.prev[:0], len(buf))[:len(buf)] // each is written before it is read
	for at := range known {
		f.insert(at)
	}
}

func (f *finder) hash(at int) uint32 {
	b := f.buf[at : at+3]
	return (uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16) * 0x9e3779b1 >> (32 - hashBits) // 2^32 divided by the golden ratio
}

func (f *finder) insert(at int) {
	if at+minMatch > len(f.buf) {
		return
	}
	h := f.hash(at)
	f.prev[at] = f.heads[h]
	f.heads[h] = int32(at + 1)
}

// find appends the matches of a place, each longer than the one before and further away, and makes the place known.
func (f *finder) find(matches []token, at int) []token {
	rest := f.buf[at:min(len(f.buf), at+maxMatch)]
	if len(rest) < minMatch {
		return matches
	}
	longest, found := minMatch-1, len(matches)
	next := f.heads[f.hash(at)]
	for range maxChain {
		from := int(next) - 1
		if from < 0 || at-from > f.window || longest == len(rest) {
			break
		}
		next = f.prev[from]
		if f.buf[from+longest] != rest[longest] {
			continue
		}
		if n := common(f.buf[from:], rest); n > longest {
			longest = n
			if len(matches)-found == maxMatches {
				matches = matches[:len(matches)-1]
			}
			matches = append(matches, token{uint16(n), uint16(at - from)})
		}
	}
	f.insert(at)
	return matches
}

// common returns how many bytes of b a begins with; a is not shorter.
func common(a, b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		if d := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); d != 0 {
			return i + bits.TrailingZeros64(d)/8
		}
	}
	for i < len(b) && a[i] == b[i] {
		i++
	}
	return i
}
