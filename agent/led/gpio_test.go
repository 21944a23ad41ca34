//go:build linux

package led

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/warthog618/go-gpiocdev"

	"moult/fault"
)

// The kernel's GPIO simulator needs a module that a machine in a container does not have, and gpiocdev asks /sys whether a device is
// a GPIO chip, so that none can be put in its place. Here a line that remembers stands for gpiocdev's; that a request reaches
// a real chip is not tested, only what becomes of its refusal.

type fakeLine struct {
	levels []int
	err    error
}

func (f *fakeLine) SetValue(value int) error { f.levels = append(f.levels, value); return f.err }
func (f *fakeLine) Close() error             { f.levels = append(f.levels, -1); return f.err }

var _ = line{held: (*gpiocdev.Line)(nil)} // the real one fits

func TestLine(t *testing.T) {
	for _, test := range []struct {
		name      string
		activeLow bool
		want      []int // -1: released
	}{
		{"active high", false, []int{1, 0, 1, -1}},
		{"active low", true, []int{0, 1, 0, -1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			held := &fakeLine{}
			l := &Light{name: "gpiochip0/18", activeLow: test.activeLow, output: &line{held}}
			for _, on := range []bool{true, false, true} {
				must(t, l.Set(on))
			}
			must(t, l.Close())
			must(t, l.Close())
			if !slices.Equal(held.levels, test.want) {
				t.Errorf("levels: got %v, want %v", held.levels, test.want)
			}
		})
	}
}

func TestLineFails(t *testing.T) {
	l := &Light{name: "gpiochip0/18", output: &line{&fakeLine{err: syscall.EIO}}}
	if err := l.Set(true); !errors.Is(err, syscall.EIO) || !strings.HasPrefix(err.Error(), `set led "gpiochip0/18": `) {
		t.Errorf("set: got %v, want what was done and %v", err, syscall.EIO)
	}
	if err := l.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("close: got %v, want %v", err, syscall.EIO)
	}
}

func TestExplainLine(t *testing.T) {
	for _, test := range []struct {
		name           string
		err            error
		want, wantHint string
	}{
		{"another has it", syscall.EBUSY, "/dev/gpiochip0 line 18: request: device or resource busy", "gpioinfo gpiochip0"},
		{"not allowed", syscall.EACCES, "/dev/gpiochip0 line 18: request: permission denied", "run as root"},
		{"gone", syscall.ENODEV, "/dev/gpiochip0 line 18: request: no such device", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := explainLine("/dev", "gpiochip0", 18, fmt.Errorf("request: %w", test.err))
			if !errors.Is(err, test.err) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %v as %q", err, test.err, test.want)
			}
			if got := fault.HintOf(err); !strings.Contains(got, test.wantHint) || got != "" && test.wantHint == "" {
				t.Errorf("hint: got %q, want one with %q", got, test.wantHint)
			}
		})
	}
}
