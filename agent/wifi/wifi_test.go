package wifi_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"moult/agent/bustest"
	"moult/agent/wifi"
	"moult/fault"
)

type params = map[string]any

var (
	home  = wifi.Network{SSID: "home", Password: "home password"}
	field = wifi.Network{SSID: "field", Password: "field password"}
	cafe  = wifi.Network{SSID: "café"}
)

// air has all of them in range.
var air = params{"home": "home password", "field": "field password", "café": ""}

func TestConnect(t *testing.T) {
	for _, test := range []struct {
		name          string
		given         params
		networks      []wifi.Network
		want          string   // the network
		wantErr       string   // "": none
		wantHint      string   // in the hint
		wantTransient bool     // whether the error is
		wantLog       []string // what NetworkManager was asked to do
		wantPauses    int
	}{
		{
			name: "online already", given: params{"state": 70, "online": "café"}, networks: []wifi.Network{home},
			want: "café",
		}, {
			name: "online by cable", given: params{"state": 60}, networks: []wifi.Network{home},
			want: "",
		}, {
			name: "online without networks", given: params{"state": 70}, want: "",
		}, {
			name: "connected locally only", given: params{"state": 50, "air": air}, networks: []wifi.Network{home},
			want: "home", wantLog: []string{"add home home password"},
		}, {
			name: "the first network", given: params{"air": air}, networks: []wifi.Network{home, field},
			want: "home", wantLog: []string{"add home home password"},
		}, {
			name: "an open network, not in ASCII", given: params{"air": air}, networks: []wifi.Network{cafe},
			want: "café", wantLog: []string{"add café -"},
		}, {
			name: "the first out of range, then the second", given: params{"air": params{"field": "field password"}}, networks: []wifi.Network{home, field},
			want: "field", wantLog: []string{"add home home password", "add field field password"},
		}, {
			name: "none in range", given: params{}, networks: []wifi.Network{home, field},
			wantErr:       `network "home": no such network in range; network "field": no such network in range`,
			wantTransient: true, wantPauses: 2,
			wantLog: []string{"add home home password", "add field field password", "activate home", "activate field", "activate home", "activate field"},
		}, {
			name: "a wrong password is tried once", given: params{"air": params{"home": "another one"}}, networks: []wifi.Network{home},
			wantErr: `network "home": wrong password`, wantHint: `correct the network's "password"`,
			wantLog: []string{"add home home password", "delete home"},
		}, {
			name: "a wrong password, and one that is out of range", given: params{"air": params{"home": "another one"}}, networks: []wifi.Network{home, field},
			wantErr: `network "home": wrong password; network "field": no such network in range`, wantTransient: true, wantPauses: 2,
			wantLog: []string{"add home home password", "delete home", "add field field password", "activate field", "activate field"},
		}, {
			name: "a wrong password, then a right one", given: params{"air": params{"home": "another one", "field": "field password"}}, networks: []wifi.Network{home, field},
			want: "field", wantLog: []string{"add home home password", "delete home", "add field field password"},
		}, {
			name: "a password is missing", given: params{"air": params{"café": "latte macchiato"}}, networks: []wifi.Network{cafe},
			wantErr: `network "café": the network wants a password`, wantHint: `set "password"`,
			wantLog: []string{"add café -", "delete café"},
		}, {
			name: "a wrong password, while someone's desktop asks for another", given: params{"air": air, "script": params{"home": []string{"dialog"}}},
			networks: []wifi.Network{home}, wantErr: "wrong password", wantHint: "correct", wantLog: []string{"add home home password", "delete home"},
		}, {
			name: "too far for an answer, then near enough", given: params{"air": air, "script": params{"home": []string{"weak"}}}, networks: []wifi.Network{home},
			want: "home", wantLog: []string{"add home home password", "activate home"}, wantPauses: 1,
		}, {
			name: "too far for an answer", given: params{"air": air, "script": params{"home": []string{"weak", "weak", "weak"}}}, networks: []wifi.Network{home},
			wantErr: "too far away, or the password is wrong", wantTransient: true, wantPauses: 2,
			wantLog: []string{"add home home password", "activate home", "activate home"},
		}, {
			name: "no address, then one", given: params{"air": air, "script": params{"home": []string{"dhcp"}}}, networks: []wifi.Network{home},
			want: "home", wantLog: []string{"add home home password", "activate home"}, wantPauses: 1,
		}, {
			name: "nothing happens", given: params{"air": air, "script": params{"home": []string{"silent", "silent", "silent"}}}, networks: []wifi.Network{home},
			wantErr: `network "home": not connected within 45s`, wantTransient: true, wantPauses: 2,
			wantLog: []string{"add home home password", "activate home", "activate home"},
		}, {
			name: "another activation takes the device", given: params{"air": air, "script": params{"home": []string{"taken"}}}, networks: []wifi.Network{home, field},
			want: "field", wantLog: []string{"add home home password", "add field field password"},
		}, {
			name: "the connection's end is told first", given: params{"script": params{"home": []string{"active-first", "active-first", "active-first"}}}, networks: []wifi.Network{home},
			wantErr: "no such network in range", wantTransient: true, wantPauses: 2,
			wantLog: []string{"add home home password", "activate home", "activate home"},
		}, {
			name: "only the connection says why", given: params{"script": params{"home": []string{"gone"}}}, networks: []wifi.Network{home},
			wantErr: "wrong password", wantHint: "correct", wantLog: []string{"add home home password", "delete home"},
		}, {
			name: "another activation's failure is not ours", given: params{"air": air, "stale": true}, networks: []wifi.Network{home},
			want: "home", wantLog: []string{"add home home password"},
		}, {
			name: "a cable is put in meanwhile", given: params{"comes_online": true}, networks: []wifi.Network{home},
			want: "", wantLog: []string{"add home home password"}, wantPauses: 1,
		}, {
			name: "saved", given: params{"air": air, "saved": params{"home": params{"key-mgmt": "sae", "psk": "home password"}}}, networks: []wifi.Network{home},
			want: "home", wantLog: []string{"activate home"},
		}, {
			name: "saved with another password", given: params{"air": air, "saved": params{"home": params{"key-mgmt": "wpa-psk", "psk": "last year's"}}}, networks: []wifi.Network{home},
			want: "home", wantLog: []string{"update home home password uuid of home", "activate home", "save home"},
		}, {
			name: "saved as an open one", given: params{"air": air, "saved": params{"home": params{"key-mgmt": ""}}}, networks: []wifi.Network{home},
			want: "home", wantLog: []string{"update home home password uuid of home", "activate home", "save home"},
		}, {
			name: "saved, and no password given", given: params{"air": params{"café": "latte macchiato"}, "saved": params{"café": params{"key-mgmt": "wpa-psk", "psk": "latte macchiato"}}},
			networks: []wifi.Network{cafe}, want: "café", wantLog: []string{"activate café"},
		}, {
			name: "a wrong password takes no saved one's place", given: params{"air": params{"home": "the saved one"}, "saved": params{"home": params{"key-mgmt": "wpa-psk", "psk": "the saved one"}}},
			networks: []wifi.Network{home}, wantErr: "wrong password", wantHint: "correct",
			wantLog: []string{"update home home password uuid of home", "activate home", "update home the saved one uuid of home"},
		}, {
			name: "a saved one's place is not taken while out of range", given: params{"saved": params{"home": params{"key-mgmt": "wpa-psk", "psk": "the saved one"}}, "script": params{"home": []string{"silent"}}},
			networks: []wifi.Network{home}, wantErr: "no such network in range", wantTransient: true, wantPauses: 2,
			wantLog: slices.Repeat([]string{"update home home password uuid of home", "activate home", "update home the saved one uuid of home"}, 3),
		}, {
			name: "the name is a company's, or the device's own", given: params{"air": air, "saved": params{"home": params{"key-mgmt": "wpa-eap"}, "field": params{"key-mgmt": "wpa-psk", "mode": "ap"}}},
			networks: []wifi.Network{home}, want: "home", wantLog: []string{"add home home password"},
		}, {
			name: "no Wi-Fi device", given: params{"wifi": []string{}}, networks: []wifi.Network{home},
			wantErr: "connect to wi-fi: no Wi-Fi device", wantHint: "ip link",
		}, {
			name: "switched off", given: params{"radio": false}, networks: []wifi.Network{home},
			wantErr: "Wi-Fi is switched off", wantHint: "nmcli radio wifi on",
		}, {
			name: "not managed", given: params{"device_state": 10}, networks: []wifi.Network{home},
			wantErr: "NetworkManager does not manage wlan0", wantHint: "nmcli device set wlan0 managed yes",
		}, {
			name: "no networks", given: params{}, wantErr: "got no networks", wantTransient: true,
		}, {
			name: "no permission", given: params{"denied": true}, networks: []wifi.Network{home},
			wantErr: "AddAndActivateConnection: not authorized", wantHint: "run as root",
		}, {
			name: "a password that is none", given: params{"air": air}, networks: []wifi.Network{{SSID: "home", Password: "short"}, field},
			want: "field", wantLog: []string{"add field field password"},
		}, {
			name: "only a password that is none", given: params{"air": air}, networks: []wifi.Network{{SSID: "home", Password: strings.Repeat("z", 64)}},
			wantErr: "got a password of 64 bytes, want 8 to 63, or 64 hexadecimal digits", wantHint: "correct",
		}, {
			name: "NetworkManager says the password", given: params{"says": "psk: 'home password' is invalid"}, networks: []wifi.Network{home},
			wantErr: "psk: '(hidden)' is invalid", wantLog: []string{"add home home password"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			bus := bustest.Start(t)
			nm := bus.NetworkManager(test.given)
			pauses, tries := 0, 0
			opt := wifi.Options{Address: bus.Address, Tries: 3, Trying: func() { tries++ }, Sleep: func(context.Context, time.Duration) error { pauses++; return nil }}
			opt.After = whenQuiet(nm)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // never reached, unless Connect waits for what does not come
			defer cancel()
			ssid, err := wifi.New(opt).Connect(ctx, test.networks)

			if ssid != test.want {
				t.Errorf("network: got %q, want %q", ssid, test.want)
			}
			checkErr(t, err, test.wantErr, test.wantHint, test.wantTransient)
			if log := nm.Log(); !slices.Equal(log, test.wantLog) {
				t.Errorf("NetworkManager was asked\n%s\nwant\n%s", strings.Join(log, "\n"), strings.Join(test.wantLog, "\n"))
			}
			if asked := strings.Count(strings.Join(nm.Log(), "\n"), "activate ") + strings.Count(strings.Join(nm.Log(), "\n"), "add "); tries < asked {
				t.Errorf("got it said %d times that a network is tried, want at least %d", tries, asked)
			}
			if pauses != test.wantPauses {
				t.Errorf("pauses: got %d, want %d", pauses, test.wantPauses)
			}
		})
	}
}

