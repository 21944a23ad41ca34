package deflate

import (
	"math"
	"slices"
)

// model is what symbols cost, in 1/64 bits.
type model struct {
	literal  [256]int32
	length   [maxMatch + 1]int32 // with what follows the symbol
	distance [distances]int32    // the same
}

const unit = 64

// learn takes the costs from a block that was tried. What does not occur costs as if it occurred a half time.
func (m *model) learn(h *histogram) {
	cost := func(counts []int) func(symbol int) float64 {
		total := 0
		for _, n := range counts {
			total += n
		}
		all := math.Log2(float64(max(total, 1)))
		return func(symbol int) float64 {
			if counts[symbol] == 0 {
				return all + 1
			}
			return all - math.Log2(float64(counts[symbol]))
		}
	}
	literal, distance := cost(h.literal[:]), cost(h.distance[:])
	for i := range m.literal {
		m.literal[i] = int32(literal(i) * unit)
	}
	for n := minMatch; n <= maxMatch; n++ {
		symbol, extra := lengthSymbol(n)
		m.length[n] = int32((literal(symbol) + float64(extra)) * unit)
	}
	for i := range m.distance {
		m.distance[i] = int32((distance(i) + float64(max(0, i/2-1))) * unit)
	}
}

// parser finds the tokens of a chunk.
type parser struct {
	buf     []byte
	start   int // of the chunk in buf
	finder  finder
	matches []token // of all places, each place's longer and further
	begins  []int   // where a place's begin, and the last's end
	model   model
	cost    []int32
	choice  []token
}

// load looks for the matches of a chunk.
func (p *parser) load(buf []byte, start, window int) {
	p.buf, p.start = buf, start
	p.finder.reset(buf, start, window)
	p.matches, p.begins = p.matches[:0], p.begins[:0]
	for at := start; at < len(buf); at++ {
		p.begins = append(p.begins, len(p.matches))
		p.matches = p.finder.find(p.matches, at)
	}
	p.begins = append(p.begins, len(p.matches))
}

// parse appends the cheapest tokens of a part of the buffer, as far as the model knows.
func (p *parser) parse(tokens []token, from, to int) []token {
	n := to - from
	p.cost = slices.Grow(p.cost[:0], n+1)[:n+1]
	p.choice = slices.Grow(p.choice[:0], n+1)[:n+1]
	cost, choice, m := p.cost, p.choice, &p.model
	for i := range cost {
		cost[i] = math.MaxInt32
	}
	cost[0] = 0
	for i := range n {
		b := p.buf[from+i]
		if c := cost[i] + m.literal[b]; c < cost[i+1] {
			cost[i+1], choice[i+1] = c, token{distance: uint16(b)}
		}
		place := from + i - p.start
		shortest := minMatch
		for _, t := range p.matches[p.begins[place]:p.begins[place+1]] {
			symbol, _ := distanceSymbol(int(t.distance))
			base := cost[i] + m.distance[symbol]
			longest := min(int(t.length), n-i)
			if longest == maxMatch {
				shortest = maxMatch // a run: shorter ones would only take time
			}
			for l := shortest; l <= longest; l++ {
				if c := base + m.length[l]; c < cost[i+l] {
					cost[i+l], choice[i+l] = c, token{uint16(l), t.distance}
				}
			}
			shortest = longest + 1
		}
	}
	first := len(tokens)
	for i := n; i > 0; {
		t := choice[i]
		tokens = append(tokens, t)
		i -= max(1, int(t.length))
	}
	slices.Reverse(tokens[first:])
	return tokens
}

// improve tries a part again and again with what the attempt before taught, and returns the best, which is not longer than tokens.
func (p *parser) improve(tokens []token, from, to, rounds int) []token {
	h := count(tokens)
	least := estimate(h)
	var attempt []token
	stale := 0
	for range rounds {
		p.model.learn(h)
		attempt = p.parse(attempt[:0], from, to)
		h = count(attempt)
		if size := estimate(h); size < least {
			tokens, attempt, least = attempt, nil, size
			stale = 0
		} else if stale++; stale > 1 {
			break
		}
	}
	return tokens
}

// blocks parts the chunk into blocks. There is at least one.
func (p *parser) blocks(rounds int) []block {
	from, to := p.start, len(p.buf)
	p.model.learn(p.prior())
	tokens := p.parse(nil, from, to)
	tokens = p.improve(tokens, from, to, rounds/3+1)
	var out []block
	for _, part := range split(tokens) {
		end := from
		for _, t := range part {
			end += max(1, int(t.length))
		}
		out = append(out, block{from, end, p.improve(part, from, end, rounds)})
		from = end
	}
	return out
}

// prior is what is assumed of a chunk before the first attempt: its literals, and few matches, mostly short.
func (p *parser) prior() *histogram {
	h := new(histogram)
	for _, b := range p.buf[p.start:] {
		h.literal[b]++
	}
	n := len(p.buf) - p.start
	for i := 257; i < literals; i++ {
		h.literal[i] = n/(8*(i-256)) + 1
	}
	for i := range h.distance {
		h.distance[i] = 1
	}
	return h
}
