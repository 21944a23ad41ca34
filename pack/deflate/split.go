package deflate

// minBlock is the fewest tokens of a block: fewer do not pay for a header.
const minBlock = 64

// split parts tokens where that makes the blocks together shorter.
func split(tokens []token) [][]token {
	if at := where(tokens); at > 0 {
		return append(split(tokens[:at]), split(tokens[at:])...)
	}
	return [][]token{tokens}
}

// where returns the best place to part tokens in two, 0 where they are better left whole.
// It tries some places, and then some nearer to the best of them.
func where(tokens []token) int {
	const places = 9
	all := count(tokens)
	at, least := 0, estimate(all)
	for from, to := minBlock, len(tokens)-minBlock; from < to; {
		step := max(1, (to-from)/(places+1))
		left, counted := new(histogram), 0
		left.literal[endBlock] = 1
		for i := from; i <= to; i += step {
			left.count(tokens[counted:i])
			counted = i
			if size := estimate(left) + estimate(all.without(left)); size < least {
				at, least = i, size
			}
		}
		if at == 0 || step <= minBlock/2 {
			break
		}
		from, to = max(minBlock, at-step), min(len(tokens)-minBlock, at+step)
	}
	return at
}
