package deflate

import (
	"math/bits"
	"slices"
)

// codeLengths returns the lengths in bits of a Huffman code for symbols that occur so often; 0 for one that does not occur.
// None is longer than limit: counts that differ too much are brought nearer to each other until it fits.
func codeLengths(counts []int, limit int) []uint8 {
	counts = slices.Clone(counts)
	for {
		lengths := huffman(counts)
		if int(slices.Max(lengths)) <= limit {
			return lengths
		}
		for i, n := range counts {
			if n > 0 {
				counts[i] = n/2 + 1
			}
		}
	}
}

const (
	symbolBits = 9
	symbolMask = 1<<symbolBits - 1
)

// huffman builds the tree from two queues, of leaves by their count and of nodes, which come in order by themselves.
func huffman(counts []int) []uint8 {
	lengths := make([]uint8, len(counts))
	leaves := make([]int, 0, len(counts)) // the count, and the symbol
	for symbol, n := range counts {
		if n > 0 {
			leaves = append(leaves, n<<symbolBits|symbol)
		}
	}
	slices.Sort(leaves)
	if len(leaves) == 1 {
		lengths[leaves[0]&symbolMask] = 1
	}
	if len(leaves) < 2 {
		return lengths
	}
	weight := make([]int, 0, 2*len(leaves)) // of leaves, then of nodes
	for _, l := range leaves {
		weight = append(weight, l>>symbolBits)
	}
	parent := make([]int, 2*len(leaves)-1)
	leaf, node := 0, len(leaves)
	least := func() int {
		if leaf < len(leaves) && (node == len(weight) || weight[leaf] <= weight[node]) {
			leaf++
			return leaf - 1
		}
		node++
		return node - 1
	}
	for range len(leaves) - 1 {
		a, b := least(), least()
		parent[a], parent[b] = len(weight), len(weight)
		weight = append(weight, weight[a]+weight[b])
	}
	depth := make([]uint8, len(weight))
	for i := len(weight) - 2; i >= 0; i-- {
		depth[i] = depth[parent[i]] + 1
		if i < len(leaves) {
			lengths[leaves[i]&symbolMask] = depth[i]
		}
	}
	return lengths
}

// codes returns the code of each symbol, its first bit lowest (RFC 1951, 3.2.2).
func codes(lengths []uint8) []uint32 {
	var next [17]uint32
	for _, n := range lengths {
		if n > 0 {
			next[n+1]++
		}
	}
	for n := 1; n < len(next); n++ {
		next[n] = (next[n-1] + next[n]) << 1 // codes of n bits begin behind those of n-1
	}
	out := make([]uint32, len(lengths))
	for symbol, n := range lengths {
		if n > 0 {
			out[symbol] = bits.Reverse32(next[n]) >> (32 - n)
			next[n]++
		}
	}
	return out
}