// whenQuiet is a clock on which an activation's time is up as soon as nothing more will happen.
func whenQuiet(nm *bustest.Mock) func(time.Duration, func()) func() {
	quiet := nm.Quiet()
	return func(_ time.Duration, f func()) func() {
		stopped := make(chan struct{})
		go func() {
			select {
			case <-quiet:
				f()
			case <-stopped:
			}
		}()
		return func() { close(stopped) }
	}
}

func TestNetworkManagerMissing(t *testing.T) {
	bus := bustest.Start(t)
	_, err := wifi.New(wifi.Options{Address: bus.Address}).Connect(t.Context(), []wifi.Network{home})
	checkErr(t, err, "NetworkManager is not running", "systemctl enable --now NetworkManager", true)
}

func TestBusMissing(t *testing.T) {
	_, err := wifi.New(wifi.Options{Address: "unix:path=" + t.TempDir() + "/none"}).Connect(t.Context(), []wifi.Network{home})
	checkErr(t, err, "reach the D-Bus", "systemctl status dbus", true)
}

// TestCancel ends the context where Connect waits: nothing that was changed stays so.
func TestCancel(t *testing.T) {
	left := errors.New("the device is going down")
	t.Run("in an activation", func(t *testing.T) {
		bus := bustest.Start(t)
		nm := bus.NetworkManager(params{"air": air, "script": params{"home": []string{"silent"}}, "saved": params{"home": params{"key-mgmt": "wpa-psk", "psk": "the saved one"}}})
		ctx, cancel := context.WithCancelCause(t.Context())
		quiet := whenQuiet(nm)
		opt := wifi.Options{Address: bus.Address, After: func(d time.Duration, _ func()) func() { return quiet(d, func() { cancel(left) }) }}
		_, err := wifi.New(opt).Connect(ctx, []wifi.Network{home, field})
		if !errors.Is(err, left) {
			t.Errorf("got %v, want %v", err, left)
		}
		want := []string{"update home home password uuid of home", "activate home", "update home the saved one uuid of home"}
		if log := nm.Log(); !slices.Equal(log, want) {
			t.Errorf("NetworkManager was asked %q, want %q", log, want)
		}
	})
	t.Run("between two tries", func(t *testing.T) {
		bus := bustest.Start(t)
		bus.NetworkManager(nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		opt := wifi.Options{Address: bus.Address, Sleep: func(context.Context, time.Duration) error { cancel(left); return left }}
		_, err := wifi.New(opt).Connect(ctx, []wifi.Network{home})
		if !errors.Is(err, left) || !strings.Contains(err.Error(), "no such network in range") {
			t.Errorf("got %v, want %v and what had failed", err, left)
		}
	})
	t.Run("before", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(left)
		bus := bustest.Start(t)
		if _, err := wifi.New(wifi.Options{Address: bus.Address}).Connect(ctx, []wifi.Network{home}); !errors.Is(err, left) {
			t.Errorf("got %v, want %v", err, left)
		}
	})
}

