package wifi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"moult/fault"
)

// NetworkManager's names, as its D-Bus reference has them.
const (
	service  = "org.freedesktop.NetworkManager"
	settings = service + ".Settings"
	profile  = settings + ".Connection"
	root     = "/org/freedesktop/NetworkManager"
)

// NMState: connected to the local network at least with a route out of it, and to the internet.
const stateConnectedSite = 60

// NMDeviceType.
const typeWiFi = 2

// NMDeviceState.
const (
	deviceUnmanaged    = 10
	deviceUnavailable  = 20
	deviceDisconnected = 30
	deviceNeedAuth     = 60
	deviceActivated    = 100
	deviceFailed       = 120
)

// session is one connection to the bus.
type session struct {
	opt     Options
	conn    *dbus.Conn
	signals chan *dbus.Signal
}

func dial(ctx context.Context, opt Options) (*session, error) {
	conn, err := connect(ctx, opt.Address)
	if err != nil {
		return nil, fault.Transient(fault.Hint(fmt.Errorf("reach the D-Bus: %w", err), "NetworkManager needs the D-Bus: systemctl status dbus"))
	}
	s := &session{opt, conn, make(chan *dbus.Signal, 256)} // more than an activation sends: beyond it they lose their order
	conn.Signal(s.signals)
	if err := conn.AddMatchSignalContext(ctx, dbus.WithMatchSender(service), dbus.WithMatchMember("StateChanged")); err != nil {
		conn.Close()
		return nil, fault.Transient(fmt.Errorf("watch NetworkManager: %w", err))
	}
	return s, nil
}

func connect(ctx context.Context, address string) (*dbus.Conn, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if address == "" {
		return dbus.ConnectSystemBus()
	}
	return dbus.Connect(address)
}

func (s *session) close() { s.conn.Close() }

// patience bounds a call, which a NetworkManager that works answers at once; it is D-Bus's own usual bound.
const patience = 25 * time.Second

// call calls a method of an object of NetworkManager's, and stores what it returns in ret. It returns the place of the answer among the signals.
func (s *session) call(ctx context.Context, path dbus.ObjectPath, method string, args []any, ret ...any) (dbus.Sequence, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fault.Transient(fmt.Errorf("NetworkManager did not answer within %v", patience)))
	defer cancel()
	call := s.conn.Object(service, path).CallWithContext(ctx, method, 0, args...)
	if call.Err != nil {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return 0, explain(fmt.Errorf("%s: %w", method[strings.LastIndexByte(method, '.')+1:], call.Err))
	}
	return call.ResponseSequence, call.Store(ret...)
}

func (s *session) get(ctx context.Context, path dbus.ObjectPath, iface, property string, value any) error {
	var v dbus.Variant
	if _, err := s.call(ctx, path, "org.freedesktop.DBus.Properties.Get", []any{iface, property}, &v); err != nil {
		return fmt.Errorf("read %s: %w", property, err)
	}
	if err := v.Store(value); err != nil {
		return fmt.Errorf("read %s: %w", property, err)
	}
	return nil
}

// explain says what can be done about an error of the bus or of NetworkManager's.
func explain(err error) error {
	var e dbus.Error
	if !errors.As(err, &e) {
		return fault.Transient(err) // the bus went away
	}
	switch {
	case e.Name == "org.freedesktop.DBus.Error.ServiceUnknown", e.Name == "org.freedesktop.DBus.Error.NameHasNoOwner",
		strings.HasPrefix(e.Name, "org.freedesktop.DBus.Error.Spawn"):
		return fault.Transient(fault.Hint(errors.New("NetworkManager is not running"),
			`systemctl enable --now NetworkManager; or take "wifi" out of the configuration where something else connects the device`))
	case strings.HasSuffix(e.Name, "Denied"), strings.HasSuffix(e.Name, "NotAuthorized"):
		return fault.Hint(err, "run as root, or let this user control NetworkManager by a polkit rule; on Debian the group netdev may")
	case strings.Contains(e.Name, ".Invalid"), strings.Contains(e.Name, ".Missing"):
		return err // what was asked is wrong, and will be
	}
	return fault.Transient(err)
}

// device is a Wi-Fi device.
type device struct {
	path  dbus.ObjectPath
	name  string // wlan0
	state uint32
}

// online reports whether NetworkManager is connected, and to what.
func (s *session) online(ctx context.Context) (ssid string, online bool, err error) {
	var state uint32
	if err := s.get(ctx, root, service, "State", &state); err != nil || state < stateConnectedSite {
		return "", false, err
	}
	devices, err := s.devices(ctx)
	for _, d := range devices {
		if d.state != deviceActivated {
			continue
		}
		var point dbus.ObjectPath
		var name []byte
		if s.get(ctx, d.path, service+".Device.Wireless", "ActiveAccessPoint", &point) == nil &&
			s.get(ctx, point, service+".AccessPoint", "Ssid", &name) == nil {
			return string(name), true, nil
		}
	}
	return "", true, err
}

// devices lists the Wi-Fi devices.
func (s *session) devices(ctx context.Context) ([]device, error) {
	var paths []dbus.ObjectPath
	if _, err := s.call(ctx, root, service+".GetDevices", nil, &paths); err != nil {
		return nil, err
	}
	var all []device
	for _, path := range paths {
		d := device{path: path}
		var kind uint32
		err := s.get(ctx, path, service+".Device", "DeviceType", &kind)
		if err == nil && kind != typeWiFi {
			continue
		}
		if err == nil {
			err = s.get(ctx, path, service+".Device", "Interface", &d.name)
		}
		if err == nil {
			err = s.get(ctx, path, service+".Device", "State", &d.state)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// radio returns the device that connects: the first that NetworkManager has the say of.
func (s *session) radio(ctx context.Context) (device, error) {
	devices, err := s.devices(ctx)
	if err != nil {
		return device{}, err
	}
	var enabled bool
	if err := s.get(ctx, root, service, "WirelessEnabled", &enabled); err != nil {
		return device{}, err
	}
	switch {
	case len(devices) == 0:
		return device{}, fault.Hint(errors.New("no Wi-Fi device"), "ip link shows the devices, dmesg a driver or firmware that is missing")
	case !enabled:
		return device{}, fault.Hint(errors.New("Wi-Fi is switched off"), "nmcli radio wifi on; rfkill list shows a switch on the device")
	}
	for _, d := range devices {
		if d.state > deviceUnmanaged {
			return d, nil
		}
	}
	return device{}, fault.Hint(fmt.Errorf("NetworkManager does not manage %s", devices[0].name), "nmcli device set "+devices[0].name+" managed yes")
}
