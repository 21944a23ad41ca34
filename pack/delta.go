package pack

import (
	"encoding/binary"
	"math/bits"
)

const (
	block      = 8       // bytes of the base that are looked up by their hash; a shorter copy is hardly shorter than its operation
	maxIndexed = 1 << 20 // places of the base that are looked up: beyond, every second, fourth … place, and memory stays within 12 MiB
	maxTries   = 256     // places of one hash that are tried
	enough     = 1 << 10 // bytes of a copy beyond which no better one is looked for
)

// AppendDelta appends to dst the operations that lead from base to target, both at most 2 GiB.
func AppendDelta(dst, base, target []byte) []byte {
	return appendDelta(dst, base, target, newIndex(base), 3)
}

// appendDelta does it with an index of base, taking it that an inserted byte costs so many bits after deflate.
func appendDelta(dst, base, target []byte, x index, perByte int) []byte {
	e := encoder{dst: dst, base: base, target: target, index: x, perByte: perByte}
	for at := 0; at+block <= len(target); {
		m := e.find(at)
		if m.n == 0 {
			at++
			continue
		}
		// one byte later may begin a better one
		for at+1+block <= len(target) && m.n < enough {
			next := e.find(at + 1)
			if next.gain <= m.gain {
				break
			}
			m = next
			at++
		}
		e.copy(m)
		at = e.done
	}
	e.insert(len(target))
	return e.dst
}

type encoder struct {
	dst, base, target []byte
	index             index
	perByte           int // bits that an inserted byte costs
	done              int // of the target
	end               int // where the last copy ended in the base
}

// match is a copy that can be made.
type match struct {
	at, from, n int
	gain        int // what it spares, in bits
}

// find returns the best copy that begins at a place of the target, or reaches over it from before.
func (e *encoder) find(at int) match {
	var best match
	try := func(from int) {
		n := common(e.base[from:], e.target[at:])
		back := 0
		for back < at-e.done && back < from && e.base[from-back-1] == e.target[at-back-1] {
			back++
		}
		m := match{at: at - back, from: from - back, n: n + back}
		if m.gain = e.gain(m); m.gain > best.gain {
			best = m
		}
	}
	if near := e.end + at - e.done; near < len(e.base) {
		try(near) // bytes were replaced by as many
	}
	if e.end < len(e.base) {
		try(e.end) // bytes were inserted
	}
	tries := maxTries
	for from := e.index.first(e.target[at:]); from >= 0 && tries > 0 && best.n < enough; from = e.index.next(from) {
		try(from)
		tries--
	}
	return best
}

// gain is what a copy spares after deflate, in bits. The bytes of numbers hardly deflate.
func (e *encoder) gain(m match) int {
	cost := 7 * (uvarintLen(uint64(m.n)<<1) + uvarintLen(zigzag(int64(m.from-e.end))))
	if m.at > e.done {
		cost += 7 // the insertion before it
	}
	return e.perByte*m.n - cost - 7
}

func (e *encoder) copy(m match) {
	e.insert(m.at)
	e.dst = binary.AppendUvarint(e.dst, uint64(m.n)<<1|1)
	e.dst = binary.AppendUvarint(e.dst, zigzag(int64(m.from-e.end)))
	e.end = m.from + m.n
	e.done = m.at + m.n
}

// insert brings what was not copied before a place of the target.
func (e *encoder) insert(until int) {
	if n := until - e.done; n > 0 {
		e.dst = binary.AppendUvarint(e.dst, uint64(n)<<1)
		e.dst = append(e.dst, e.target[e.done:until]...)
		e.done = until
	}
}

// index finds the places of a base where a block stands, the nearest to the front first.
type index struct {
	base  []byte
	step  int     // between the places
	shift uint    // from a hash to a place of heads
	heads []int32 // the first place with a hash, plus 1, in steps
	nexts []int32 // the next place with the hash of this
}

func newIndex(base []byte) index {
	x := index{base: base, step: 1}
	for len(base)/x.step > maxIndexed {
		x.step *= 2
	}
	count := 0
	if len(base) >= block {
		count = (len(base)-block)/x.step + 1
	}
	width := max(bits.Len(uint(count)), 4)
	x.shift = uint(64 - width)
	x.heads = make([]int32, 1<<width)
	x.nexts = make([]int32, count)
	for i := count - 1; i >= 0; i-- {
		h := x.hash(base[i*x.step:])
		x.nexts[i] = x.heads[h]
		x.heads[h] = int32(i + 1)
	}
	return x
}

func (x *index) hash(p []byte) uint64 {
	return binary.LittleEndian.Uint64(p) * 0x9e3779b97f4a7c15 >> x.shift // 2^64 divided by the golden ratio
}

// first returns the first place that may hold the block that p begins with, -1 for none.
func (x *index) first(p []byte) int { return (int(x.heads[x.hash(p)]) - 1) * x.step }

// next returns the place after one that first or next gave, -1 for none.
func (x *index) next(at int) int { return (int(x.nexts[at/x.step]) - 1) * x.step }

// common returns how many bytes a and b begin with that are the same.
func common(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for ; i+8 <= n; i += 8 {
		if d := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); d != 0 {
			return i + bits.TrailingZeros64(d)/8
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

func uvarintLen(n uint64) int { return max(bits.Len64(n)+6, 7) / 7 }
