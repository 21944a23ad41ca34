// Package systemd speaks to systemd and logind over D-Bus for the agent: it restarts units and the board, tells systemd how the agent
// is (sd_notify) and writes the agent's unit.
//
// It stands on fault and, as the Wi-Fi does, on plain godbus: go-systemd would be a second module around the same few calls.
package systemd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/godbus/dbus/v5"

	"moult/fault"
)

// The services' names, as org.freedesktop.systemd1(5) and org.freedesktop.login1(5) have them.
const (
	service = "org.freedesktop.systemd1"
	root    = "/org/freedesktop/systemd1"
	manager = service + ".Manager"
	unit    = service + ".Unit"
	daemon  = service + ".Service"

	login     = "org.freedesktop.login1"
	loginRoot = "/org/freedesktop/login1"
)

// Manager is systemd's D-Bus interface of that name. It keeps no connection between two calls.
type Manager struct {
	address string
}

// New returns the Manager at a D-Bus address; "" is the system's.
func New(address string) *Manager { return &Manager{address} }

// Restart restarts a unit, or starts it, and waits until it is: for a unit of Type=notify until it said that it is ready.
// A unit that does not come up is an error that names the result. How long it may take is the unit's to say, and ctx's.
func (m *Manager) Restart(ctx context.Context, unit string) error {
	return m.job(ctx, "restart", "RestartUnit", unit)
}

// Start starts a unit, and waits as Restart does.
func (m *Manager) Start(ctx context.Context, unit string) error {
	return m.job(ctx, "start", "StartUnit", unit)
}

// Stop stops a unit, and waits until it has.
func (m *Manager) Stop(ctx context.Context, unit string) error {
	return m.job(ctx, "stop", "StopUnit", unit)
}

// State is how a unit is, in systemd's words.
type State struct {
	Active   string // active, reloading, inactive, failed, activating, deactivating
	Sub      string // the same in the words of its kind: of a service that ended and will be started again, auto-restart
	Restarts uint32 // how often systemd has started a service again by itself, since it was last asked to; 0 of another kind
}

// State returns a unit's. A unit that systemd has no file of is an error.
func (m *Manager) State(ctx context.Context, name string) (state State, err error) {
	err = m.with(ctx, func(s *session) error {
		var path dbus.ObjectPath
		if err := s.call(ctx, "LoadUnit", []any{name}, &path); err != nil {
			return err
		}
		var loaded string
		if err := s.get(ctx, path, unit, "LoadState", &loaded); err != nil {
			return err
		}
		if loaded != "loaded" {
			return fault.Hint(fmt.Errorf("load state: got %s, want loaded", loaded), "systemctl status "+name)
		}
		if err := s.get(ctx, path, unit, "ActiveState", &state.Active); err != nil {
			return err
		}
		if err := s.get(ctx, path, unit, "SubState", &state.Sub); err != nil {
			return err
		}
		if s.get(ctx, path, daemon, "NRestarts", &state.Restarts) != nil { // another kind's, or systemd's before 235
			state.Restarts = 0
		}
		return nil
	})
	if err != nil {
		return State{}, fmt.Errorf("state of unit %s: %w", name, err)
	}
	return state, nil
}

// Reboot restarts the board in order, units stopped first. It returns once that is under way. Where there is no logind it asks systemd for
// reboot.target, as systemctl does; systemd's own Reboot would stop no unit before.
func (m *Manager) Reboot(ctx context.Context) error {
	err := m.with(ctx, func(s *session) error {
		const interactive = false // nobody is there to be asked
		err := s.conn.Object(login, loginRoot).CallWithContext(ctx, login+".Manager.Reboot", 0, interactive).Err
		if !absent(err) && !unstarted(err) {
			return explain(ctx, err)
		}
		var job dbus.ObjectPath
		return s.call(ctx, "StartUnit", []any{"reboot.target", "replace-irreversibly"}, &job)
	})
	if err != nil {
		return fmt.Errorf("reboot: %w", err)
	}
	return nil
}

// Enable has a unit start with the system, and starts it now.
func (m *Manager) Enable(ctx context.Context, name string) error {
	err := m.with(ctx, func(s *session) error {
		const onlyThisBoot, replaceOthers = false, false
		if err := s.call(ctx, "EnableUnitFiles", []any{[]string{name}, onlyThisBoot, replaceOthers}); err != nil {
			return err
		}
		if err := s.call(ctx, "Reload", nil); err != nil {
			return err
		}
		return s.job(ctx, "StartUnit", name)
	})
	if err != nil {
		return fmt.Errorf("enable unit %s: %w", name, err)
	}
	return nil
}

// Disable stops a unit, and has it start with the system no more. One that is not there is done with.
func (m *Manager) Disable(ctx context.Context, name string) error {
	err := m.with(ctx, func(s *session) error {
		if err := s.job(ctx, "StopUnit", name); err != nil && !isUnknown(err) {
			return err
		}
		const onlyThisBoot = false
		if err := s.call(ctx, "DisableUnitFiles", []any{[]string{name}, onlyThisBoot}); err != nil {
			return err
		}
		return s.call(ctx, "Reload", nil)
	})
	if err != nil {
		return fmt.Errorf("disable unit %s: %w", name, err)
	}
	return nil
}

