package deflate

import "slices"

// order is that in which the lengths of the header's own code stand (RFC 1951, 3.2.7).
var order = [19]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// repeats are the symbols that stand for runs: of the length before, of zeros, and of many zeros.
var repeats = [3]struct{ symbol, least, most, extra int }{{16, 3, 6, 2}, {17, 3, 10, 3}, {18, 11, 138, 7}}

// allRepeats is the use of all of them: a bit each.
const allRepeats = 1<<len(repeats) - 1

// header returns what tells a code, as pieces of bits<<4 | how many. A repeat that is rarely used is not worth its place:
// use says which of them are.
func header(literal, distance []uint8, use int) []uint16 {
	literals := max(257, used(literal))
	distances := max(1, used(distance))
	lengths := slices.Concat(literal[:literals], distance[:distances])
	return append([]uint16{uint16(literals-257)<<4 | 5, uint16(distances-1)<<4 | 5}, runs(lengths, use)...)
}

func used(lengths []uint8) int {
	n := len(lengths)
	for n > 0 && lengths[n-1] == 0 {
		n--
	}
	return n
}

// runs returns the header behind its first two numbers: the code of the lengths, and the lengths.
func runs(lengths []uint8, use int) []uint16 {
	type item struct{ symbol, extra, bits int }
	var items []item
	counts := make([]int, len(order))
	add := func(i item) {
		items = append(items, i)
		counts[i.symbol]++
	}
	for i := 0; i < len(lengths); {
		value := lengths[i]
		n := 1
		for i+n < len(lengths) && lengths[i+n] == value {
			n++
		}
		i += n
		if value != 0 {
			add(item{symbol: int(value)})
			n--
		}
		for n > 0 {
			took := 0
			for r := len(repeats) - 1; r >= 0 && took == 0; r-- {
				if repeat := repeats[r]; use&(1<<r) != 0 && (r == 0) == (value != 0) && n >= repeat.least {
					took = min(n, repeat.most)
					if rest := n - took; rest > 0 && rest < repeat.least && took-repeat.least >= repeat.least-rest && r == 0 {
						took -= repeat.least - rest // leaves a run that is long enough
					}
					add(item{repeat.symbol, took - repeat.least, repeat.extra})
				}
			}
			if took == 0 {
				add(item{symbol: int(value)})
				took = 1
			}
			n -= took
		}
	}
	bits := codeLengths(counts, 7)
	code := codes(bits)
	told := len(order)
	for told > 4 && bits[order[told-1]] == 0 {
		told--
	}
	pieces := []uint16{uint16(told-4)<<4 | 4}
	for _, symbol := range order[:told] {
		pieces = append(pieces, uint16(bits[symbol])<<4|3)
	}
	for _, i := range items {
		pieces = append(pieces, uint16(code[i.symbol])<<4|uint16(bits[i.symbol]))
		if i.bits > 0 {
			pieces = append(pieces, uint16(i.extra)<<4|uint16(i.bits))
		}
	}
	return pieces
}
