// Package brokertest runs a real broker, mosquitto, for tests: it can be stopped, killed and started again at the same
// port. A [Link] in front of it can be cut, held and made to lose acknowledgements.
package brokertest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is a safety net: nothing waits for it where all is well.
const patience = 20 * time.Second

// Config is what a broker is to do. The zero Config is a broker that lets everybody in, over plain TCP.
type Config struct {
	Users       map[string]string // to their passwords; nobody else is let in then
	CA          string            // a file: clients must have a certificate that it signed
	Cert, Key   string            // files: the broker speaks TLS
	WebSockets  bool
	Persistence bool     // sessions and retained messages outlive a stop; after a kill, what the last stop kept is there
	Lines       []string // more of mosquitto.conf
}

// Broker is a mosquitto of a test's own.
type Broker struct {
	Host string // 127.0.0.1:port
	t    testing.TB
	dir  string
	cmd  *exec.Cmd
	gone chan struct{} // closed when the process has ended
	out  *output
}

// Start starts a broker, which ends with the test.
func Start(t testing.TB, config Config) *Broker {
	t.Helper()
	for range 5 { // the port may be taken between finding and using it
		b := &Broker{t: t, dir: t.TempDir(), Host: freePort(t)}
		b.write(config)
		if b.start() == nil {
			t.Cleanup(b.Kill)
			return b
		}
	}
	t.Fatal("mosquitto found no port")
	return nil
}

// Stop ends the broker in order.
func (b *Broker) Stop() { b.end(syscall.SIGTERM) }

// Kill ends it at once.
func (b *Broker) Kill() { b.end(syscall.SIGKILL) }

// Restart starts an ended broker again, at the same port and with the same files.
func (b *Broker) Restart() {
	b.t.Helper()
	if err := b.start(); err != nil {
		b.t.Fatal(err)
	}
}

// Log returns what the broker printed.
func (b *Broker) Log() string { return b.out.String() }

func (b *Broker) write(config Config) {
	b.t.Helper()
	_, port, _ := net.SplitHostPort(b.Host)
	lines := []string{"listener " + port + " 127.0.0.1", "log_dest stderr", "allow_anonymous " + fmt.Sprint(config.Users == nil)}
	if os.Getuid() == 0 {
		lines = append(lines, "user root") // else it becomes another user, who may not read the test's files
	}
	if config.WebSockets {
		lines = append(lines, "protocol websockets")
	}
	if config.Cert != "" {
		lines = append(lines, "certfile "+config.Cert, "keyfile "+config.Key)
	}
	if config.CA != "" {
		lines = append(lines, "cafile "+config.CA, "require_certificate true")
	}
	if config.Persistence {
		lines = append(lines, "persistence true", "persistence_location "+b.dir+"/")
	}
	if config.Users != nil {
		file := filepath.Join(b.dir, "users")
		b.must(os.WriteFile(file, nil, 0o600))
		for user, password := range config.Users {
			out, err := exec.Command(find(b.t, "mosquitto_passwd"), "-b", file, user, password).CombinedOutput()
			if err != nil {
				b.t.Fatalf("mosquitto_passwd: %v\n%s", err, out)
			}
		}
		lines = append(lines, "password_file "+file)
	}
	if config.WebSockets { // of which alone mosquitto 2.0.11 says that it is none
		_, other, _ := net.SplitHostPort(freePort(b.t))
		lines = append(lines, "listener "+other+" 127.0.0.1")
	}
	lines = append(lines, config.Lines...)
	b.must(os.WriteFile(filepath.Join(b.dir, "mosquitto.conf"), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
}

// start starts the process and waits until it listens.
func (b *Broker) start() error {
	b.t.Helper()
	b.out = &output{}
	b.cmd = exec.Command(find(b.t, "mosquitto"), "-c", filepath.Join(b.dir, "mosquitto.conf"))
	b.cmd.Stdout, b.cmd.Stderr = b.out, b.out
	if err := b.cmd.Start(); err != nil {
		return err
	}
	gone := make(chan struct{})
	b.gone = gone
	go func() {
		_ = b.cmd.Wait() // how it ended is no matter
		close(gone)
	}()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if strings.Contains(b.Log(), " running\n") {
			return nil
		}
		select {
		case <-gone:
			return fmt.Errorf("mosquitto ended: %s", b.Log())
		case <-time.After(5 * time.Millisecond):
		}
	}
	return fmt.Errorf("mosquitto does not listen: %s", b.Log())
}

func (b *Broker) end(signal syscall.Signal) {
	_ = b.cmd.Process.Signal(signal) // it may have ended
	<-b.gone
}

func (b *Broker) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// find returns where a program of mosquitto's is; a server's folder may not be in the path.
func find(t testing.TB, program string) string {
	t.Helper()
	for _, name := range []string{program, "/usr/sbin/" + program, "/usr/local/sbin/" + program} {
		if found, err := exec.LookPath(name); err == nil {
			return found
		}
	}
	t.Fatalf("%s is not installed: make deps", program)
	return ""
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// output is what a process prints, to be read while it does.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
