package agent

import (
	"context"
	"time"
)

// Panel is the two LEDs, with the law of the earlier system: yellow is on from the start, off when the routine ended well,
// and on while the network or the update fails. Green blinks twice after an update, and once when nothing was new.
// A roll back is yellow and green in turn, three times.
type Panel struct {
	Yellow, Green Light // nil where there is none
	clock         Clock
	queue         chan []step
	failed        func(error) // told of an LED that cannot be set, once for each
}

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

// show queues patterns. A panel that is far behind leaves some out: nothing waits for an LED.
func (p *Panel) show(patterns ...[]step) {
	for _, pattern := range patterns {
		select {
		case p.queue <- pattern:
		default:
		}
	}
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
		select {
		case <-ctx.Done():
			return
		case pattern := <-p.queue:
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
}
