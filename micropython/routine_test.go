package micropython_test

import (
	"fmt"
	"strings"
	"testing"

	"moult/source/forge"
	"moult/source/sourcetest"
)

// TestSchedule lets hours pass beside an application: rounds come at intervals, within the window, after failures with growing
// waits; the board restarts once a day.
func TestSchedule(t *testing.T) {
	// The clock of the stand-in begins at 12:00 UTC. Each request is seen at the minute of its day.
	const program = `
import moult, time, machine
from moult.background import minute
moult.run()
a = moult.board()
def said(event):
    if event["event"] in ("checked", "failed", "restarting"):
        print("%02d:00" % (minute(a) // 60), event["event"])
a.listener = said
for _ in range(MINUTES):
    for _ in range(3):
        moult.poll()
        time.sleep_ms(20000)
`
	tests := []struct {
		name, config, minutes, cause string
		fault                        sourcetest.Fault
		want                         string
	}{
		{"only at the start", `{}`, "600", "", nil, ""},
		{"at intervals", `{"every": "2h"}`, "500", "", nil, "14:00 checked,16:00 checked,18:00 checked,20:00 checked"},
		{"within the window", `{"every": "6h", "window": "23:00-01:00"}`, "1500", "", nil, "23:00 checked"},
		{"within the window, after midnight", `{"every": "13h", "window": "11:50-01:10"}`, "800", "", nil, "01:00 checked"},
		{"after failures, with growing waits", `{}`, "60", "", sourcetest.Status(500),
			strings.Repeat("12:00 failed,", 7) + "12:00 failed"}, // after 15 s, 45 s, 1:45, 3:45, 7:45, 15:45, 30:45 and 45:45
		{"a restart every day", `{"restart": "03:00"}`, "1500", "", nil, "03:00 restarting"},
	}
	eachWord(t, func(t *testing.T, word string) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				b, f := directBoard(t, word, forge.GitHub, "")
				b.readable().world["year"], b.cause = 2026, test.cause
				f.Put("owner/app", &sourcetest.Repo{Releases: []sourcetest.Release{tagged("1.0", "main", map[string]string{"app.py": "x"})}})
				b.boot()
				if test.fault != nil {
					f.Break(nil, -1, test.fault)
				}
				b.write("config/moult.json", strings.Replace(b.tree("config")["moult.json"], "{", `{"check": `+test.config+`, `, 1))
				b.write("main.py", strings.Replace(program, "MINUTES", test.minutes, 1))
				_, out := b.start()
				var got []string
				for line := range strings.Lines(out) {
					if line = strings.TrimSpace(line); len(line) > 5 && line[2] == ':' {
						got = append(got, line)
					}
				}
				if list := strings.Join(got, ","); list != test.want {
					t.Errorf("got %q, want %q\n%s", list, test.want, out)
				}
			})
		}
	})
}

// TestPowerOnOnly checks after the power came on, and not after a restart.
func TestPowerOnOnly(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		b, f := directBoard(t, word, forge.GitHub, "")
		b.write("config/moult.json", strings.Replace(b.tree("config")["moult.json"], "{", `{"check": {"on": "power-on"}, `, 1))
		f.Put("owner/app", &sourcetest.Repo{Releases: []sourcetest.Release{tagged("1.0", "main", map[string]string{"app.py": "x"})}})
		b.boot()
		for cause, want := range map[string]int{"1": 1, "5": 0, "3": 0} {
			f.Reset()
			b.cause = cause
			b.start()
			if got := len(f.Requests()); got != want {
				t.Errorf("reset cause %s: got %d requests, want %d", cause, got, want)
			}
		}
	})
}

// ownTrial returns a board that has just switched to release 1.1 of its updater; check and module are more of the configuration.
func ownTrial(t *testing.T, word, check, module string) *board {
	t.Helper()
	f := sourcetest.NewForge(t, forge.GitHub, false)
	good := packageFiles(t)
	b := newBoard(t, word)
	b.path, b.world["year"] = "", 2026 // the stand-in's clock is at noon
	b.installPackage("updater/main")
	b.write("updater/main/.version", "1.0")
	b.write("updater/main/.manifest", manifestOf("updater", "1.0", good))
	b.installRecovery()
	b.write("boot.py", "import moult_boot\nmoult_boot.start('updater')\ndel moult_boot\n")
	b.write("config/moult.json", fmt.Sprintf(`{"check": {%s}, "modules": {"updater": {%s"url": "%s/owner/updater", "forge": "github"}}}`, check, module, f.URL))
	f.Put("owner/updater", &sourcetest.Repo{Releases: []sourcetest.Release{tagged("1.1", "main", with(good, map[string]string{"moult/x.py": "1"}))}})
	b.write("main.py", "import moult\nmoult.update('updater')\n")
	if end, out := b.start(); end != wasReset {
		t.Fatalf("status %d\n%s", end, out)
	}
	b.cause = "5"
	return b
}

