package micropython_test

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"moult/source/forge"
	"moult/source/sourcetest"
)

// exampleBoard returns a board that runs an example with the module irrigation.
func exampleBoard(t *testing.T, word, name, app string) (*board, *sourcetest.Forge) {
	t.Helper()
	f := sourcetest.NewForge(t, forge.GitHub, false)
	b := newBoard(t, word)
	b.useExample(name)
	b.write("config/moult.json", fmt.Sprintf(`{"modules": {"irrigation": {"url": "%s/owner/irrigation", "forge": "github"}}}`, f.URL))
	f.Put("owner/irrigation", &sourcetest.Repo{Releases: []sourcetest.Release{tagged("1.0", "main", map[string]string{"app.py": app, "large": strings.Repeat("x", 200<<10)})}})
	return b, f
}

// TestDeepSleep looks for updates at every 36th time that the board wakes.
func TestDeepSleep(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		b, f := exampleBoard(t, word, "deepsleep", "def main():\n    print('measured')\n")
		b.start() // updates, and restarts
		var checks []int
		for wake := range 75 {
			f.Reset()
			end, out := b.start()
			if end != asleep || !strings.HasSuffix(out, "measured\n") {
				t.Fatalf("wake %d: status %d\n%s", wake, end, out)
			}
			if len(f.Requests()) > 0 {
				checks = append(checks, wake)
			}
		}
		if want := []int{35, 71}; !slices.Equal(checks, want) {
			t.Errorf("got checks at %v, want at %v", checks, want)
		}
	})
}

// TestWatchdog feeds a watchdog while the network is waited for and while a file is written.
func TestWatchdog(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		b, _ := exampleBoard(t, word, "watchdog", "import machine\ndef main():\n    print('fed', machine.WDT.fed)\n")
		b.write("main.py", strings.Replace(b.tree("")["main.py"], "moult.run()", "machine.reset = lambda: None\nmoult.run()", 1))
		end, out := b.start()
		var fed int
		if _, err := fmt.Sscanf(out[strings.LastIndex(out, "fed "):], "fed %d", &fed); err != nil || end != atPrompt || fed < 400 {
			t.Errorf("got status %d, fed %d times, want 400 times, once for each block of 512 bytes\n%s", end, fed, out)
		}
		if got := b.asked("wdt"); !slices.Equal(got, []string{"wdt 60000"}) {
			t.Errorf("got %q", got)
		}
	})
}

// TestWatchdogBesideLargeFiles feeds a watchdog while the device's own files are carried over, in a round and at a start.
func TestWatchdogBesideLargeFiles(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		b, f := directBoard(t, word, forge.GitHub, "")
		f.Put("owner/app", &sourcetest.Repo{Releases: []sourcetest.Release{tagged("1.0", "main", map[string]string{"app.py": "x"})}})
		b.start()
		b.write("app/main/log", strings.Repeat("x", 64<<10))
		f.Put("owner/app", &sourcetest.Repo{Releases: []sourcetest.Release{tagged("1.1", "main", map[string]string{"app.py": "y"})}})
		b.write("main.py", `import moult
fed = 0
def feed():
    global fed
    fed += 1
moult.feed = feed
moult.listener = lambda e: print("fed", fed) if e["event"] in ("staged", "updated") else None
moult.run()
`)
		_, out := b.start()
		var staged, updated int
		if _, err := fmt.Sscanf(out, "fed %d\nfed %d\n", &staged, &updated); err != nil || updated-staged < 128 {
			t.Errorf("want the watchdog fed with each block of 512 bytes that is carried over\n%s", out)
		}
		b.write("boot.py", "import moult_boot\nfed = []\nmoult_boot.start(watchdog=lambda: fed.append(1))\nprint('fed at the start', len(fed))\n")
		b.write("main.py", "")
		b.write("app/next/app.py", "z")
		b.write("app/next/.manifest", manifestOf("app", "1.2", map[string]string{"app.py": "z"}))
		b.write(".moult/state/app.json", `{"step": "staged", "main": "app/main", "keep": [], "from": "1.1", "to": "1.2", "since": "now", "limit": null}`)
		if _, out := b.start(); !strings.Contains(out, "fed at the start 128\n") || b.tree("app/main")[".version"] != "1.2" {
			t.Errorf("want the watchdog fed by the recovery\n%s", out)
		}
	})
}

// TestTLS trusts the authorities of config/ca.pem, and none else.
func TestTLS(t *testing.T) {
	f := sourcetest.NewForge(t, forge.GitHub, true)
	f.Put("owner/app", &sourcetest.Repo{Releases: []sourcetest.Release{tagged("1.0", "main", map[string]string{"app.py": runs("1.0")})}})
	conn, err := tls.Dial("tcp", strings.TrimPrefix(f.URL, "https://"), &tls.Config{InsecureSkipVerify: true})
	must(t, err)
	defer conn.Close()
	good := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: conn.ConnectionState().PeerCertificates[0].Raw}))
	data, err := os.ReadFile(filepath.Join("testdata", "other-ca.pem"))
	must(t, err)
	other := string(data)
	eachWord(t, func(t *testing.T, word string) {
		for _, test := range []struct{ name, ca, want string }{
			{"the authority", good, "runs 1.0"},
			{"among others", other + "a comment\n" + good, "runs 1.0"},
			{"another one", other, "connect to 127.0.0.1"},
			{"none", "", "got no certificate to trust in config/ca.pem"},
			{"broken", good[:300], "got no certificate to trust in config/ca.pem"},
		} {
			t.Run(test.name, func(t *testing.T) {
				b, _ := directBoard(t, word, forge.GitHub, "")
				b.write("config/moult.json", fmt.Sprintf(`{"modules": {"app": {"url": "%s/owner/app", "forge": "github"}}}`, f.URL))
				if test.ca != "" {
					b.write("config/ca.pem", test.ca)
				}
				before := len(f.Requests())
				end, out := b.boot()
				if end != atPrompt || !strings.Contains(out, test.want) {
					t.Errorf("got status %d, want %q\n%s", end, test.want, out)
				}
				if asked := len(f.Requests()) > before; asked != (test.want == "runs 1.0") {
					t.Errorf("got requests %v: want none of a server that is not trusted", asked)
				}
			})
		}
	})
}
