package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSignEvery lets 'repo sign --every' run: it signs round after round, with as much time between them as was said; a round that fails
// is told and does not end it; Ctrl-C does.
func TestSignEvery(t *testing.T) {
	p := newPublisher(t)
	key := filepath.Join(p.base, "updates-keys/online.pem")
	cmd := exec.Command("moult", "repo", "sign", "-C", "updates", "--every", "1s", "--force")
	cmd.Dir = p.base
	reader, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	safety := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() }) // nothing waits for it where all is well
	defer safety.Stop()
	ended := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		writer.Close()
		ended <- err
	}()
	lines := bufio.NewScanner(reader)
	said := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("it ended without a line %q", want)
	}

	said("signed timestamp")
	first, began := p.timestamp()
	for range 2 {
		said("signed timestamp")
	}
	last, now := p.timestamp()
	if rounds := last - first; rounds < 2 || now.Sub(began) < time.Duration(rounds)*time.Second {
		t.Errorf("got %d rounds from %s to %s, want at least 2, each a second after the one before", rounds, began, now)
	}
	if err := os.Rename(key, key+".away"); err != nil {
		t.Fatal(err)
	}
	said("sign: sign timestamp: got 0 of 1 keys")
	if err := os.Rename(key+".away", key); err != nil {
		t.Fatal(err)
	}
	said("signed timestamp")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, reader) }()
	<-ended
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("got the exit code %d, want 130, of what a person ended", code)
	}
	p.moult("verify")
}

// timestamp returns the version of the timestamp that stands, and when it was signed.
func (p *publisher) timestamp() (version int, issued time.Time) {
	p.t.Helper()
	data, err := os.ReadFile(filepath.Join(p.base, "updates/metadata/timestamp.json"))
	if err != nil {
		p.t.Fatal(err)
	}
	var m struct {
		Signed struct {
			Version int
			Issued  time.Time
		}
	}
	if err := json.Unmarshal(data, &m); err != nil {
		p.t.Fatal(err)
	}
	return m.Signed.Version, m.Signed.Issued
}
