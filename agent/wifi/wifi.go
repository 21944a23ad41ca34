// Package wifi brings a Linux device online through NetworkManager, over D-Bus.
//
// The passwords are in its care: none is in an error, and one that a network refuses takes no working one's place.
// It stands on fault, and on godbus.
package wifi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"moult/clock"
	"moult/fault"
)

// Network is a Wi-Fi network that the device may join.
type Network struct {
	SSID     string
	Password string // of WPA personal; "" for an open network, or one that NetworkManager has the password of
}

// String is the network without its password.
func (n Network) String() string { return n.SSID }

// GoString is what %#v prints.
func (n Network) GoString() string { return fmt.Sprintf("%q", n.SSID) }

// Options are what a Manager is made of; the zero Options are good ones.
type Options struct {
	Address string        // of the D-Bus; "": the system's
	Tries   int           // of each network; 0: 10, as earlier updaters
	Within  time.Duration // of one activation; 0: 45 s, what a slow association and DHCP take together
	Pause   time.Duration // after all networks failed once; 0: 5 s, in which NetworkManager scans anew

	Trying func() // called before each try of a network; may be nil

	// What a test controls; each may be nil.
	Sleep func(context.Context, time.Duration) error    // between two tries
	After func(d time.Duration, f func()) (stop func()) // calls f after d unless stopped
}

// Manager speaks to NetworkManager. It keeps no connection between two calls.
type Manager struct {
	opt Options
}

// New returns a Manager with opt.
func New(opt Options) *Manager {
	if opt.Tries == 0 {
		opt.Tries = 10
	}
	if opt.Within == 0 {
		opt.Within = 45 * time.Second
	}
	if opt.Pause == 0 {
		opt.Pause = 5 * time.Second
	}
	if opt.Trying == nil {
		opt.Trying = func() {}
	}
	if opt.Sleep == nil {
		opt.Sleep = clock.Sleep
	}
	if opt.After == nil {
		opt.After = func(d time.Duration, f func()) func() { t := time.AfterFunc(d, f); return func() { t.Stop() } }
	}
	return &Manager{opt}
}

// Connect brings the device online. Where NetworkManager says that it is, at once: ssid is then the network that it is on, "" where it is a cable.
// Else each network is tried in its order, and all again up to Tries times; one whose password is wrong only once.
//
// An error is transient where trying again may help: a network out of range, NetworkManager not running yet. It is final
// where a person must act: every password refused, no Wi-Fi device, no permission.
func (m *Manager) Connect(ctx context.Context, networks []Network) (ssid string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("connect to wi-fi: %w", err)
		}
	}()
	s, err := dial(ctx, m.opt)
	if err != nil {
		return "", err
	}
	defer s.close()

	failed := make([]error, len(networks)) // each network's last
	for try := range m.opt.Tries {
		if try > 0 {
			if err := m.opt.Sleep(ctx, m.opt.Pause); err != nil {
				return "", joined(append(failed, err))
			}
		}
		if ssid, online, err := s.online(ctx); err != nil || online {
			return ssid, err
		}
		if len(networks) == 0 {
			return "", fault.Transient(errors.New("got no networks, and NetworkManager is not connected"))
		}
		radio, err := s.radio(ctx)
		if err != nil {
			return "", err
		}
		for i, n := range networks {
			if failed[i] != nil && !fault.IsTransient(failed[i]) {
				continue
			}
			m.opt.Trying()
			err := s.join(ctx, radio, n)
			if err == nil {
				return n.SSID, nil
			}
			failed[i] = fmt.Errorf("network %q: %w", n.SSID, err)
			if ctx.Err() != nil {
				return "", failed[i]
			}
		}
		if !slices.ContainsFunc(failed, fault.IsTransient) {
			break
		}
	}
	return "", joined(failed)
}

// joined is all errors on one line.
func joined(errs []error) error {
	var all error
	for _, err := range errs {
		if all == nil {
			all = err
		} else if err != nil {
			all = fmt.Errorf("%w; %w", all, err)
		}
	}
	return all
}
