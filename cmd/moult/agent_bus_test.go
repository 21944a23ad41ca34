package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"moult/agent"
	"moult/agent/bustest"
	"moult/update"
)

// TestAgentOnTheBus lets the agent use NetworkManager, systemd and logind, as they are on a board.
func TestAgentOnTheBus(t *testing.T) {
	t.Run("a wrong Wi-Fi password is an error, and the program runs all the same", func(t *testing.T) {
		bus := bustest.Start(t)
		bus.NetworkManager(map[string]any{"air": map[string]any{"Garden": "the right one"}})
		b := newAgentBench(t, `"trial": {"within": "100ms"}`, `"wifi": [{"ssid": "Garden", "password": "the wrong one"}]`, shellProgram("1.0", good))
		b.moult(0, "update")
		b.moult(0, "confirm")
		r := b.start("env", "DBUS_SYSTEM_BUS_ADDRESS="+bus.Address)
		failed := r.event(agent.Network, 1)
		contains(t, failed.Text, "Garden", "wrong password")
		waitProgram(t, b)
		if strings.Contains(r.said(), "the wrong one") {
			t.Errorf("the password is printed: %s", r.said())
		}
		r.mu.Lock()
		if want := []string{"● yellow  ○ green"}; !slices.Equal(r.lights, want) {
			t.Errorf("lights: got %q, want %q", r.lights, want)
		}
		r.mu.Unlock()
		r.stop()
	})
	t.Run("the network comes up, then the update", func(t *testing.T) {
		bus := bustest.Start(t)
		bus.NetworkManager(map[string]any{"air": map[string]any{"Garden": "the right one"}})
		b := newAgentBench(t, `"trial": {"within": "100ms"}`, `"wifi": [{"ssid": "Cellar", "password": "dark and damp"}, {"ssid": "Garden", "password": "the right one"}]`, shellProgram("1.0", good))
		r := b.start("env", "DBUS_SYSTEM_BUS_ADDRESS="+bus.Address)
		r.event(update.Confirmed, 1)
		contains(t, r.said(), `connected to the Wi-Fi network "Garden"`)
		r.stop()
	})
	t.Run("a unit is stopped for the switch, started again, and judged by staying up", func(t *testing.T) {
		bus := bustest.Start(t)
		mock := bus.Systemd(map[string]any{"units": map[string]any{"irrigation.service": map[string]any{"active": "active"}}})
		b := newAgentBench(t, "", `"check": {"every": "200ms"}`, shellProgram("1.0", good))
		b.unit("irrigation.service", `"within": "200ms"`)
		r := b.start("env", "DBUS_SYSTEM_BUS_ADDRESS="+bus.Address)
		r.event(update.Confirmed, 1)
		b.publish(shellProgram("1.1", good))
		r.event(update.Confirmed, 2)
		r.stop()
		r = b.start("env", "DBUS_SYSTEM_BUS_ADDRESS="+bus.Address) // the agent alone is restarted: the unit goes on
		waitUntil(t, "the unit to be found running", func() bool { return len(mock.Log()) == 5 })
		r.stop()
		stop, start := "StopUnit irrigation.service replace", "StartUnit irrigation.service replace"
		want := []string{stop, start, stop, start, start} // the last finds it running
		if got := mock.Log(); !slices.Equal(got, want) {
			t.Errorf("systemd was asked %q, want %q", got, want)
		}
	})
	t.Run("a unit that does not stay up goes back", func(t *testing.T) {
		bus := bustest.Start(t)
		bus.Systemd(map[string]any{
			"units":   map[string]any{"irrigation.service": map[string]any{"active": "active"}},
			"results": map[string]any{"irrigation.service": []string{"done", "done", "done", "failed", "failed", "failed"}},
		})
		b := newAgentBench(t, "", `"check": {"every": "200ms"}`, shellProgram("1.0", good))
		b.unit("irrigation.service", `"within": "200ms"`)
		r := b.start("env", "DBUS_SYSTEM_BUS_ADDRESS="+bus.Address)
		r.event(update.Confirmed, 1)
		b.publish(shellProgram("1.1", good))
		contains(t, r.event(update.RolledBack, 1).Reason, "did not stay up in 3 starts", "irrigation.service")
		r.stop()
	})
}

// TestUnitThatSystemdStartsAgain lets a bad version's unit end, and systemd start it again by the unit's own Restart=: it did not stay up.
func TestUnitThatSystemdStartsAgain(t *testing.T) {
	for _, way := range []string{"counted", "waiting"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			bus := bustest.Start(t)
			bus.Systemd(map[string]any{"units": map[string]any{"irrigation.service": map[string]any{"active": "active", "falls": way}}})
			b := newAgentBench(t, "", `"check": {"every": "200ms"}`, shellProgram("1.0", good))
			b.unit("irrigation.service", `"within": "1m", "starts": 1`)
			b.moult(0, "update")
			b.moult(0, "confirm")
			b.publish(shellProgram("1.1", good))
			tools := t.TempDir()
			writeFile(t, filepath.Join(tools, "journalctl"), "#!/bin/sh\necho \"KeyError: 'pump'\"\n")
			if err := os.Chmod(filepath.Join(tools, "journalctl"), 0o755); err != nil {
				t.Fatal(err)
			}
			r := b.start("env", "DBUS_SYSTEM_BUS_ADDRESS="+bus.Address, "PATH="+tools+":"+os.Getenv("PATH"))
			contains(t, r.event(update.RolledBack, 1).Reason,
				"did not stay up in 1 starts: unit irrigation.service ended, and systemd starts it again; it printed: KeyError: 'pump'")
			r.stop()
		})
	}
}

