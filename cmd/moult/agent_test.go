package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"moult/agent"
	"moult/source/sourcetest"
	"moult/update"
)

// TestBadReleases lets a release go wrong in each of the ways there are. Each goes back by itself, within its limits and
// with its reason, and is not tried again.
func TestBadReleases(t *testing.T) {
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }))
	t.Cleanup(sick.Close)
	tests := []struct {
		name, module, script string
		says                 string // in the event's reason
		exits                int    // how often the program may end by itself
	}{
		{"answers well and crashes a moment later", `"health": {"command": ["true"], "within": "6s"}, "trial": {"starts": 1}`, "sleep 1; exit 7\n", "exit status 7", 1},
		{"exits at once", `"trial": {"within": "5s"}`, "echo broken; exit 3\n", "did not stay up in 3 starts: exit status 3: broken", 3},
		{"crashes after a while", `"trial": {"within": "30s", "starts": 2}`, "sleep 0.3; kill -SEGV $$\n", "did not stay up in 2 starts: signal: segmentation fault", 2},
		{"hangs", `"health": {"command": ["sh", "-c", "test -e irrigated"], "within": "2s"}`, "echo hanging; sleep 1000\n", "health check failed for 2s: sh: exit status 1; it printed: hanging", 0},
		{"fails its health check", `"health": {"http": "` + sick.URL + `", "within": "2s"}`, good, "got status 500", 0},
		{"a health check that hangs", `"health": {"command": ["sleep", "1000"], "within": "2s"}`, good, "took longer", 0},
		{"deletes its own files", `"trial": {"within": "5s", "starts": 1}`, "rm -rf main; exit 1\n", "did not stay up in 1 starts: exit status 1", 1},
		{"forks and leaves children", `"trial": {"within": "5s", "starts": 1}`, "(env -i setsid sh -c 'exec sleep 9876' &); sleep 0.2; exit 1\n", "exit status 1", 1},
		{"its confirm never comes", `"confirm": true, "trial": {"within": "2s"}`, good, "did not confirm itself within 2s", 0},
		{"is no program", `"trial": {"within": "5s", "starts": 1}`, "\x00\x01", "did not stay up", 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newAgentBench(t, test.module, `"check": {"every": "200ms"}`, shellProgram("1.0", good))
			b.moult(0, "update")
			b.moult(0, "confirm")
			writeFile(t, filepath.Join(b.dir, "irrigation/main/secrets.py"), "key")
			b.publish(shellProgram("1.1", test.script))
			r := b.start()
			back := r.event(update.RolledBack, 1)
			contains(t, back.Reason, test.says)
			if back.From.String() != "1.1" || back.Version.String() != "1.0" {
				t.Errorf("got from %s to %s, want from 1.1 to 1.0", back.From, back.Version)
			}
			if exits := r.count(agent.Exited); exits > test.exits {
				t.Errorf("got %d exits, want at most %d: the loop is bounded", exits, test.exits)
			}
			r.until("that the bad one is refused", func() bool {
				return slices.ContainsFunc(r.events, func(e update.Event) bool { return strings.Contains(e.Text, "1.1 was rolled back") })
			})
			b.wantMain(map[string]string{".version": "1.0", "app.sh": good, "secrets.py": "key"})
			if r.count(update.Switched) != 1 {
				t.Errorf("got it switched to %d times, want once", r.count(update.Switched))
			}
			if left, _ := exec.Command("pgrep", "-f", "sleep 9876").Output(); test.name == "forks and leaves children" && len(left) > 0 {
				t.Errorf("got children left behind: %s", left)
			}
			b.publish(shellProgram("1.2", good))
			r.until("the next release", func() bool { return installed(b.dir) == "1.2" })
			r.stop()
		})
	}
}

