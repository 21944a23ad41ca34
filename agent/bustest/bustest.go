// Package bustest is a private D-Bus for tests, with python-dbusmock's objects on it: NetworkManager's, systemd's and logind's.
//
// It stands on dbus-daemon and python3-dbusmock, which are Debian's; a test that needs them fails where they are missing.
package bustest

import (
	"bufio"
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// python is Debian's, whose packages the mocks are; another that is first in PATH has none of them.
const python = "/usr/bin/python3"

// patience bounds a wait for what comes at once; it is never reached unless something is broken.
const patience = 30 * time.Second

//go:embed networkmanager.py systemd.py logind.py
var mocks embed.FS

// config is a daemon that starts no services and lets everyone do everything.
const config = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:dir=%s</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`

// Bus is a bus of the test's own. It ends with the test.
type Bus struct {
	Address string
	t       testing.TB
}

// Start starts a bus.
func Start(t testing.TB) *Bus {
	t.Helper()
	dir, err := os.MkdirTemp("", "bus") // a socket's path is short, and t.TempDir's may not be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	file := filepath.Join(dir, "bus.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, config, dir), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("dbus-daemon", "--config-file="+file, "--nofork", "--print-address")
	out, in, err := os.Pipe() // cmd's own pipe is closed by Wait
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout = in
	run(t, cmd)
	in.Close()
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("dbus-daemon: read its address: %v", err)
	}
	return &Bus{strings.TrimSpace(address), t}
}

// process is a program that ends with the test.
type process struct {
	*exec.Cmd
	ended chan struct{}
}

// run starts a program. What it says on its error output is in the test's log if the test fails.
func run(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; run \"make deps\"", err)
	}
	p := &process{cmd, make(chan struct{})}
	go func() {
		cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-p.ended
		if t.Failed() && said.Len() > 0 {
			t.Logf("%s said:\n%s", filepath.Base(cmd.Path), said.String())
		}
	})
	return p
}

// Connect connects the test itself.
func (b *Bus) Connect() *dbus.Conn {
	b.t.Helper()
	conn, err := dbus.Connect(b.Address)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	return conn
}

// Mock is a service of python-dbusmock on the bus.
type Mock struct {
	Object dbus.BusObject // the service's main object, through which it is told what to do
	Stop   func()         // ends the service, as if it had crashed
	t      testing.TB
	conn   *dbus.Conn
}

// NetworkManager starts networkmanager.py; its first lines say what the parameters are.
func (b *Bus) NetworkManager(parameters map[string]any) *Mock {
	b.t.Helper()
	return b.mock("networkmanager.py", "org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager", parameters)
}

// Systemd starts systemd.py; its first lines say what the parameters are.
func (b *Bus) Systemd(parameters map[string]any) *Mock {
	b.t.Helper()
	return b.mock("systemd.py", "org.freedesktop.systemd1", "/org/freedesktop/systemd1", parameters)
}

// Logind starts logind.py; its first line says what the parameters are.
func (b *Bus) Logind(parameters map[string]any) *Mock {
	b.t.Helper()
	return b.mock("logind.py", "org.freedesktop.login1", "/org/freedesktop/login1", parameters)
}

func (b *Bus) mock(file, name, path string, parameters map[string]any) *Mock {
	b.t.Helper()
	if err := exec.Command(python, "-c", "import dbusmock").Run(); err != nil {
		b.t.Fatalf("%s: import dbusmock: %v; run \"make deps\"", python, err)
	}
	code, err := mocks.ReadFile(file)
	if err != nil {
		b.t.Fatal(err)
	}
	template := filepath.Join(b.t.TempDir(), file)
	if err := os.WriteFile(template, code, 0o644); err != nil {
		b.t.Fatal(err)
	}
	if parameters == nil {
		parameters = map[string]any{}
	}
	given, err := json.Marshal(parameters)
	if err != nil {
		b.t.Fatal(err)
	}

	conn := b.Connect()
	owners := make(chan *dbus.Signal, 8)
	conn.Signal(owners)
	if err := conn.AddMatchSignal(dbus.WithMatchSender("org.freedesktop.DBus"), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, name)); err != nil {
		b.t.Fatal(err)
	}
	cmd := exec.Command(python, "-B", "-m", "dbusmock", "--system", "--template", template, "--parameters", string(given))
	cmd.Env = append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS="+b.Address)
	service := run(b.t, cmd)
	awaitOwner(b.t, owners, service.ended, name, true)
	return &Mock{
		Object: conn.Object(name, dbus.ObjectPath(path)),
		Stop:   func() { cmd.Process.Kill(); awaitOwner(b.t, owners, nil, name, false) },
		t:      b.t,
		conn:   conn,
	}
}

// awaitOwner waits until the name has an owner, or has none.
func awaitOwner(t testing.TB, owners <-chan *dbus.Signal, ended <-chan struct{}, name string, owned bool) {
	t.Helper()
	for {
		select {
		case signal := <-owners:
			if signal != nil && signal.Name == "org.freedesktop.DBus.NameOwnerChanged" && (signal.Body[2] != "") == owned {
				return
			}
		case <-ended:
			t.Fatalf("%s: the mock ended", name)
		case <-time.After(patience):
			t.Fatalf("%s: got no change of its owner in %v, want owned: %t", name, patience, owned)
		}
	}
}

// Quiet returns a channel that gets a value each time that the mock has come to where nothing more will happen of what was asked.
func (m *Mock) Quiet() <-chan struct{} {
	m.t.Helper()
	signals := make(chan *dbus.Signal, 16)
	m.conn.Signal(signals)
	if err := m.conn.AddMatchSignal(dbus.WithMatchInterface("org.freedesktop.DBus.Mock"), dbus.WithMatchMember("Quiet")); err != nil {
		m.t.Fatal(err)
	}
	quiet := make(chan struct{}, 16)
	go func() {
		for signal := range signals {
			if signal.Name == "org.freedesktop.DBus.Mock.Quiet" {
				quiet <- struct{}{}
			}
		}
	}()
	return quiet
}

// Call calls a method of the mock itself, and stores what it returns in ret, which may be nil.
func (m *Mock) Call(ret any, method string, args ...any) {
	m.t.Helper()
	call := m.Object.Call("org.freedesktop.DBus.Mock."+method, 0, args...)
	err := call.Err
	if err == nil && ret != nil {
		err = call.Store(ret)
	}
	if err != nil {
		m.t.Fatalf("mock: %s: %v", method, err)
	}
}

// Log returns what was asked of the service, a line each, in order.
func (m *Mock) Log() []string {
	m.t.Helper()
	var log []string
	m.Call(&log, "Log")
	return log
}
