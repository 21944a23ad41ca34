package systemd_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"moult/agent/systemd"
)

func TestNotify(t *testing.T) {
	dir, err := os.MkdirTemp("", "notify") // a socket's path is short, and t.TempDir's may not be
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, test := range []struct{ name, socket string }{
		{"a path", filepath.Join(dir, "socket")},
		{"an abstract name", fmt.Sprintf("@moult-test-%d", os.Getpid())},
	} {
		t.Run(test.name, func(t *testing.T) {
			socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: test.socket, Net: "unixgram"})
			if err != nil {
				t.Fatal(err)
			}
			defer socket.Close()
			t.Setenv("NOTIFY_SOCKET", test.socket)
			for _, state := range []string{"READY=1", "WATCHDOG=1", "STATUS=fetching irrigation 1.10.0 …\nREADY=1", "STOPPING=1"} {
				if err := systemd.Notify(state); err != nil {
					t.Fatal(err)
				}
				buf := make([]byte, 4096)
				n, err := socket.Read(buf)
				if got := string(buf[:n]); err != nil || got != state {
					t.Errorf("got %q, %v, want %q", got, err, state)
				}
			}
		})
	}
}

func TestNotifyNobody(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := systemd.Notify("READY=1"); err != nil {
		t.Errorf("without a socket: got %v, want no error", err)
	}
	for _, socket := range []string{filepath.Join(t.TempDir(), "none"), "vsock:2:1234", "relative"} {
		t.Setenv("NOTIFY_SOCKET", socket)
		if err := systemd.Notify("READY=1"); err == nil || !strings.HasPrefix(err.Error(), "notify systemd: ") {
			t.Errorf("%s: got %v, want an error", socket, err)
		}
	}
}

func TestWatchdogInterval(t *testing.T) {
	for _, test := range []struct {
		name, usec, pid string
		want            time.Duration
	}{
		{"none", "", "", 0},
		{"ours", "120000000", strconv.Itoa(os.Getpid()), 2 * time.Minute},
		{"anyone's", "1500", "", 1500 * time.Microsecond},
		{"another's", "120000000", "1", 0},
		{"not a number", "2min", "", 0},
		{"below zero", "-1", "", 0},
		{"zero", "0", "", 0},
		{"past all time", "9223372036854775807", "", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("WATCHDOG_USEC", test.usec)
			t.Setenv("WATCHDOG_PID", test.pid)
			if got := systemd.WatchdogInterval(); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