// TestBadReleaseFillsTheDisk goes back on a disk without a byte to spare.
func TestBadReleaseFillsTheDisk(t *testing.T) {
	b := newAgentBench(t, `"trial": {"within": "5s"}`, "", shellProgram("1.0", good))
	b.more = `"check": {"every": "200ms"}`
	b.write()
	config := filepath.Join(b.dir, "config/moult.json")
	// A disk of its own, in a namespace of its own. The configuration comes from the one outside.
	script := fmt.Sprintf(`set -e; cp %[2]s /tmp/moult-$$.json; mount -t tmpfs -o size=3m none %[1]s; mkdir %[1]s/config; mv /tmp/moult-$$.json %[2]s
moult update --root %[1]s >/dev/null; moult confirm --root %[1]s >/dev/null; echo ready; read go; exec "$@"`, b.dir, config)
	before := []string{"unshare", "--mount", "sh", "-c", script, "sh"}
	if os.Getuid() != 0 {
		before = append([]string{"unshare", "--map-root-user"}, before[1:]...)
	}
	gate, err := os.CreateTemp(t.TempDir(), "gate")
	if err != nil {
		t.Fatal(err)
	}
	gate.WriteString("go\n")
	gate.Seek(0, 0)
	b.publish(shellProgram("1.1", "cat /dev/zero >../fill 2>/dev/null; cat /dev/zero >main/core 2>/dev/null; echo full; exit 1\n"))
	b.publish()
	// The first version is installed by name, so that the second is there from the start.
	before[len(before)-2] = strings.Replace(script, "moult update", "moult update --to 1.0", 1)
	r := b.startWith(gate, before...)
	back := r.event(update.RolledBack, 1)
	contains(t, back.Reason, "full")
	inside := fmt.Sprintf("/proc/%d/root%s", r.cmd.Process.Pid, b.dir)
	r.until("the version before", func() bool { return installed(inside) == "1.0" })
	r.stop()
}

// TestEarlierSystemsRoutine is what both earlier systems do at a start, row by row.
func TestEarlierSystemsRoutine(t *testing.T) {
	t.Run("A: checks after power-on only", func(t *testing.T) {
		b := newAgentBench(t, `"trial": {"within": "100ms"}`, `"check": {"on": "power-on"}`, shellProgram("1.0", good))
		r := b.start()
		contains(t, r.event(agent.Started, 1).Text, "the power came on")
		r.event(update.Confirmed, 1)
		r.stop()
		b.publish(shellProgram("1.1", good))
		r = b.start()
		contains(t, r.event(agent.Started, 1).Text, "the agent was restarted")
		waitProgram(t, b)
		r.stop()
		if got := installed(b.dir); got != "1.0" || r.count(update.Checked) != 0 {
			t.Errorf("got version %s and %d checks after a restart, want 1.0 and none", got, r.count(update.Checked))
		}
		writeFile(t, filepath.Join(b.dir, ".moult/boot"), "another boot\n") // as after the power came back
		r = b.start()
		r.event(update.Switched, 1)
		r.stop()
	})
	t.Run("B: checks at every start", func(t *testing.T) {
		b := newAgentBench(t, `"trial": {"within": "100ms"}`, "", shellProgram("1.0", good))
		for _, tag := range []string{"1.0", "1.1"} {
			b.publish(shellProgram(tag, good))
			r := b.start()
			r.event(update.Confirmed, 1)
			r.stop()
			if got := installed(b.dir); got != tag {
				t.Errorf("got version %s, want %s", got, tag)
			}
		}
	})
	t.Run("B: yellow off when all went well, green twice after an update", func(t *testing.T) {
		b := newAgentBench(t, `"trial": {"within": "10s"}`, "", shellProgram("1.0", good))
		r := b.start()
		wantLights(t, r, "● yellow  ○ green", "○ yellow  ○ green", "○ yellow  ● green", "○ yellow  ○ green", "○ yellow  ● green", "○ yellow  ○ green")
		r.stop()
	})
	t.Run("B: green once when nothing was new", func(t *testing.T) {
		b := newAgentBench(t, `"trial": {"within": "10s"}`, "", shellProgram("1.0", good))
		b.moult(0, "update")
		b.moult(0, "confirm")
		r := b.start()
		wantLights(t, r, "● yellow  ○ green", "○ yellow  ○ green", "○ yellow  ● green", "○ yellow  ○ green")
		r.stop()
	})
	t.Run("B: yellow stays on while the update fails, and the program runs all the same", func(t *testing.T) {
		b := newAgentBench(t, `"trial": {"within": "100ms"}`, "", shellProgram("1.0", good))
		b.moult(0, "update")
		b.moult(0, "confirm")
		b.publish(shellProgram("1.1", good))
		b.forge.Break(nil, -1, sourcetest.Status(404))
		r := b.start()
		r.event(update.Failed, 1)
		waitProgram(t, b)
		r.mu.Lock()
		if want := []string{"● yellow  ○ green"}; !slices.Equal(r.lights, want) {
			t.Errorf("lights: got %q, want %q", r.lights, want)
		}
		r.mu.Unlock()
		b.forge.Mend()
		r.event(update.Confirmed, 1) // it was retried until it was resolved
		r.until("yellow to go off", func() bool { return slices.Contains(r.lights, "○ yellow  ○ green") })
		r.stop()
	})
}

