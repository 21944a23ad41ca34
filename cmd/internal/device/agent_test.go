package device

import (
	"testing"
	"time"

	"moult/agent"
	"moult/update"
)

// asked is a clock that counts how often it was looked at.
type asked struct {
	wallClock
	times int
}

func (a *asked) Now() time.Time { a.times++; return time.Time{} }

// TestDownloadIsASignOfLife: the bytes of a download feed the watchdog, and what may come from a hang's neighbour does not.
func TestDownloadIsASignOfLife(t *testing.T) {
	for kind, want := range map[update.Kind]int{update.Progress: 1, update.Checked: 0, update.Confirmed: 0, update.Failed: 0} {
		clock := &asked{}
		w := &wiring{agent: &agent.Agent{Clock: clock}, opt: AgentOptions{Tell: func(update.Event) {}}}
		w.tell(update.Event{Kind: kind, Module: "irrigation"})
		if clock.times != want {
			t.Errorf("%s: got %d signs of life, want %d", kind, clock.times, want)
		}
	}
}
