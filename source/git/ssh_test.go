package git_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moult/fault"
	"moult/release"
	"moult/source/git"
)

// sshd is a real OpenSSH server on loopback with keys of its own.
type sshd struct {
	url, key, known string
}

func startSSH(t *testing.T) sshd {
	t.Helper()
	daemon := program(t, "openssh-server", "sshd", "/usr/sbin/sshd")
	keygen := program(t, "openssh-client", "ssh-keygen")
	dir := t.TempDir()
	for _, name := range []string{"host", "user", "stranger"} {
		if out, err := exec.Command(keygen, "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, name)).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v\n%s", err, out)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	config := filepath.Join(dir, "config")
	write(t, config, fmt.Sprintf("Port %d\nListenAddress 127.0.0.1\nHostKey %s/host\nAuthorizedKeysFile %s/user.pub\nStrictModes no\nUsePAM no\nPidFile none\n", port, dir, dir))
	if os.Getuid() == 0 { // for its own separation of privileges
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	log := filepath.Join(dir, "log")
	cmd := exec.Command(daemon, "-D", "-f", config, "-E", log)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for range 200 {
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			c.Close()
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	host, err := os.ReadFile(filepath.Join(dir, "host.pub"))
	if err != nil {
		t.Fatal(err)
	}
	known := filepath.Join(dir, "known_hosts")
	write(t, known, fmt.Sprintf("[127.0.0.1]:%d %s", port, host))
	return sshd{fmt.Sprintf("ssh://%s@127.0.0.1:%d", os.Getenv("USER")+currentUser(t), port), filepath.Join(dir, "user"), known}
}

func currentUser(t *testing.T) string {
	t.Helper()
	if os.Getenv("USER") != "" {
		return ""
	}
	out, err := exec.Command("id", "-un").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func (d sshd) options(t *testing.T) git.Options {
	temp := t.TempDir()
	t.Cleanup(func() { empty(t, temp) })
	return git.Options{SSHKey: d.key, KnownHosts: []string{d.known}, Temp: temp}
}

func write(t testing.TB, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSSHErrors(t *testing.T) {
	d := startSSH(t)
	dir := newRepo(t)
	commit(t, dir, "v1.0", "", noon, tree("a", "1"))
	other := filepath.Join(t.TempDir(), "known")
	key, err := os.ReadFile(filepath.Join(filepath.Dir(d.key), "stranger.pub"))
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(d.url, "ssh://"), ":")
	nobody := filepath.Join(t.TempDir(), "nobody")
	write(t, nobody, "")
	write(t, other, fmt.Sprintf("[127.0.0.1]:%s %s", port, key))
	stranger := filepath.Join(filepath.Dir(d.key), "stranger")

	tests := []struct {
		name, url string
		opt       git.Options
		want      error // nil for any
		hint      string
		transient bool
	}{
		{"unknown host", d.url + dir, git.Options{SSHKey: d.key, KnownHosts: []string{nobody}}, nil, "ssh-keyscan -p " + port + " 127.0.0.1", false},
		{"no known_hosts at all", d.url + dir, git.Options{SSHKey: d.key, KnownHosts: []string{nobody + "x"}}, nil, "ssh-keyscan", false},
		{"host shows another key", d.url + dir, git.Options{SSHKey: d.key, KnownHosts: []string{other}}, nil, "another key", false},
		{"key is not allowed", d.url + dir, git.Options{SSHKey: stranger, KnownHosts: []string{d.known}}, nil, "a key without passphrase", false},
		{"key is missing", d.url + dir, git.Options{SSHKey: stranger + "x", KnownHosts: []string{d.known}}, nil, "a key without passphrase", false},
		{"no repository", d.url + dir + "x", git.Options{SSHKey: d.key, KnownHosts: []string{d.known}}, release.ErrNotFound, "check the URL", false},
		{"nobody listens", "ssh://git@127.0.0.1:1/x", git.Options{SSHKey: d.key, KnownHosts: []string{d.known}}, nil, "", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := newSource(t, test.url, test.opt).Latest(t.Context(), release.Query{})
			if err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Fatalf("got %v, want an error, %v", err, test.want)
			}
			if got := fault.HintOf(err); !strings.Contains(got, test.hint) || (got == "") != (test.hint == "") {
				t.Errorf("hint of %v: got %q, want %q", err, got, test.hint)
			}
			if fault.IsTransient(err) != test.transient {
				t.Errorf("%v: got transient %v, want %v", err, fault.IsTransient(err), test.transient)
			}
		})
	}

	t.Run("server says nothing", func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			c, err := listener.Accept()
			cancel()
			if err == nil {
				defer c.Close()
				<-t.Context().Done()
			}
		}()
		_, err = newSource(t, "ssh://git@"+listener.Addr().String()+"/x", git.Options{SSHKey: d.key, KnownHosts: []string{d.known}}).Latest(ctx, release.Query{})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	})
}