// wantLights waits for just these lights, in this order.
func wantLights(t *testing.T, r *running, want ...string) {
	t.Helper()
	r.until("the lights", func() bool { return len(r.lights) >= len(want) })
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.lights[:len(want)], want) {
		t.Errorf("lights: got %q, want %q", r.lights, want)
	}
}

// waitProgram waits until the module's program has printed that it is up.
func waitProgram(t *testing.T, b *agentBench) {
	t.Helper()
	log := filepath.Join(b.dir, ".moult/log/irrigation.log")
	waitUntil(t, "the program", func() bool {
		data, _ := os.ReadFile(log)
		return strings.Contains(string(data), "up\n")
	})
}

// TestAgentKilledInEveryState kills the agent and all that it started, as a power cut does, in each state that the journal
// names. The next start goes on rightly.
func TestAgentKilledInEveryState(t *testing.T) {
	kill := func(operation string, n int) []string {
		return []string{"strace", "-f", "-qq", "-o", "/dev/null", "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", operation, n)}
	}
	slow := "trap 'sleep 0.5; exit' TERM; " + good // it takes its time to end: so the module is staged for a while
	tests := []struct {
		step   update.Step
		script string // of the release on its way
		under  []string
		prompt func(b *agentBench)
		want   string // the version in the end
	}{
		{update.Fetching, good, nil, func(b *agentBench) {
			open := make(chan struct{})
			b.t.Cleanup(func() { close(open) })
			b.forge.Break(sourcetest.IsArchive, 1, sourcetest.Gate(100, open))
		}, "1.1"},
		{update.Staged, good, nil, nil, "1.1"},
		{update.Switching, good, kill("renameat2", 1), nil, "1.1"},
		{update.Trial, good, nil, nil, "1.1"},
		{update.RollingBack, "exit 1\n", kill("renameat2", 2), nil, "1.0"},
	}
	for _, test := range tests {
		t.Run(string(test.step), func(t *testing.T) {
			b := newAgentBench(t, `"trial": {"within": "1s", "starts": 2}`, `"check": {"every": "200ms"}`, shellProgram("1.0", slow))
			b.moult(0, "update")
			b.moult(0, "confirm")
			if test.prompt != nil {
				test.prompt(b)
			}
			var r *running
			if test.step == update.Staged { // the program runs already, and takes its time to end
				r = b.start()
				waitProgram(t, b)
				b.publish(shellProgram("1.1", test.script))
			} else {
				b.publish(shellProgram("1.1", test.script))
				r = b.start(test.under...)
			}
			waitStep(t, b, test.step, r)
			r.kill()
			if got := stepOf(t, b); got != test.step {
				t.Errorf("killed in %q, want %q", got, test.step)
			}
			b.forge.Mend()
			r = b.start()
			kind := update.Confirmed
			if test.want == "1.0" {
				kind = update.RolledBack
			}
			r.event(kind, 1)
			r.stop()
			if got := installed(b.dir); got != test.want {
				t.Errorf("got version %s, want %s", got, test.want)
			}
			if got := stepOf(t, b); got != update.Idle {
				t.Errorf("got state %q, want idle", got)
			}
		})
	}
}

