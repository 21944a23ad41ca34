package repository

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Lifetime is how long metadata is good for, written in days ("365d") or as Go writes durations ("36h").
type Lifetime time.Duration

// ParseLifetime reads a lifetime.
func ParseLifetime(text string) (Lifetime, error) {
	if days, isDays := strings.CutSuffix(text, "d"); isDays {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("got %q, want days such as 30d, or hours such as 12h", text)
		}
		return Lifetime(n) * day, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("got %q, want days such as 30d, or hours such as 12h", text)
	}
	return Lifetime(d), nil
}

// String writes whole days as days.
func (l Lifetime) String() string {
	if l%day == 0 {
		return strconv.FormatInt(int64(l/day), 10) + "d"
	}
	return time.Duration(l).String()
}

// Set reads a flag's value.
func (l *Lifetime) Set(text string) (err error) {
	*l, err = ParseLifetime(text)
	return err
}

// Type is what a flag's help calls the value.
func (l *Lifetime) Type() string { return "time" }

// MarshalText writes what ParseLifetime reads.
func (l Lifetime) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads it.
func (l *Lifetime) UnmarshalText(text []byte) error { return l.Set(string(text)) }
