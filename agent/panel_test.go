//go:build linux

package agent

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"moult/agent/led"
	"moult/agent/led/ledtest"
)

// TestPatterns shows each pattern as the kernel's files saw it: what was written to the brightness of each LED, in order.
func TestPatterns(t *testing.T) {
	tests := []struct {
		name          string
		show          [][]step
		yellow, green string
	}{
		{"from the start", [][]step{working}, "255", ""},
		{"nothing new", [][]step{working, settled, nothingNew}, "255 0", "255 0"},
		{"updated", [][]step{working, settled, updated}, "255 0", "255 0 255 0"},
		{"failed: yellow stays on", [][]step{working, working}, "255 255", ""},
		{"rolled back", [][]step{working, wentBack}, "255 255 0 255 0 255 0 0", "0 255 0 255 0 255 0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			class := ledtest.New(t)
			lights := map[string]*led.Light{}
			for _, name := range []string{"yellow", "green"} {
				class.Add(name, "none [mmc0]")
				light, err := led.Open(name, led.Options{Sys: class.Dir})
				if err != nil {
					t.Fatal(err)
				}
				defer light.Close()
				class.Writes(name) // an LED that was opened is off
				lights[name] = light
			}
			clock := clockAt("2026-01-01 12:00:00")
			p := &Panel{Yellow: lights["yellow"], Green: lights["green"], clock: clock, wake: make(chan struct{}, 1), failed: func(err error) { t.Error(err) }}
			ended := make(chan struct{})
			p.show(test.show...)
			p.show([]step{{lasts: 1}}) // once this waits, all before it was shown
			waits := 1
			for _, pattern := range test.show {
				for _, s := range pattern {
					if s.lasts > 0 {
						waits++
					}
				}
			}
			ctx, stop := context.WithCancel(t.Context())
			go func() { p.run(ctx); close(ended) }()
			for range waits - 1 {
				clock.toNext()
			}
			<-clock.waits
			stop()
			<-ended
			for name, want := range map[string]string{"yellow": test.yellow, "green": test.green} {
				if got := class.Writes(name); !slices.Equal(got, strings.Fields(want)) {
					t.Errorf("%s: got %v, want %s", name, got, want)
				}
			}
		})
	}
}

// noted is an LED that notes how it was set.
type noted struct{ states []bool }

func (n *noted) Set(on bool) error { n.states = append(n.states, on); return nil }

// TestPanelFarBehind shows more than there is time for: the last patterns are shown, and the LEDs stand in the end as they would
// have with nothing left out.
func TestPanelFarBehind(t *testing.T) {
	rounds := slices.Repeat([][]step{working, settled, nothingNew}, 100)
	blinks := slices.Repeat([][]step{nothingNew}, 100)
	tests := []struct {
		name   string
		show   [][]step
		yellow bool // in the end
		green  string
	}{
		{"a round that went well, and blinks", append([][]step{working, settled}, blinks...), false, "10 10 10"},
		{"a failure, and blinks", append([][]step{settled, working}, blinks...), true, "10 10 10"},
		{"many rounds", rounds, false, "10 10 10"},
		{"a roll back at last", append(slices.Clone(rounds), wentBack), false, "0101010"},
		{"an update at last", append(slices.Clone(rounds), settled, updated), false, "10 1010"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			yellow, green := &noted{}, &noted{}
			shown := make(chan struct{})
			clock := &bells{rings: func(d time.Duration) bool {
				if d == time.Hour {
					close(shown)
				}
				return d != time.Hour
			}}
			p := &Panel{Yellow: yellow, Green: green, clock: clock, wake: make(chan struct{}, 1)}
			p.show(test.show...)
			p.show([]step{{lasts: time.Hour}}) // all before it is shown once this is
			go p.run(t.Context())
			select {
			case <-shown:
			case <-time.After(20 * time.Second): // a net under a panel that never shows it
				t.Fatal("the last pattern was not shown")
			}
			if last := yellow.states[len(yellow.states)-1]; last != test.yellow {
				t.Errorf("yellow: got %v in the end, want %v", last, test.yellow)
			}
			text := ""
			for _, on := range green.states {
				text += map[bool]string{true: "1", false: "0"}[on]
			}
			if want := strings.ReplaceAll(test.green, " ", ""); !strings.HasSuffix(text, want) {
				t.Errorf("green: got %s, want it to end in %s", text, want)
			}
			if len(text) > 4*maxWaiting {
				t.Errorf("green: got it set %d times, want few", len(text))
			}
		})
	}
}
