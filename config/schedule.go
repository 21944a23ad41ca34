package config

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Check says when the device looks for updates.
type Check struct {
	On      string        // OnPowerOn or OnStart
	Every   time.Duration // and then again after this time; 0 for not
	Window  *Window       // updates are installed only within; nil for at any time
	Restart *Clock        // the device restarts itself once a day; nil for not
}

// When a device looks for updates first.
const (
	OnPowerOn = "power-on" // after power came on, not after a restart of its own
	OnStart   = "start"    // after every start
)

// Clock is a time of day, in minutes after midnight.
type Clock int

// String returns the time as 02:00.
func (c Clock) String() string { return fmt.Sprintf("%02d:%02d", int(c)/60, int(c)%60) }

// Window is a part of each day, which may go over midnight.
type Window struct {
	From, To Clock // From is in it, To not
}

// String returns the window as 02:00-04:00.
func (w Window) String() string { return w.From.String() + "-" + w.To.String() }

// Contains reports whether a time is in the window, by the clock of its own location.
func (w Window) Contains(t time.Time) bool {
	now := Clock(t.Hour()*60 + t.Minute())
	if w.From < w.To {
		return w.From <= now && now < w.To
	}
	return w.From <= now || now < w.To
}

func (n node) check() Check {
	c := Check{On: OnStart}
	n.object(keys{
		"on":      func(v node) { c.On = v.choice(OnPowerOn, OnStart) },
		"every":   func(v node) { c.Every = v.duration() },
		"window":  func(v node) { c.Window = v.window() },
		"restart": func(v node) { c.Restart = v.clock() },
	})
	return c
}

var clockForm = regexp.MustCompile(`^([01]?[0-9]|2[0-3]):([0-5][0-9])$`)

// ParseClock reads a time of day such as 02:00.
func ParseClock(text string) (Clock, error) {
	form := clockForm.FindStringSubmatch(text)
	if form == nil {
		return 0, fmt.Errorf(`got %s, want a time of day from "00:00" to "23:59"`, shown(text))
	}
	number := func(digits string) (n int) {
		for _, d := range digits {
			n = 10*n + int(d-'0')
		}
		return n
	}
	return Clock(number(form[1])*60 + number(form[2])), nil
}

func (n node) clock() *Clock {
	var c Clock
	if n.checked(func(text string) (err error) { c, err = ParseClock(text); return err }) == "" {
		return nil
	}
	return &c
}

// ParseWindow reads a part of each day such as 02:00-04:00.
func ParseWindow(text string) (Window, error) {
	from, to, _ := strings.Cut(text, "-")
	f, errFrom := ParseClock(strings.TrimSpace(from))
	t, errTo := ParseClock(strings.TrimSpace(to))
	if errFrom != nil || errTo != nil || f == t {
		return Window{}, fmt.Errorf(`got %s, want two times of day such as "02:00-04:00"`, shown(text))
	}
	return Window{f, t}, nil
}

func (n node) window() *Window {
	var w Window
	if n.checked(func(text string) (err error) { w, err = ParseWindow(text); return err }) == "" {
		return nil
	}
	return &w
}

func (n node) timezone() *time.Location {
	var zone *time.Location
	n.checked(func(text string) (err error) {
		if zone, err = time.LoadLocation(text); err != nil {
			return fmt.Errorf("got %s, want a name of the time zone database such as \"America/Sao_Paulo\"; is the system's package tzdata installed?", shown(text))
		}
		return nil
	})
	return zone
}
