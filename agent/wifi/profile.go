package wifi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/godbus/dbus/v5"

	"moult/fault"
)

// A connection profile's sections, as nm-settings-dbus(5) has them.
const (
	wireless = "802-11-wireless"
	security = "802-11-wireless-security"
)

// values are a profile: sections of keys.
type values map[string]map[string]dbus.Variant

// join activates the network's profile and waits for what comes of it. A profile of that name is used again, and its password changed in memory first:
// only one that the network took is saved. One that was added for a password that is wrong goes again.
func (s *session) join(ctx context.Context, radio device, n Network) error {
	if err := checkPassword(n.Password); err != nil {
		return err
	}
	path, old, err := s.saved(ctx, n.SSID)
	if err != nil {
		return err
	}
	if path == "" {
		return s.joinNew(ctx, radio, n)
	}
	changed, err := s.change(ctx, path, old, n)
	if err != nil {
		return hide(err, n)
	}
	var active dbus.ObjectPath
	since, err := s.call(ctx, root, service+".ActivateConnection", []any{path, radio.path, dbus.ObjectPath("/")}, &active)
	if err == nil {
		err = s.await(ctx, &outcome{active: active, device: radio.path, since: since}, n)
	}
	if !changed {
		return hide(err, n)
	}
	after := context.WithoutCancel(ctx) // this must be done even though ctx has ended
	if err != nil {
		if _, undoErr := s.call(after, path, profile+".UpdateUnsaved", []any{old}); undoErr != nil {
			err = fmt.Errorf("%w; and put the old password back: %w", err, undoErr)
		}
		return hide(err, n)
	}
	_, err = s.call(after, path, profile+".Save", nil)
	return hide(err, n)
}

func (s *session) joinNew(ctx context.Context, radio device, n Network) error {
	fresh := values{
		"connection": {"type": dbus.MakeVariant(wireless)},
		wireless:     {"ssid": dbus.MakeVariant([]byte(n.SSID))},
	}
	secure(fresh, n.Password)
	var path, active dbus.ObjectPath
	since, err := s.call(ctx, root, service+".AddAndActivateConnection", []any{fresh, radio.path, dbus.ObjectPath("/")}, &path, &active)
	if err == nil {
		err = s.await(ctx, &outcome{active: active, device: radio.path, since: since}, n)
		if err != nil && !fault.IsTransient(err) && err != context.Cause(ctx) {
			if _, deleteErr := s.call(context.WithoutCancel(ctx), path, profile+".Delete", nil); deleteErr != nil {
				err = fmt.Errorf("%w; and delete the connection: %w", err, deleteErr)
			}
		}
	}
	return hide(err, n)
}

// saved finds the profile of a network, with its secrets; path is "" where there is none.
func (s *session) saved(ctx context.Context, ssid string) (path dbus.ObjectPath, found values, err error) {
	var paths []dbus.ObjectPath
	if _, err := s.call(ctx, root+"/Settings", settings+".ListConnections", nil, &paths); err != nil {
		return "", nil, err
	}
	for _, path := range paths {
		v := values{}
		var name []byte
		if _, err := s.call(ctx, path, profile+".GetSettings", nil, &v); err != nil {
			continue // another user's, or gone meanwhile
		}
		if v[wireless]["ssid"].Value() == nil || v[wireless]["ssid"].Store(&name) != nil || string(name) != ssid || !personal(v) {
			continue
		}
		secrets := values{}
		if _, err := s.call(ctx, path, profile+".GetSecrets", []any{security}, &secrets); err == nil && v[security] != nil {
			maps.Copy(v[security], secrets[security])
		}
		// What address-data and route-data say in an old form: lists of structures, which godbus sends back as lists of variants.
		for _, section := range []string{"ipv4", "ipv6"} {
			delete(v[section], "addresses")
			delete(v[section], "routes")
		}
		return path, v, nil
	}
	return "", nil, nil
}

// personal reports whether a profile is for an open network or WPA personal. Others of the same name are not ours to change.
func personal(v values) bool {
	if v[wireless]["mode"].Value() == "ap" {
		return false // the device's own network
	}
	switch v[security]["key-mgmt"].Value() {
	case nil, "wpa-psk", "sae":
		return true
	}
	return false
}

// change gives the profile the network's password, in NetworkManager's memory only, and reports whether it had another.
// Without a password the profile stays as it is.
func (s *session) change(ctx context.Context, path dbus.ObjectPath, old values, n Network) (changed bool, err error) {
	if n.Password == "" || old[security]["psk"].Value() == n.Password {
		return false, nil
	}
	v := maps.Clone(old)
	v[security] = maps.Clone(old[security])
	secure(v, n.Password)
	_, err = s.call(ctx, path, profile+".UpdateUnsaved", []any{v})
	return err == nil, err
}

// secure sets a profile's password.
func secure(v values, password string) {
	if password == "" {
		return
	}
	if v[security] == nil {
		v[security] = map[string]dbus.Variant{}
	}
	if v[security]["key-mgmt"].Value() == nil {
		v[security]["key-mgmt"] = dbus.MakeVariant("wpa-psk") // WPA2 and WPA3 personal
	}
	v[security]["psk"] = dbus.MakeVariant(password)
	v[security]["psk-flags"] = dbus.MakeVariant(uint32(0)) // kept by NetworkManager, not by someone's desktop
}

// checkPassword refuses what can be no password of WPA: IEEE 802.11, J.4. A hash of 64 digits stands for one.
func checkPassword(password string) error {
	if n := len(password); n == 0 || n >= 8 && n <= 63 || n == 64 && strings.Trim(password, "0123456789abcdefABCDEF") == "" {
		return nil
	}
	return fault.Hint(fmt.Errorf("got a password of %d bytes, want 8 to 63, or 64 hexadecimal digits", len(password)), `correct the network's "password"`)
}

// hide takes the password out of what NetworkManager says. Our own words have none, whatever word someone chose for one.
func hide(err error, n Network) error {
	var theirs dbus.Error
	if n.Password == "" || !errors.As(err, &theirs) {
		return err
	}
	return &hidden{err, strings.ReplaceAll(err.Error(), n.Password, "(hidden)")}
}

// hidden is an error in other words.
type hidden struct {
	error
	text string
}

func (h *hidden) Error() string { return h.text }

func (h *hidden) Unwrap() error { return h.error }
