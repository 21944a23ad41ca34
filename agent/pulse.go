package agent

import (
	"context"
	"sync"
	"time"
)

// pulse says whether the routine is at work, and when it last went on.
type pulse struct {
	mu      sync.Mutex
	working bool
	last    time.Time
}

// stuck is how long the routine may be at work without any sign of going on. Every wait in it is bounded far below:
// a silent server's, a try's, a download's next byte.
const stuck = 15 * time.Minute

// goesOn notes that the routine goes on: at work on a round, or waiting for the next.
func (a *Agent) goesOn(working bool) {
	a.pulse.mu.Lock()
	defer a.pulse.mu.Unlock()
	a.pulse.working, a.pulse.last = working, a.Clock.Now()
}

// Progress notes that a round goes on: bytes arrive, another network is tried.
func (a *Agent) Progress() { a.goesOn(true) }

// isAlive reports whether the routine goes on, or has nothing to do.
func (a *Agent) isAlive() bool {
	a.pulse.mu.Lock()
	defer a.pulse.mu.Unlock()
	return !a.pulse.working || a.Clock.Now().Sub(a.pulse.last) < stuck
}

// beat tells the watchdog that the agent lives, for as long as the routine goes on.
func (a *Agent) beat(ctx context.Context) {
	if a.Alive == nil || a.Beat <= 0 {
		return
	}
	for {
		if a.isAlive() {
			a.Alive()
		}
		select {
		case <-ctx.Done():
			return
		case <-a.Clock.After(a.Beat):
		}
	}
}
