package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"moult/agent/mqtt/brokertest"
	"moult/source/sourcetest"
	"moult/update"
)

// newTwoModules is a device of two modules: irrigation has a program, and the download of other hangs until open is closed.
func newTwoModules(t *testing.T, trial string, releases ...sourcetest.Release) (b *agentBench, open chan struct{}) {
	b = newAgentBench(t, "", "", releases...)
	b.forge.Put("owner/other", &sourcetest.Repo{Releases: []sourcetest.Release{tagged("1.0", map[string]string{"data.bin": python(1, 200<<10)})}})
	writeFile(t, filepath.Join(b.dir, "config/moult.json"), fmt.Sprintf(`{"check": {"every": "200ms"}, "modules": {
		"irrigation": {"url": "%[1]s/%[2]s", "forge": "github", "run": ["sh", "main/app.sh"], %[3]s},
		"other": {"url": "%[1]s/owner/other", "forge": "github"}}}`, b.forge.URL, repository, trial))
	open = make(chan struct{})
	b.forge.Break(func(r *http.Request) bool {
		return sourcetest.IsArchive(r) && strings.Contains(r.URL.Path, "/other/")
	}, -1, sourcetest.Gate(100, open))
	return b, open
}

// TestVerdictDoesNotWaitForADownload puts a version on trial while another module's download hangs. The program starts, and the
// trial ends, each way in which it may: nothing waits.
func TestVerdictDoesNotWaitForADownload(t *testing.T) {
	tests := []struct {
		name, trial, script string
		do                  func(b *agentBench) // beside the agent
		want                update.Kind         // of the event that ends the trial; "" where another process tells it
		version             string
	}{
		{"stays up", `"trial": {"within": "300ms"}`, good, nil, update.Confirmed, "1.1"},
		{"its health check fails", `"health": {"command": ["false"], "within": "300ms"}`, good, nil, update.RolledBack, "1.0"},
		{"crashes", `"trial": {"within": "1m", "starts": 1}`, "exit 3\n", nil, update.RolledBack, "1.0"},
		{"the program confirms it", `"confirm": true, "trial": {"within": "1m"}`, "moult confirm --root \"$MOULT_ROOT\"\n" + good, nil, "", "1.1"},
		{"a person confirms it", `"confirm": true, "trial": {"within": "1m"}`, good, func(b *agentBench) { b.moult(0, "confirm", "--wait", "0s") }, "", "1.1"},
		{"a person goes back", `"confirm": true, "trial": {"within": "1m"}`, good, func(b *agentBench) { b.moult(0, "rollback", "irrigation") }, "", "1.0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b, open := newTwoModules(t, test.trial, shellProgram("1.0", good))
			b.moult(0, "update", "irrigation")
			b.moult(0, "confirm", "irrigation")
			b.publish(shellProgram("1.1", test.script))
			r := b.start()
			r.until("the other's download", func() bool {
				for _, e := range r.events {
					if e.Module == "other" && e.Kind == update.Began {
						return true
					}
				}
				return false
			})
			if test.do != nil {
				test.do(b)
			}
			if test.want != "" {
				r.event(test.want, 1)
			}
			waitStep(t, b, update.Idle, r)
			if got := installed(b.dir); got != test.version {
				t.Errorf("got version %s, want %s", got, test.version)
			}
			waitProgram(t, b)
			if got := installedModule(b.dir, "other"); got != "" {
				t.Errorf("other: got version %s, want it still on its way", got)
			}
			contains(t, b.moult(75, "update", "other"), "other: another run is at work on this device", fmt.Sprint(r.cmd.Process.Pid))
			contains(t, b.moult(0, "status"), "other: another run is at work on this device")
			close(open)
			waitUntil(t, "the other module", func() bool { return installedModule(b.dir, "other") == "1.0" })
			r.stop()
		})
	}
}

// TestCommandsBesideADownload asks a device for an update whose download hangs. What does not need the end of it is answered at once;
// what does is answered after it.
func TestCommandsBesideADownload(t *testing.T) {
	broker := brokertest.Start(t, brokertest.Config{})
	l := listen(t, broker)
	b, open := newTwoModules(t, `"trial": {"within": "100ms"}`, shellProgram("1.0", good))
	b.moult(0, "update", "irrigation")
	b.moult(0, "confirm", "irrigation")
	b.publish(shellProgram("1.1", good))
	b.moult(0, "update", "irrigation")
	b.moult(0, "confirm", "irrigation")
	file := filepath.Join(b.dir, "config/moult.json")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	more := fmt.Sprintf(`{"device": "greenhouse", "mqtt": {"url": "mqtt://%s"}, "check": {"on": "power-on"}, "modules"`, broker.Host)
	writeFile(t, file, strings.Replace(string(data), `{"check": {"every": "200ms"}, "modules"`, more, 1))
	r := b.start()
	r.event(update.Began, 1) // the first round's, of other
	l.until("status", "online", func(p string) bool { return p == "online" })
	for _, id := range []string{"u1", "u2"} {
		l.link.Publish(topic+"/cmd", 1, false, fmt.Sprintf(`{"command": "update", "args": ["other"], "id": "%s"}`, id)).Wait()
	}
	for _, ask := range [][]string{{"version"}, {"time"}, {"uptime"}, {"history"}, {"check", "irrigation"}, {"rollback", "irrigation"}} {
		if ok, text := l.ask(ask[0], ask[1:]...); !ok {
			t.Errorf("%q: got %q, want it done", ask, text)
		}
	}
	if got := installed(b.dir); got != "1.0" {
		t.Errorf("irrigation: got version %s, want that it went back", got)
	}
	l.mu.Lock()
	if replies := strings.Join(l.heard["reply"], "\n"); strings.Contains(replies, `"u1"`) || strings.Contains(replies, `"u2"`) {
		t.Errorf("an update was answered while its download hangs:\n%s", replies)
	}
	l.mu.Unlock()
	close(open)
	for _, id := range []string{"u1", "u2"} {
		reply := l.until("reply", "the answer to "+id, func(p string) bool { return strings.Contains(p, `"id":"`+id+`"`) })
		contains(t, reply, `"ok":true`, "other: nothing new")
	}
	r.stop()
}

// TestAgentStatusLeavesNoTrace looks at a folder in which nothing is.
func TestAgentStatusLeavesNoTrace(t *testing.T) {
	dir := t.TempDir()
	output, code := runMoult(t, "agent", "status", "--root", dir)
	contains(t, output, "no agent runs on this device")
	if code != 2 {
		t.Errorf("got exit code %d, want 2: nothing is configured", code)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("got %v %v, want nothing", entries, err)
	}
}
