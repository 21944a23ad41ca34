package micropython_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"moult/source/forge"
	"moult/source/sourcetest"
)

// trialBoard returns a board that runs release 1.0 of a module that confirms itself, and the forge that it asks.
func trialBoard(t *testing.T, word string) (*board, *sourcetest.Forge) {
	t.Helper()
	f := sourcetest.NewForge(t, forge.GitHub, false)
	b := newBoard(t, word)
	b.write("boot.py", "import machine\nwdt = machine.WDT(timeout=60000)\nimport moult_boot\nmoult_boot.start()\n")
	b.write("main.py", "import moult\nmoult.feed = wdt.feed\nmoult.run()\nmoult.start('app.main.app', 'main')\n")
	b.write("config/moult.json", fmt.Sprintf(`{"leds": {"yellow": 1, "green": 2},
		"modules": {"app": {"url": "%s/owner/app", "forge": "github", "confirm": true, "trial": {"starts": 3, "within": "60s"}}}}`, f.URL))
	publish(f, "1.0", "import moult\ndef main():\n    moult.confirm()\n    print('runs 1.0')\n")
	if end, out := b.boot(); end != atPrompt || !strings.HasSuffix(out, "runs 1.0\n") {
		t.Fatalf("status %d:\n%s", end, out)
	}
	b.wantHistory("switched app 1.0", "confirmed app 1.0")
	b.write("app/main/secrets.py", "key")
	b.asked()
	return b, f
}

func publish(f *sourcetest.Forge, tag, app string) {
	f.Put("owner/app", &sourcetest.Repo{Releases: []sourcetest.Release{tagged(tag, "main", map[string]string{"app.py": app})}})
}

// TestBadRelease gives a board releases that go wrong, each in its way. Each goes back by itself, with its reason, and
// is not tried again.
func TestBadRelease(t *testing.T) {
	tests := []struct {
		name, app string
		reason    string
	}{
		{"crashes at import", "raise RuntimeError('broken sensor')", "it failed: RuntimeError: broken sensor"},
		{"has no function of the name", "x = 1", "it failed: AttributeError"},
		{"crashes when it runs", "def main():\n    1 / 0\n", "it failed: ZeroDivisionError"},
		{"is no Python", "def main(:\n", "it failed: SyntaxError"},
		{"takes all memory", "def main():\n    x = []\n    while True:\n        x.append(bytearray(100000))\n", "it failed: out of memory"},
		{"comes back without a word", "def main():\n    import machine\n    machine.fire()\n", "it did not confirm itself within 60s"},
		{"hangs in Python", "def main():\n    import machine\n    while True:\n        machine.fire()\n", "it did not confirm itself within 60s"},
		{"hangs below Python", "def main():\n    print('hangs')\n    while True:\n        pass\n", "it was started 3 times and nothing confirmed it"},
		{"resets in a loop", "import machine\nmachine.reset()\n", "it was started 3 times and nothing confirmed it"},
		{"resets in a loop when it runs", "import machine\ndef main():\n    machine.reset()\n", "it was started 3 times and nothing confirmed it"},
		{"removes itself", "import os, machine\ndef main():\n    os.remove('app/main/.version')\n    os.remove('app/main/.manifest')\n    os.remove('app/main/app.py')\n    machine.reset()\n",
			"it failed: ImportError"},
	}
	eachWord(t, func(t *testing.T, word string) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				b, f := trialBoard(t, word)
				publish(f, "1.1", test.app)
				output := ""
				for range 12 {
					end, out := b.startUntilHung()
					output += out
					if end == atPrompt && strings.HasSuffix(out, "runs 1.0\n") {
						break
					}
				}
				if !strings.HasSuffix(output, "runs 1.0\n") {
					t.Fatalf("it did not go back:\n%s", output)
				}
				b.wantTree("app/main", map[string]string{".version": "1.0", "app.py": "import moult\ndef main():\n    moult.confirm()\n    print('runs 1.0')\n", "secrets.py": "key"})
				b.wantHistory("switched app 1.0", "confirmed app 1.0", "switched app 1.1", "rolled-back app 1.0")
				events := b.history()
				if last := events[len(events)-1]; !strings.HasPrefix(last.Reason, test.reason) || last.From != "1.1" {
					t.Errorf("rolled back: got from %q, reason %q, want 1.1, %q", last.From, last.Reason, test.reason)
				}
				// It is not tried again; a newer one is.
				end, out := b.boot()
				if end != atPrompt || !strings.Contains(out, "1.1 was rolled back") {
					t.Errorf("again: got status %d, want it refused\n%s", end, out)
				}
				publish(f, "1.2", "import moult\ndef main():\n    moult.confirm()\n    print('runs 1.2')\n")
				if end, out = b.boot(); end != atPrompt || !strings.HasSuffix(out, "runs 1.2\n") {
					t.Errorf("a newer one: got status %d\n%s", end, out)
				}
			})
		}
	})
}

// startUntilHung starts the board once. One that says that it hangs is killed, as by its watchdog.
func (b *board) startUntilHung() (end int, output string) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.t.Context(), patience)
	defer stop()
	cmd := b.command(ctx, abs(b.t, "tests/board.py"))
	out := &watched{word: "hangs\n", found: func() { _ = cmd.Process.Kill() }} // it may have ended
	cmd.Stdout, cmd.Stderr = out, out
	must(b.t, cmd.Start())
	_ = cmd.Wait() // how it ended is in its state
	return cmd.ProcessState.ExitCode(), out.text.String()
}