// job has systemd do something to a unit, and waits for the result.
func (m *Manager) job(ctx context.Context, what, method, name string) error {
	err := m.with(ctx, func(s *session) error { return s.job(ctx, method, name) })
	if err != nil {
		return fmt.Errorf("%s unit %s: %w", what, name, err)
	}
	return nil
}

// with does something over one connection to the bus.
func (m *Manager) with(ctx context.Context, do func(*session) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	connect := dbus.ConnectSystemBus
	if m.address != "" {
		connect = func(opts ...dbus.ConnOption) (*dbus.Conn, error) { return dbus.Connect(m.address, opts...) }
	}
	conn, err := connect()
	if err != nil {
		return fault.Transient(fault.Hint(fmt.Errorf("reach the D-Bus: %w", err), "systemctl status dbus"))
	}
	defer conn.Close()
	return do(&session{conn})
}

// session is one connection to the bus.
type session struct {
	conn *dbus.Conn
}

// job asks for a job on a unit and waits for its end. systemd tells of it by a signal that may come before the answer with the job's name.
func (s *session) job(ctx context.Context, method, name string) error {
	signals := make(chan *dbus.Signal, 64)
	s.conn.Signal(signals)
	defer s.conn.RemoveSignal(signals)
	if err := s.conn.AddMatchSignalContext(ctx, dbus.WithMatchSender(service), dbus.WithMatchInterface(manager), dbus.WithMatchMember("JobRemoved")); err != nil {
		return explain(ctx, err)
	}
	if err := s.call(ctx, "Subscribe", nil); err != nil { // else systemd sends none
		return err
	}
	var job dbus.ObjectPath
	if err := s.call(ctx, method, []any{name, "replace"}, &job); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", method, context.Cause(ctx))
		case signal, ok := <-signals:
			if !ok {
				return fault.Transient(errors.New("the D-Bus went away"))
			}
			var id uint32
			var removed dbus.ObjectPath
			var of, result string
			if signal.Name != manager+".JobRemoved" || dbus.Store(signal.Body, &id, &removed, &of, &result) != nil || removed != job {
				continue
			}
			if result != "done" {
				return fault.Hint(fmt.Errorf("job: got %s, want done", result), "journalctl -eu "+name)
			}
			return nil
		}
	}
}

// call calls a method of systemd's Manager, and stores what it returns in ret; what is not asked for is dropped.
func (s *session) call(ctx context.Context, method string, args []any, ret ...any) error {
	call := s.conn.Object(service, root).CallWithContext(ctx, manager+"."+method, 0, args...)
	if call.Err != nil {
		return fmt.Errorf("%s: %w", method, explain(ctx, call.Err))
	}
	if len(ret) == 0 {
		return nil
	}
	return call.Store(ret...)
}

func (s *session) get(ctx context.Context, path dbus.ObjectPath, kind, property string, value any) error {
	var v dbus.Variant
	err := s.conn.Object(service, path).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, kind, property).Store(&v)
	if err == nil {
		err = v.Store(value)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", property, explain(ctx, err))
	}
	return nil
}

// explain says what can be done about an error of the bus or of systemd's.
func explain(ctx context.Context, err error) error {
	var e dbus.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !errors.As(err, &e):
		return fault.Transient(err) // the bus went away
	case e.Name == service+".NoSuchUnit", e.Name == "org.freedesktop.DBus.Error.FileNotFound":
		return fault.Hint(err, "systemctl list-unit-files shows the units that there are; after one is written: systemctl daemon-reload")
	case absent(err):
		return fault.Transient(fault.Hint(errors.New("systemd does not answer on the D-Bus"), "is this device run by systemd? ps -p 1"))
	case strings.HasSuffix(e.Name, "Denied"), strings.HasSuffix(e.Name, "AuthorizationRequired"):
		return fault.Hint(err, "run as root, or let this user do it by a polkit rule")
	}
	return err
}

// absent reports whether an error says that there is no such service, or that the bus could not start it.
func absent(err error) bool {
	var e dbus.Error
	return errors.As(err, &e) && (e.Name == "org.freedesktop.DBus.Error.ServiceUnknown" || e.Name == "org.freedesktop.DBus.Error.NameHasNoOwner" ||
		strings.HasPrefix(e.Name, "org.freedesktop.DBus.Error.Spawn."))
}

// unstarted reports whether an error of a call to another service is systemd's, which could not start it: its unit is masked, or failed.
func unstarted(err error) bool {
	var e dbus.Error
	return errors.As(err, &e) && strings.HasPrefix(e.Name, service+".")
}

// isUnknown reports whether an error says that systemd has no such unit.
func isUnknown(err error) bool {
	var e dbus.Error
	return errors.As(err, &e) && e.Name == service+".NoSuchUnit"
}
