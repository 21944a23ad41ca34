package device

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"moult/config"
)

// open opens a device of one module, with more keys of its configuration.
func open(t *testing.T, more string) *Device {
	t.Helper()
	root := t.TempDir()
	write(t, filepath.Join(root, "config/moult.json"), `{"modules": {"app": {"url": "https://github.com/owner/app"`+more+`}}}`, 0o644)
	if err := os.Mkdir(filepath.Join(root, "app"), 0o755); err != nil {
		t.Fatal(err)
	}
	d, err := Open(t.Context(), Options{Root: root, Apart: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func write(t *testing.T, name, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// net ends what should have ended long before: it times nothing.
func net(t *testing.T) context.Context {
	ctx, stop := context.WithCancel(t.Context())
	timer := time.AfterFunc(20*time.Second, stop)
	t.Cleanup(func() { timer.Stop(); stop() })
	return ctx
}

// TestLocked tells what could not be recovered, and does the work all the same.
func TestLocked(t *testing.T) {
	d := open(t, "")
	write(t, filepath.Join(d.opt.Root, ".moult/state/app.json"), `{"step": "molting"}`, 0o644)
	for _, told := range []bool{true, false} {
		var said error
		tell := func(err error) { said = err }
		if !told {
			tell = nil
		}
		worked := false
		err := d.Locked(t.Context(), d.Modules[0], tell, func() error { worked = true; return errors.New("of the work") })
		if !worked || err == nil || err.Error() != "of the work" {
			t.Errorf("got work done: %v, and %v, want the work's own error", worked, err)
		}
		if told && (said == nil || !strings.Contains(said.Error(), `got the step "molting"`)) {
			t.Errorf("got told %v, want why it could not be recovered", said)
		}
	}
}

// TestCommandIsBounded runs a command of the application that never ends.
func TestCommandIsBounded(t *testing.T) {
	d := open(t, "")
	if d.commandTime != 30*time.Second {
		t.Errorf("got %s for a command, want 30s", d.commandTime)
	}
	d.commandTime = 50 * time.Millisecond
	write(t, filepath.Join(d.opt.Root, "commands/hang"), "#!/bin/sh\nexec sleep 600\n", 0o755)
	_, known, err := d.command(net(t), "hang", nil)
	if !known || err == nil || !strings.Contains(err.Error(), "it took longer than 50ms") {
		t.Errorf("got %v, known: %v, want that it took too long", err, known)
	}
}

// TestCheckIsBounded runs a health check that never ends.
func TestCheckIsBounded(t *testing.T) {
	for within, want := range map[string]string{"50ms": "sleep took longer than 50ms", "1h": "sleep took longer than 10s"} {
		t.Run(within, func(t *testing.T) {
			t.Parallel()
			d := open(t, `, "health": {"command": ["sleep", "600"], "within": "`+within+`"}`)
			if err := d.health(d.Modules[0].Config)(net(t)); err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

// TestSettingsAreBounded stores settings until their file is full. What is in it stays.
func TestSettingsAreBounded(t *testing.T) {
	d := open(t, "")
	if err := d.set("interval", "60"); err != nil {
		t.Fatal(err)
	}
	const settings = "{\n  \"interval\": \"60\",\n  \"large\": \"\"\n}\n"
	err := d.set("large", strings.Repeat("x", maxSettings-len(settings)+1))
	if err == nil || !strings.Contains(err.Error(), "want at most 65536") {
		t.Errorf("got %v, want it refused", err)
	}
	if err := d.set("large", strings.Repeat("x", maxSettings-len(settings))); err != nil {
		t.Errorf("got %v, want it stored", err)
	}
	data, err := os.ReadFile(filepath.Join(d.opt.Root, settingsFile))
	if err != nil || len(data) != maxSettings || !strings.Contains(string(data), `"interval": "60"`) {
		t.Errorf("got %d bytes, %v, want the first setting among them", len(data), err)
	}
}

// TestReads names the files beyond the device's directory; that one of them is a secret's changes nothing.
func TestReads(t *testing.T) {
	d := &Device{Config: &config.Config{
		Outside: []string{"/home/pi/token"}, MQTT: config.MQTT{CA: "config/ca.pem", Cert: "/etc/me.pem", Key: "/etc/me.key"},
		Modules: []config.Module{{URL: "https://github.com/owner/a"}, {URL: "/srv/a.git"}, {URL: ""}, {URL: "ssh://git@example.com/a"}},
	}}
	want := []string{"/home/pi/token", "/etc/me.pem", "/etc/me.key", "/srv/a.git", "/root/.ssh"}
	if got := d.Reads(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