// watched is an output that is told of when a word comes.
type watched struct {
	text  strings.Builder
	word  string
	found func()
}

func (w *watched) Write(p []byte) (int, error) {
	w.text.Write(p)
	if strings.HasSuffix(w.text.String(), w.word) {
		w.found()
	}
	return len(p), nil
}

// TestFirstReleaseFails keeps a first version that fails, as there is nothing to go back to, and takes the next.
func TestFirstReleaseFails(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		f := sourcetest.NewForge(t, forge.GitHub, false)
		b := newBoard(t, word)
		b.write("boot.py", "import moult_boot\nmoult_boot.start()\n")
		b.write("main.py", "import moult\nmoult.run()\nmoult.start('app.main.app')\n")
		b.write("config/moult.json", fmt.Sprintf(`{"modules": {"app": {"url": "%s/owner/app", "forge": "github", "confirm": true}}}`, f.URL))
		publish(f, "1.0", "raise ValueError('first')")
		if end, out := b.boot(); end != crashed || !strings.Contains(out, "ValueError: first") {
			t.Fatalf("got status %d, want the application's own error at the prompt\n%s", end, out)
		}
		publish(f, "1.1", "import moult\nmoult.confirm()\nprint('runs 1.1')\n")
		if end, out := b.boot(); end != atPrompt || !strings.HasSuffix(out, "runs 1.1\n") {
			t.Fatalf("status %d\n%s", end, out)
		}
		b.wantHistory("switched app 1.0", "failed app 1.0", "switched app 1.1", "confirmed app 1.1")
	})
}

// TestTrialBesideANetwork lets the time of a trial pass while moult waits for a network: the application gets it again, once it can run.
func TestTrialBesideANetwork(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		b, f := directBoard(t, word, forge.GitHub, `"confirm": true`)
		f.Put("owner/app", &sourcetest.Repo{Releases: []sourcetest.Release{tagged("1.0", "main", map[string]string{"app.py": "x"})}})
		b.start()
		b.cause = "5"
		b.write("main.py", `import machine, moult
fired = []
def feed():
    if not fired:
        fired.append(True)
        machine.fire()
moult.feed = feed
moult.run()
print("went on", len(fired))
machine.fire()
`)
		if end, out := b.start(); end != wasReset || !strings.HasSuffix(out, "went on 1\n") {
			t.Errorf("status %d, want a reset for the time behind the round alone\n%s", end, out)
		}
	})
}

// TestBadUpdater goes back from an updater that does not even load: the recovery stands outside it.
func TestBadUpdater(t *testing.T) {
	bad := map[string]map[string]string{
		"is no Python":            {"moult/__init__.py": "def broken(:\n"},
		"has a bad moult_boot":    {"moult_boot.py": "raise SystemExit(3)\n"},
		"cannot do a round":       {"moult/http.py": "raise OSError(5)\n"},
		"lost half of its files":  {"moult/core.py": ""},
		"resets at every start":   {"moult/agent.py": "import machine\nmachine.reset()\n"},
		"is for another firmware": {"moult/__init__.py": "", "moult/__init__.mpy": "M\x01\x00\x1f"},
	}
	eachWord(t, func(t *testing.T, word string) {
		for name, files := range bad {
			t.Run(name, func(t *testing.T) {
				f := sourcetest.NewForge(t, forge.GitHub, false)
				b := newBoard(t, word)
				b.path = ""
				b.installPackage("updater/main")
				good := packageFiles(t)
				b.write("updater/main/.version", "1.0")
				b.write("updater/main/.manifest", manifestOf("updater", "1.0", good))
				b.installRecovery()
				b.write("boot.py", "import moult_boot\nmoult_boot.start('updater')\ndel moult_boot\n")
				b.write("main.py", "try:\n    import moult\n    moult.run()\nexcept Exception as e:\n    print('updater:', e)\nprint('the application runs')\n")
				b.write("config/moult.json", fmt.Sprintf(`{"modules": {"updater": {"url": "%s/owner/updater", "forge": "github"}}}`, f.URL))
				release := with(good, files)
				if release["moult/__init__.py"] == "" {
					delete(release, "moult/__init__.py")
				}
				f.Put("owner/updater", &sourcetest.Repo{Releases: []sourcetest.Release{tagged("1.1", "main", release)}})
				for range 10 {
					b.start() // the power goes off and on
				}
				if got := b.tree("updater/main")[".version"]; got != "1.0" {
					t.Errorf("got version %s, want 1.0 again", got)
				}
				if events := b.history(); events[0].Event != "switched" || events[len(events)-1].Event != "rolled-back" {
					t.Errorf("history: got %v, want it switched, and in the end rolled back", events)
				}
				if end, out := b.boot(); end != atPrompt || !strings.HasSuffix(out, "the application runs\n") || !strings.Contains(out, "1.1 was rolled back") {
					t.Errorf("status %d\n%s", end, out)
				}
			})
		}
	})
}
