package disktest

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// Loss says what a power cut takes of what was written but not synced.
type Loss string

// The losses. POSIX promises nothing of what was not synced, so that a device must live with each of them.
const (
	LoseNothing  Loss = "clean"    // every operation that returned is on the disk
	LoseUnsynced Loss = "unsynced" // nothing of what was not synced is
	LoseBytes    Loss = "torn"     // the names are, of unsynced bytes one half
	LoseSome     Loss = "mixed"    // of each folder's and file's unsynced changes the first few, by chance
)

// Losses lists them all.
var Losses = []Loss{LoseNothing, LoseUnsynced, LoseBytes, LoseSome}

// Crash returns the disk as it is found after a power cut now, everything on it durable. The disk itself is not changed.
// The seed decides what LoseSome loses.
func (d *Disk) Crash(loss Loss, seed uint64) *Disk {
	c := &crash{loss: loss, chance: rand.New(rand.NewPCG(seed, uint64(d.ops))), done: map[*node]*node{}}
	after := New()
	after.NoExchange, after.NoLinks, after.Space = d.NoExchange, d.NoLinks, d.Space
	after.root = c.node(d.root)
	return after
}

// Copy returns the disk as it stands, everything on it durable.
func (d *Disk) Copy() *Disk { return d.Crash(LoseNothing, 0) }

type crash struct {
	loss   Loss
	chance *rand.Rand
	done   map[*node]*node // two names of one file stay so
}

func (c *crash) node(n *node) *node {
	if to := c.done[n]; to != nil {
		return to
	}
	to := &node{mode: n.mode}
	c.done[n] = to
	if !n.mode.IsDir() {
		to.data = c.bytes(n)
		to.safe, to.synced = to.data, true
		return to
	}
	to.entries, to.durable = map[string]*node{}, map[string]*node{}
	entries := c.entries(n)
	for _, name := range slices.Sorted(maps.Keys(entries)) { // in order, so that a seed means the same every time
		to.entries[name] = c.node(entries[name])
		to.durable[name] = to.entries[name]
	}
	return to
}

func (c *crash) bytes(n *node) []byte {
	if c.loss == LoseNothing || n.synced && len(n.safe) == len(n.data) {
		return n.data
	}
	unsynced := len(n.data) - len(n.safe)
	switch c.loss {
	case LoseUnsynced:
		unsynced = 0
	case LoseBytes:
		unsynced /= 2
	case LoseSome:
		unsynced = c.chance.IntN(unsynced + 1)
	}
	return n.data[:len(n.safe)+unsynced]
}

func (c *crash) entries(n *node) map[string]*node {
	keep := len(n.pending)
	switch c.loss {
	case LoseUnsynced:
		keep = 0
	case LoseSome:
		keep = c.chance.IntN(len(n.pending) + 1)
	}
	if keep == len(n.pending) {
		return n.entries
	}
	entries := map[string]*node{}
	set(entries, n.durable)
	for _, change := range n.pending[:keep] {
		set(entries, change)
	}
	return entries
}
