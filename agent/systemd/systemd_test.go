package systemd_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"moult/agent/bustest"
	"moult/agent/systemd"
	"moult/fault"
)

type params = map[string]any

const irrigation = "irrigation.service"

var there = params{irrigation: params{"active": "active"}, "broken.service": params{"active": "failed"}, "bad.service": params{"load": "bad-setting"},
	"restless.service": params{"active": "activating", "sub": "auto-restart", "restarts": 7}, "every.timer": params{"active": "active", "sub": "waiting"}}

func TestUnits(t *testing.T) {
	restart := func(ctx context.Context, m *systemd.Manager) error { return m.Restart(ctx, irrigation) }
	for _, test := range []struct {
		name     string
		given    params
		do       func(context.Context, *systemd.Manager) error
		wantErr  string
		wantHint string
		wantLog  []string
	}{
		{"restart", params{}, restart, "", "", []string{"RestartUnit irrigation.service replace"}},
		{"start", params{}, func(ctx context.Context, m *systemd.Manager) error { return m.Start(ctx, irrigation) }, "", "",
			[]string{"StartUnit irrigation.service replace"}},
		{"stop", params{}, func(ctx context.Context, m *systemd.Manager) error { return m.Stop(ctx, irrigation) }, "", "",
			[]string{"StopUnit irrigation.service replace"}},
		{"the job ends before its name is known", params{"early": true}, restart, "", "", []string{"RestartUnit irrigation.service replace"}},
		{"the job fails", params{"results": params{irrigation: []string{"failed"}}}, restart,
			"restart unit irrigation.service: job: got failed, want done", "journalctl -eu irrigation.service", []string{"RestartUnit irrigation.service replace"}},
		{"the job takes too long for systemd", params{"results": params{irrigation: []string{"timeout"}}}, restart,
			"got timeout, want done", "journalctl", []string{"RestartUnit irrigation.service replace"}},
		{"no such unit", params{}, func(ctx context.Context, m *systemd.Manager) error { return m.Start(ctx, "irigation.service") },
			"start unit irigation.service: StartUnit: Unit irigation.service not found.", "daemon-reload", []string{"StartUnit irigation.service replace"}},
		{"no permission", params{"errors": params{"RestartUnit": "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"}}, restart,
			"refused by the test", "run as root", []string{"RestartUnit irrigation.service replace"}},
		{"a masked unit", params{"errors": params{"RestartUnit": "org.freedesktop.systemd1.UnitMasked"}}, restart,
			"RestartUnit: refused by the test", "", []string{"RestartUnit irrigation.service replace"}},
		{"enable", params{}, func(ctx context.Context, m *systemd.Manager) error { return m.Enable(ctx, irrigation) }, "", "",
			[]string{"EnableUnitFiles irrigation.service False False", "Reload", "StartUnit irrigation.service replace"}},
		{"enable one without a file", params{"errors": params{"EnableUnitFiles": "org.freedesktop.DBus.Error.FileNotFound"}},
			func(ctx context.Context, m *systemd.Manager) error { return m.Enable(ctx, irrigation) },
			"enable unit irrigation.service: EnableUnitFiles: refused", "list-unit-files", []string{"EnableUnitFiles irrigation.service False False"}},
		{"enable one that does not start", params{"results": params{irrigation: []string{"failed"}}},
			func(ctx context.Context, m *systemd.Manager) error { return m.Enable(ctx, irrigation) },
			"got failed, want done", "journalctl", []string{"EnableUnitFiles irrigation.service False False", "Reload", "StartUnit irrigation.service replace"}},
		{"disable", params{}, func(ctx context.Context, m *systemd.Manager) error { return m.Disable(ctx, irrigation) }, "", "",
			[]string{"StopUnit irrigation.service replace", "DisableUnitFiles irrigation.service False", "Reload"}},
		{"disable one that is not there", params{}, func(ctx context.Context, m *systemd.Manager) error { return m.Disable(ctx, "gone.service") }, "", "",
			[]string{"StopUnit gone.service replace", "DisableUnitFiles gone.service False", "Reload"}},
		{"disable one that does not stop", params{"results": params{irrigation: []string{"canceled"}}},
			func(ctx context.Context, m *systemd.Manager) error { return m.Disable(ctx, irrigation) }, "got canceled, want done", "journalctl",
			[]string{"StopUnit irrigation.service replace"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			bus := bustest.Start(t)
			test.given["units"] = there
			mock := bus.Systemd(test.given)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // never reached, unless a job's end is missed
			defer cancel()
			checkErr(t, test.do(ctx, systemd.New(bus.Address)), test.wantErr, test.wantHint)
			checkLog(t, mock, test.wantLog...)
		})
	}
}

