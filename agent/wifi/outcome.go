package wifi

import (
	"context"
	"errors"
	"fmt"

	"github.com/godbus/dbus/v5"

	"moult/fault"
)

// NMActiveConnectionState, and the reasons of it that speak of a password.
const (
	activeActivated   = 2
	activeDeactivated = 4

	activeNoSecrets   = 9
	activeLoginFailed = 10
)

// NMDeviceStateReason.
const (
	reasonNoSecrets            = 7
	reasonSupplicantDisconnect = 8
	reasonSupplicantTimeout    = 11
	reasonNewActivation        = 60
)

// reasons are NMDeviceStateReason in words, those that a person can do something with.
var reasons = map[uint32]string{
	5:                          "got no address from the network",
	reasonSupplicantDisconnect: "the network broke off",
	9:                          "the network's kind of security does not work here",
	10:                         "the network did not let the device in",
	reasonSupplicantTimeout:    "the network did not answer in time",
	15:                         "got no address: DHCP did not start",
	16:                         "got no address: DHCP broke off",
	17:                         "got no address: DHCP had no answer",
	35:                         "the Wi-Fi device lacks its firmware",
	36:                         "the Wi-Fi device was taken out",
	37:                         "the device is going to sleep",
	38:                         "the connection was deleted meanwhile",
	39:                         "someone disconnected it meanwhile",
	53:                         "no such network in range",
	reasonNewActivation:        "another network was chosen meanwhile",
}

// outcome is what the signals of an activation come to. NetworkManager says what became of it on the active connection and, with the
// better reasons, on the device, in no order that is promised:
//
//	the active connection is activated                        connected
//	the device fails                                          not, for the device's reason
//	the device goes down, but not from an earlier failure
//	and not to make way for the activation                    not, for the device's reason
//	the active connection is deactivated                      not, once the device has failed or gone down
//
// A wrong password shows as a device that needs authentication because the other side broke off, and then fails for want of another. One that
// needs it because the other side did not answer may be too far away just as well.
type outcome struct {
	active, device dbus.ObjectPath
	since          dbus.Sequence // what came before is of another activation

	asked uint32 // why the password was asked for again; 0: it was not
	down  bool   // the device has gone down
	ended bool   // the active connection has
}

// await waits for what comes of an activation.
func (s *session) await(ctx context.Context, o *outcome, n Network) error {
	late := make(chan struct{})
	defer s.opt.After(s.opt.Within, func() { close(late) })()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-late:
			return s.late(ctx, o, n)
		case signal, ok := <-s.signals:
			if !ok {
				return fault.Transient(errors.New("the D-Bus went away"))
			}
			if done, err := o.see(signal, n); done {
				return err
			}
		}
	}
}

// late says why an activation did not end in time. One that still asks for another password does so of someone at a screen.
func (s *session) late(ctx context.Context, o *outcome, n Network) error {
	var now struct{ State, Reason uint32 }
	if err := s.get(ctx, o.device, service+".Device", "StateReason", &now); err == nil &&
		now.State == deviceNeedAuth && now.Reason == reasonSupplicantDisconnect {
		return wrongPassword(n)
	}
	return fault.Transient(fmt.Errorf("not connected within %v", s.opt.Within))
}

// see takes in a signal, and reports whether it is the last that is needed.
func (o *outcome) see(signal *dbus.Signal, n Network) (done bool, err error) {
	if signal.Sequence < o.since {
		return false, nil
	}
	var state, old, reason uint32
	switch {
	case signal.Path == o.active && dbus.Store(signal.Body, &state, &reason) == nil:
		switch {
		case state == activeActivated:
			return true, nil
		case state == activeDeactivated && (reason == activeNoSecrets || reason == activeLoginFailed):
			return true, o.failure(reasonNoSecrets, n)
		case state == activeDeactivated && o.down:
			return true, o.failure(reasonNewActivation, n)
		case state == activeDeactivated:
			o.ended = true
		}
	case signal.Path == o.device && dbus.Store(signal.Body, &state, &old, &reason) == nil:
		o.down = state <= deviceDisconnected
		switch {
		case state == deviceNeedAuth:
			o.asked = reason
		case state == deviceFailed, o.down && (o.ended || reason != reasonNewActivation && old != deviceFailed):
			return true, o.failure(reason, n)
		}
	}
	return false, nil
}

func (o *outcome) failure(reason uint32, n Network) error {
	if reason == reasonNoSecrets {
		if o.asked == reasonSupplicantTimeout {
			return fault.Transient(errors.New("the network did not answer in time: it is too far away, or the password is wrong"))
		}
		return wrongPassword(n)
	}
	if text, known := reasons[reason]; known {
		return fault.Transient(errors.New(text))
	}
	return fault.Transient(fmt.Errorf("NetworkManager gave up: NMDeviceStateReason %d", reason))
}

func wrongPassword(n Network) error {
	if n.Password == "" {
		return fault.Hint(errors.New("the network wants a password, and none that is known is right"), `set "password" beside the network's "ssid"`)
	}
	return fault.Hint(errors.New("wrong password"), `correct the network's "password"; capital letters count`)
}