// TestNetworkManagerCrashes takes NetworkManager away between two tries.
func TestNetworkManagerCrashes(t *testing.T) {
	bus := bustest.Start(t)
	nm := bus.NetworkManager(nil)
	opt := wifi.Options{Address: bus.Address, Sleep: func(context.Context, time.Duration) error { nm.Stop(); return nil }}
	_, err := wifi.New(opt).Connect(t.Context(), []wifi.Network{home})
	checkErr(t, err, "NetworkManager is not running", "systemctl enable", true)
}

func checkErr(t *testing.T, err error, want, wantHint string, wantTransient bool) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("got %v, want no error", err)
		}
		return
	}
	if err == nil || !strings.HasPrefix(err.Error(), "connect to wi-fi: ") || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want one with %q", err, want)
	}
	for _, n := range []wifi.Network{home, field} {
		if text := fmt.Sprintf("%v %+v %#v", err, n, n); strings.Contains(text, n.Password) {
			t.Errorf("got %q, want no password in it", text)
		}
	}
	if got := fault.HintOf(err); !strings.Contains(got, wantHint) || wantHint == "" && !wantTransient && got != "" {
		t.Errorf("hint: got %q, want one with %q", got, wantHint)
	}
	if got := fault.IsTransient(err); got != wantTransient {
		t.Errorf("transient: got %t, want %t", got, wantTransient)
	}
}
