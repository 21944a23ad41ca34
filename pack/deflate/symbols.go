package deflate

import "math/bits"

const (
	minMatch  = 3
	maxMatch  = 258
	endBlock  = 256
	literals  = 286 // symbols of literals, the end of a block, and lengths
	distances = 30
)

// token is a literal, where length is 0, or a match.
type token struct {
	length   uint16
	distance uint16 // of a literal: the byte
}

// lengthSymbol gives the symbol of a length, and the bits that follow it (RFC 1951, 3.2.5).
func lengthSymbol(length int) (symbol int, extra uint) {
	l := uint(length - minMatch)
	switch {
	case length == maxMatch:
		return 285, 0
	case l < 8:
		return 257 + int(l), 0
	}
	extra = uint(bits.Len(l)) - 3
	return 261 + 4*int(extra) + int(l>>extra&3), extra
}

// distanceSymbol gives the symbol of a distance, and the bits that follow it.
func distanceSymbol(distance int) (symbol int, extra uint) {
	d := uint(distance - 1)
	if d < 4 {
		return int(d), 0
	}
	extra = uint(bits.Len(d)) - 2
	return 2 + 2*int(extra) + int(d>>extra&1), extra
}

// histogram counts the symbols of a block.
type histogram struct {
	literal  [literals]int
	distance [distances]int
}

func count(tokens []token) *histogram {
	h := new(histogram)
	h.literal[endBlock] = 1
	h.count(tokens)
	return h
}

func (h *histogram) count(tokens []token) {
	for _, t := range tokens {
		if t.length == 0 {
			h.literal[t.distance]++
			continue
		}
		l, _ := lengthSymbol(int(t.length))
		d, _ := distanceSymbol(int(t.distance))
		h.literal[l]++
		h.distance[d]++
	}
}

// without returns the histogram of the block that is left when the first part of it becomes its own.
func (h *histogram) without(first *histogram) *histogram {
	rest := *h
	for i, n := range first.literal {
		rest.literal[i] -= n
	}
	for i, n := range first.distance {
		rest.distance[i] -= n
	}
	rest.literal[endBlock] = 1
	return &rest
}
