//go:build linux

package agent

import (
	"context"
	"slices"
	"strings"
	"testing"

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
			p := &Panel{Yellow: lights["yellow"], Green: lights["green"], clock: clock, queue: make(chan []step, 16), failed: func(err error) { t.Error(err) }}
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