// TestTrialIsCountedAcrossStarts lets the board go down again and again with a version on trial.
func TestTrialIsCountedAcrossStarts(t *testing.T) {
	b := newAgentBench(t, `"confirm": true, "trial": {"within": "10m", "starts": 3}`, "", shellProgram("1.0", good))
	b.moult(0, "update")
	b.moult(0, "confirm")
	b.publish(shellProgram("1.1", good))
	for range 3 {
		_ = os.Remove(filepath.Join(b.dir, ".moult/log/irrigation.log"))
		r := b.start()
		waitProgram(t, b)
		r.kill()
	}
	r := b.start()
	back := r.event(update.RolledBack, 1)
	contains(t, back.Reason, "started 3 times and nothing confirmed it")
	// Both are on together in no other pattern than the one of a roll back, where one goes on before the other goes off.
	r.until("the roll back on the LEDs", func() bool { return slices.Contains(r.lights, "● yellow  ● green") })
	r.stop()
}

// TestProgramConfirmsItself is the program's own word, as a shell program gives it.
func TestProgramConfirmsItself(t *testing.T) {
	b := newAgentBench(t, `"confirm": true, "trial": {"within": "1m"}`, "", shellProgram("1.0", "moult confirm \"$MOULT_MODULE\" --root \"$MOULT_ROOT\"\n"+good))
	r := b.start()
	r.event(update.Switched, 1)
	waitStep(t, b, update.Idle, r)
	r.stop()
	contains(t, b.moult(0, "history"), "1.0 is confirmed")
}

// TestTwoAgents lets a second agent start on a device that has one.
func TestTwoAgents(t *testing.T) {
	b := newAgentBench(t, `"trial": {"within": "100ms"}`, "", shellProgram("1.0", good))
	r := b.start()
	r.event(update.Confirmed, 1)
	contains(t, b.moult(0, "agent", "status"), "an agent runs on this device")
	contains(t, b.moult(75, "agent"), "an agent runs on this device already")
	r.stop()
	contains(t, b.moult(0, "agent", "status"), "no agent runs on this device")
}

// TestPersonUpdatesBesideTheAgent installs a version by hand. The agent runs that one, and judges it.
func TestPersonUpdatesBesideTheAgent(t *testing.T) {
	t.Parallel()
	b := newAgentBench(t, `"trial": {"within": "500ms"}`, "", shellProgram("1.0", "echo one\n"+good))
	r := b.start()
	r.event(update.Confirmed, 1)
	b.publish(shellProgram("1.1", "echo two\n"+good))
	b.moult(0, "update")
	r.event(update.Confirmed, 2)
	r.stop()
	contains(t, b.moult(0, "agent", "logs", "irrigation"), "one\nup\n", "two\nup\n")
	contains(t, b.moult(2, "agent", "logs", "irrigation", "--last", "-1"), "--last")
}

// TestKilledAgentTakesItsProgramAlong kills the agent alone. No program is left that nobody looks after.
func TestKilledAgentTakesItsProgramAlong(t *testing.T) {
	b := newAgentBench(t, `"trial": {"within": "100ms"}`, "", shellProgram("1.0", "echo up; exec sleep 98761\n"))
	r := b.start()
	r.event(update.Confirmed, 1)
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-r.done
	waitUntil(t, "the program to end", func() bool { return exec.Command("pgrep", "-f", "sleep 98761").Run() != nil })
}

// TestAgentTellsSystemd hears what the agent tells systemd: that it is ready, that it lives, again and again, and that it ends.
func TestAgentTellsSystemd(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	hear := func() string {
		t.Helper()
		data := make([]byte, 256)
		_ = socket.SetReadDeadline(time.Now().Add(patience))
		n, err := socket.Read(data)
		if err != nil {
			t.Fatalf("systemd was told nothing: %v", err)
		}
		return string(data[:n])
	}
	b := newAgentBench(t, `"trial": {"within": "100ms"}`, "", shellProgram("1.0", good))
	r := b.start("env", "NOTIFY_SOCKET="+name, "WATCHDOG_USEC=100000")
	heard := map[string]int{}
	for heard["READY=1"] == 0 || heard["WATCHDOG=1"] < 3 {
		heard[hear()]++
	}
	r.stop()
	for heard["STOPPING=1"] == 0 {
		heard[hear()]++
	}
}