func TestState(t *testing.T) {
	bus := bustest.Start(t)
	bus.Systemd(params{"units": there, "results": params{irrigation: []string{"failed"}}})
	m := systemd.New(bus.Address)
	for _, test := range []struct {
		name, unit        string
		want              systemd.State
		wantErr, wantHint string
	}{
		{"active", irrigation, systemd.State{Active: "active", Sub: "running"}, "", ""},
		{"failed", "broken.service", systemd.State{Active: "failed", Sub: "dead"}, "", ""},
		{"started again", "restless.service", systemd.State{Active: "activating", Sub: "auto-restart", Restarts: 7}, "", ""},
		{"no service", "every.timer", systemd.State{Active: "active", Sub: "waiting"}, "", ""},
		{"no such unit", "none.service", systemd.State{}, "state of unit none.service: load state: got not-found, want loaded", "systemctl status none.service"},
		{"a bad file", "bad.service", systemd.State{}, "load state: got bad-setting, want loaded", "systemctl status"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := m.State(t.Context(), test.unit)
			if got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
			checkErr(t, err, test.wantErr, test.wantHint)
		})
	}
	if err := m.Restart(t.Context(), irrigation); err == nil {
		t.Error("restart: got no error, want one")
	}
	if got, err := m.State(t.Context(), irrigation); got.Active != "failed" || err != nil {
		t.Errorf("after a restart that failed: got %v, %v, want failed", got, err)
	}
}

func TestReboot(t *testing.T) {
	const reboot, target = "Reboot False", "StartUnit reboot.target replace-irreversibly"
	for _, test := range []struct {
		name              string
		logind            params // nil: there is none
		wantErr, wantHint string
		wantLogind        []string
		wantSystemd       []string
	}{
		{"by logind", params{}, "", "", []string{reboot}, nil},
		{"without logind", nil, "", "", nil, []string{target}},
		{"logind does not start", params{"error": "org.freedesktop.systemd1.UnitMasked"}, "", "", []string{reboot}, []string{target}},
		{"someone holds the board up", params{"error": "org.freedesktop.login1.BlockedByInhibitorLock"}, "reboot: refused by the test", "", []string{reboot}, nil},
		{"no permission", params{"error": "org.freedesktop.DBus.Error.AccessDenied"}, "reboot: refused by the test", "run as root", []string{reboot}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			bus := bustest.Start(t)
			mock := bus.Systemd(params{"units": params{"reboot.target": params{}}})
			var logind *bustest.Mock
			if test.logind != nil {
				logind = bus.Logind(test.logind)
			}
			checkErr(t, systemd.New(bus.Address).Reboot(t.Context()), test.wantErr, test.wantHint)
			if logind != nil {
				checkLog(t, logind, test.wantLogind...)
			}
			checkLog(t, mock, test.wantSystemd...)
		})
	}
}

func TestMissing(t *testing.T) {
	bus := bustest.Start(t)
	for name, m := range map[string]*systemd.Manager{"systemd": systemd.New(bus.Address), "the bus": systemd.New("unix:path=" + t.TempDir() + "/none")} {
		_, activeErr := m.State(t.Context(), irrigation)
		for what, err := range map[string]error{"restart": m.Restart(t.Context(), irrigation), "reboot": m.Reboot(t.Context()), "state": activeErr} {
			if err == nil || !fault.IsTransient(err) || fault.HintOf(err) == "" {
				t.Errorf("%s without %s: got %v, hint %q, want a transient error with a hint", what, name, err, fault.HintOf(err))
			}
		}
	}
}

func TestCancel(t *testing.T) {
	left := errors.New("the device is going down")
	bus := bustest.Start(t)
	mock := bus.Systemd(params{"units": there, "results": params{irrigation: []string{""}}})
	ctx, cancel := context.WithCancelCause(t.Context())
	quiet := mock.Quiet()
	go func() {
		<-quiet
		cancel(left)
	}()
	m := systemd.New(bus.Address)
	for range 2 { // while it waits for the job, and before
		if err := m.Restart(ctx, irrigation); !errors.Is(err, left) {
			t.Errorf("got %v, want %v", err, left)
		}
	}
	checkLog(t, mock, "RestartUnit irrigation.service replace")
}

func checkErr(t *testing.T, err error, want, wantHint string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("got error %v, want one with %q", err, want)
	}
	if got := fault.HintOf(err); !strings.Contains(got, wantHint) || wantHint == "" && got != "" {
		t.Errorf("hint: got %q, want one with %q", got, wantHint)
	}
}

func checkLog(t *testing.T, mock *bustest.Mock, want ...string) {
	t.Helper()
	if got := mock.Log(); !slices.Equal(got, want) {
		t.Errorf("was asked %q, want %q", got, want)
	}
}
