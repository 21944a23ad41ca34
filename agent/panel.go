package agent

import (
	"cmp"
	"context"
	"sync"
	"time"
)

// Panel is the two LEDs, with the law of the earlier system: yellow is on from the start, off when the routine ended well,
// and on while the network or the update fails. Green blinks twice after an update, and once when nothing was new.
// A roll back is yellow and green in turn, three times.
type Panel struct {
	Yellow, Green Light // nil where there is none
	clock         Clock
	failed        func(error)   // told of an LED that cannot be set, once for each
	wake          chan struct{} // holds one token when there is something to show

	mu      sync.Mutex
	waiting [][]step
	missed  step // what the patterns left that were left out
}

// maxWaiting bounds the patterns that wait: those of some five rounds.
const maxWaiting = 16

// step is what both LEDs show for a while. A nil LED is left as it is.
type step struct {
	yellow, green *bool
	lasts         time.Duration
}

// blink is how long an LED is on or off in a pattern: what the earlier system took.
const blink = time.Second

// quick is the same for a roll back, so that it looks like nothing else.
const quick = 200 * time.Millisecond

var on, off = true, false

// The patterns.
var (
	working    = []step{{yellow: &on}}
	settled    = []step{{yellow: &off}}
	updated    = []step{{green: &on, lasts: blink}, {green: &off, lasts: blink}, {green: &on, lasts: blink}, {green: &off}}
	nothingNew = []step{{green: &on, lasts: blink}, {green: &off}}
	wentBack   = []step{
		{yellow: &on, green: &off, lasts: quick}, {yellow: &off, green: &on, lasts: quick},
		{yellow: &on, green: &off, lasts: quick}, {yellow: &off, green: &on, lasts: quick},
		{yellow: &on, green: &off, lasts: quick}, {yellow: &off, green: &on, lasts: quick}, {yellow: &off, green: &off},
	}
)

// show queues patterns: nothing waits for an LED. Where rounds come faster than the LEDs can show them, the oldest patterns are left
// out, and only what they would have left is shown: so the LEDs are never further behind than maxWaiting patterns, the last of them
// is shown, and how the LEDs stand in the end is the same.
func (p *Panel) show(patterns ...[]step) {
	p.mu.Lock()
	p.waiting = append(p.waiting, patterns...)
	for len(p.waiting) > maxWaiting {
		for _, s := range p.waiting[0] {
			p.missed.yellow, p.missed.green = cmp.Or(s.yellow, p.missed.yellow), cmp.Or(s.green, p.missed.green)
		}
		p.waiting = p.waiting[1:]
	}
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// next takes the oldest pattern that waits, after what those before it left; nil where none does.
func (p *Panel) next() (pattern []step) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 {
		return nil
	}
	pattern = p.waiting[0]
	if p.missed != (step{}) {
		pattern = append([]step{p.missed}, pattern...)
		p.missed = step{}
	}
	p.waiting = p.waiting[1:]
	return pattern
}

// run shows what is queued, until ctx ends.
func (p *Panel) run(ctx context.Context) {
	broken := map[Light]bool{}
	set := func(l Light, on *bool) {
		if l == nil || on == nil || broken[l] {
			return
		}
		if err := l.Set(*on); err != nil {
			broken[l] = true
			p.failed(err)
		}
	}
	for {
		pattern := p.next()
		if pattern == nil {
			select {
			case <-ctx.Done():
				return
			case <-p.wake:
				continue
			}
		}
		for _, s := range pattern {
			set(p.Yellow, s.yellow)
			set(p.Green, s.green)
			if s.lasts == 0 || p.Yellow == nil && p.Green == nil {
				continue
			}
			select {
			case <-ctx.Done():
				return
			case <-p.clock.After(s.lasts):
			}
		}
	}
}