// TestUpdaterBesideAWindow updates the updater outside of the window, as a person may: a round confirms it all the same.
func TestUpdaterBesideAWindow(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		b := ownTrial(t, word, `"window": "23:00-01:00"`, "")
		b.write("main.py", "import moult\nmoult.run()\n")
		b.start()
		b.wantHistory("switched updater 1.1", "confirmed updater 1.1")
	})
}

// TestUpdaterThatIsToBeConfirmed leaves the verdict to the application, where the configuration does.
func TestUpdaterThatIsToBeConfirmed(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		b := ownTrial(t, word, "", `"confirm": true, `)
		b.write("main.py", "import moult\nmoult.run()\n")
		b.start()
		b.wantHistory("switched updater 1.1")
	})
}

// TestApplicationFailsBesideTheUpdatersTrial does not hold the application's failure against the updater.
func TestApplicationFailsBesideTheUpdatersTrial(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		b := ownTrial(t, word, "", "")
		b.write("main.py", "import moult\nmoult.start('missing.main.app')\n")
		if end, out := b.start(); end != crashed || b.tree("updater/main")[".version"] != "1.1" {
			t.Errorf("status %d, want the application's failure, and the updater still on trial\n%s", end, out)
		}
		b.wantHistory("switched updater 1.1")
	})
}

// TestPowerOnAgain restarts for one module while another failed: that one is asked again, though the power did not come on.
func TestPowerOnAgain(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		b, f := directBoard(t, word, forge.GitHub, "")
		b.write("config/moult.json", fmt.Sprintf(`{"check": {"on": "power-on"}, "modules": {"app": {"url": "%[1]s/owner/app", "forge": "github"}, "bad": {"url": "%[1]s/owner/bad", "forge": "github"}}}`, f.URL))
		f.Put("owner/app", &sourcetest.Repo{Releases: []sourcetest.Release{tagged("1.0", "main", map[string]string{"app.py": "x"})}})
		b.start()
		b.cause = "5"
		f.Put("owner/bad", &sourcetest.Repo{Releases: []sourcetest.Release{tagged("1.0", "main", map[string]string{"app.py": "x"})}})
		b.start()
		if got := b.tree("bad/main")[".version"]; got != "1.0" {
			t.Errorf("got the version %q of what failed before the restart, want 1.0", got)
		}
	})
}

// TestApplicationHasAPartsName has a module of the application by the name of a part of the updater.
func TestApplicationHasAPartsName(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		b, f := directBoard(t, word, forge.GitHub, "")
		f.Put("owner/app", &sourcetest.Repo{Releases: []sourcetest.Release{tagged("1.0", "main", map[string]string{"app.py": "x"})}})
		main := ""
		for _, name := range []string{"config", "plan", "core", "direct", "begin", "github"} {
			b.write(name+".py", "")
			main += "import " + name + "\n"
		}
		b.write("main.py", main+"import moult\nprint('went', moult.run())\n")
		if end, out := b.start(); end != wasReset {
			t.Errorf("status %d, want an update\n%s", end, out)
		}
	})
}

// TestWatchAndAWindow has the first round wait for a window, and watches beside an asyncio application.
func TestWatchAndAWindow(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		b, f := directBoard(t, word, forge.GitHub, "")
		f.Put("owner/app", &sourcetest.Repo{Releases: []sourcetest.Release{tagged("1.0", "main", map[string]string{"app.py": "x"})}})
		b.boot()
		b.world["year"] = 2026 // the stand-in's clock is at noon
		b.write("config/moult.json", strings.Replace(b.tree("config")["moult.json"], "{", `{"check": {"window": "23:00-01:00"}, `, 1))
		b.write("main.py", `import asyncio
import moult
moult.run()
async def main():
    try:
        await asyncio.wait_for_ms(moult.watch(), 300)
    except asyncio.TimeoutError:
        print("watched")
asyncio.run(main())
`)
		if end, out := b.start(); end != atPrompt || !strings.HasSuffix(out, "watched\n") {
			t.Errorf("status %d, want it to watch until it is stopped\n%s", end, out)
		}
	})
}