// TestAgentRestartsTheMachineDaily lets the time of the daily restart come, and wants logind to be asked for it once.
func TestAgentRestartsTheMachineDaily(t *testing.T) {
	t.Parallel()
	bus := bustest.Start(t)
	mock := bus.Logind(map[string]any{})
	now := time.Now().UTC()
	if now.Second() > 50 { // not in the minute in which it starts
		now = now.Add(time.Minute)
	}
	at := now.Add(time.Minute).Format("15:04")
	b := newAgentBench(t, `"trial": {"within": "100ms"}`, fmt.Sprintf(`"check": {"restart": "%s"}, "timezone": "UTC"`, at), shellProgram("1.0", good))
	r := b.start("env", "DBUS_SYSTEM_BUS_ADDRESS="+bus.Address)
	r.event(update.Confirmed, 1)
	for deadline := time.Now().Add(3 * time.Minute); len(mock.Log()) == 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the machine was not restarted at %s\n%s", at, r.said())
		}
	}
	contains(t, r.event(agent.Restarting, 1).Text, "every day at this time")
	r.stop()
	if got := mock.Log(); len(got) != 1 || !strings.Contains(got[0], "Reboot") {
		t.Errorf("logind was asked %q, want one restart", got)
	}
}

// TestAgentInstall shows the unit, and installs nothing.
func TestAgentInstall(t *testing.T) {
	b := newAgentBench(t, `"trial": {"within": "100ms"}`, `"leds": {"yellow": "gpiochip0/18", "green": "led0"}`, shellProgram("1.0", good))
	unit := b.moult(0, "agent", "install", "--print")
	contains(t, unit, "Type=notify", "WatchdogSec=", "Restart=always", "ProtectSystem=strict", "agent --root "+b.dir, "ReadWritePaths="+b.dir)
}

// TestAgentInstallLetsTheApplicationBe hardens the agent only where nothing of the application's is run by it: a command that reads a sensor,
// and a check, need devices and more that the agent itself does not.
func TestAgentInstallLetsTheApplicationBe(t *testing.T) {
	const closed = "DevicePolicy=closed"
	tests := []struct {
		name, module string
		command      bool // there is one in commands/
		closed       bool
	}{
		{"a unit", `"unit": "irrigation.service"`, false, true},
		{"a unit, and a check by HTTP", `"unit": "irrigation.service", "health": {"http": "http://127.0.0.1:9000/"}`, false, true},
		{"a unit, and a check by command", `"unit": "irrigation.service", "health": {"command": ["./check"]}`, false, false},
		{"a unit, and commands", `"unit": "irrigation.service"`, true, false},
		{"a program", `"run": ["sh", "main/app.sh"]`, false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := newAgentBench(t, "", "", shellProgram("1.0", good))
			writeFile(t, filepath.Join(b.dir, "config/moult.json"), fmt.Sprintf(
				`{"modules": {"irrigation": {"url": "%s/%s", "forge": "github", %s}}}`, b.forge.URL, repository, test.module))
			if test.command {
				writeFile(t, filepath.Join(b.dir, "commands/temperature"), "#!/bin/sh\ncat /dev/i2c-1\n")
			}
			if unit := b.moult(0, "agent", "install", "--print"); strings.Contains(unit, closed) != test.closed {
				t.Errorf("got %s: %v, want %v", closed, !test.closed, test.closed)
			}
		})
	}
}

// TestAgentInstallLeavesHomesReadable hides the homes from an agent that reads nothing there, and only from that.
func TestAgentInstallLeavesHomesReadable(t *testing.T) {
	tests := []struct{ name, more, module, want string }{
		{"nothing", "", "https://github.com/owner/irrigation", "yes"},
		{"a broker's certificates elsewhere", `"mqtt": {"url": "mqtts://broker", "ca": "/etc/ssl/ca.pem"}, `, "https://github.com/owner/irrigation", "yes"},
		{"a broker's CA", `"mqtt": {"url": "mqtts://broker", "ca": "/home/pi/ca.pem"}, `, "https://github.com/owner/irrigation", "read-only"},
		{"the device's certificate", `"mqtt": {"url": "mqtts://broker", "cert": "/home/pi/me.pem", "key": "/srv/me.key"}, `, "https://github.com/owner/irrigation", "read-only"},
		{"the device's key", `"mqtt": {"url": "mqtts://broker", "cert": "/srv/me.pem", "key": "/root/me.key"}, `, "https://github.com/owner/irrigation", "read-only"},
		{"a git repository's folder", "", "/home/pi/irrigation.git", "read-only"},
		{"the same as a URL", "", "file:///home/pi/irrigation.git", "read-only"},
		{"a folder elsewhere as a URL", "", "file:///srv/irrigation.git", "yes"},
		{"git over SSH", "", "git@example.com:owner/irrigation.git", "read-only"},
		{"a signed repository's folder", `"repository": {"url": "file:///run/user/1000/repository"}, `, "https://github.com/owner/irrigation", "read-only"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := deviceDir(t)
			writeFile(t, filepath.Join(dir, "config/moult.json"), fmt.Sprintf(
				`{%s"modules": {"irrigation": {"url": "%s", "unit": "irrigation.service"}}}`, test.more, test.module))
			unit, code := runMoult(t, "agent", "install", "--print", "--root", dir)
			if want := "ProtectHome=" + test.want + "\n"; code != 0 || !strings.Contains(unit, want) {
				t.Errorf("got exit code %d and\n%s\nwant %s", code, unit, want)
			}
		})
	}
}

// deviceDir is a device's directory where no home is.
func deviceDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "moult")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
