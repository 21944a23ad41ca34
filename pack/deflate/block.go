package deflate

import "encoding/binary"

// block is a run of tokens, and the bytes of the buffer that they stand for.
type block struct {
	from, to int
	tokens   []token
}

// code is how the tokens of a block are written: a Huffman code with the header that tells it.
type code struct {
	literal, distance []uint8 // lengths
	header            []uint16
	headerBits        int
}

// fixed is the code that needs no header (RFC 1951, 3.2.6).
func fixed() *code {
	c := &code{literal: make([]uint8, 288), distance: make([]uint8, distances)}
	for i := range c.literal {
		switch {
		case i < 144, i >= 280:
			c.literal[i] = 8
		case i < 256:
			c.literal[i] = 9
		default:
			c.literal[i] = 7
		}
	}
	for i := range c.distance {
		c.distance[i] = 5
	}
	return c
}

// best returns the code that writes the symbols of a block in the fewest bits.
func best(h *histogram) (*code, int) {
	c := fixed()
	size := c.size(h)
	for _, counts := range []*histogram{h, h.smooth()} {
		for use := range allRepeats + 1 {
			d := dynamic(counts, use)
			if n := d.size(h); n < size {
				c, size = d, n
			}
		}
	}
	return c, size
}

// estimate returns about how many bits a block takes.
func estimate(h *histogram) int { return min(dynamic(h, allRepeats).size(h), fixed().size(h)) }

// dynamic returns the code that fits a histogram, with a header of such repeats.
func dynamic(h *histogram, use int) *code {
	c := &code{literal: codeLengths(h.literal[:], 15), distance: codeLengths(h.distance[:], 15)}
	c.header = header(c.literal, c.distance, use)
	for _, p := range c.header {
		c.headerBits += int(p & 15)
	}
	return c
}

// size returns how many bits a block takes with the code.
func (c *code) size(h *histogram) int {
	n := 3 + c.headerBits
	for symbol, count := range h.literal {
		n += count * int(c.literal[symbol])
		if symbol > endBlock {
			n += count * int(lengthExtra[symbol-endBlock-1])
		}
	}
	for symbol, count := range h.distance {
		n += count * int(c.distance[symbol])
		if symbol >= 4 {
			n += count * (symbol/2 - 1)
		}
	}
	return n
}

// lengthExtra are the bits that follow the symbols from 257 on.
var lengthExtra = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}

// smooth makes neighbours that occur nearly as often equal: their code is a little worse, and its header shorter.
func (h *histogram) smooth() *histogram {
	s := *h
	for _, counts := range [][]int{s.literal[:], s.distance[:]} {
		for i := 0; i < len(counts); {
			sum, j := counts[i], i+1
			for j < len(counts) && counts[j] > 0 && near(counts[j], sum, j-i) {
				sum += counts[j]
				j++
			}
			if j-i >= 4 && sum > 0 {
				for k := i; k < j; k++ {
					counts[k] = max(1, (sum+(j-i)/2)/(j-i))
				}
			}
			i = j
		}
	}
	return &s
}

// near reports whether n is about the mean of so many that make up sum.
func near(n, sum, of int) bool {
	d := n*of - sum
	return max(d, -d) <= sum/3+of
}

// write writes the block in the way that is shortest.
func (b block) write(w *bitWriter, buf []byte, final bool) {
	c, size := best(count(b.tokens))
	last := uint32(0)
	if final {
		last = 1
	}
	if stored := b.storedBits(); stored < size {
		b.store(w, buf, last)
		return
	}
	if c.header == nil {
		w.write(last|1<<1, 3)
	} else {
		w.write(last|2<<1, 3)
		for _, h := range c.header {
			w.write(uint32(h>>4), uint(h&15))
		}
	}
	literal, distance := codes(c.literal), codes(c.distance)
	for _, t := range b.tokens {
		if t.length == 0 {
			w.write(literal[t.distance], uint(c.literal[t.distance]))
			continue
		}
		s, extra := lengthSymbol(int(t.length))
		w.write(literal[s], uint(c.literal[s]))
		w.write(uint32(t.length-minMatch)&(1<<extra-1), extra)
		s, extra = distanceSymbol(int(t.distance))
		w.write(distance[s], uint(c.distance[s]))
		w.write(uint32(t.distance-1)&(1<<extra-1), extra)
	}
	w.write(literal[endBlock], uint(c.literal[endBlock]))
}

// maxStored is how many bytes a stored block holds.
const maxStored = 1<<16 - 1

func (b block) storedBits() int {
	n := b.to - b.from
	return 8*n + (n/maxStored+1)*(3+7+32)
}

// store writes the bytes as they are.
func (b block) store(w *bitWriter, buf []byte, last uint32) {
	for from := b.from; ; {
		to := min(from+maxStored, b.to)
		if to < b.to {
			w.write(0, 3)
		} else {
			w.write(last, 3)
		}
		w.align()
		w.out = binary.LittleEndian.AppendUint16(w.out, uint16(to-from))
		w.out = binary.LittleEndian.AppendUint16(w.out, ^uint16(to-from))
		w.out = append(w.out, buf[from:to]...)
		if from = to; from == b.to {
			return
		}
	}
}
