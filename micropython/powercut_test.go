package micropython_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"moult/source/forge"
	"moult/source/sourcetest"
)

// What is the person's on the board of the power cuts, where it stands before the update and after it.
var (
	irrigationOld = map[string]string{"app.py": "def main():\n    pass\n", "gone.py": "only in the old", "lib/a.py": "a", "lib/deep/b.py": "b", "settings.py": "default 1"}
	irrigationNew = map[string]string{"app.py": "def main():\n    pass  # new\n", "lib/a.py": "a", "lib/deep/c.py": "c", "settings.py": "default 2", "notes": "shipped now",
		"large.bin": strings.Repeat("0123456789abcdef", 700)}
	ownBefore = map[string]string{"settings.py": "mine", "secrets.py": "key", "data/2026/log.csv": "1,2,3", "notes": "my notes"}
	ownAfter  = map[string]string{"settings.py": "mine", "secrets.py": "key", "data/2026/log.csv": "1,2,3", "notes.local": "my notes"}
)

// with returns files, and others over them.
func with(files map[string]string, more ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, m := range append([]map[string]string{files}, more...) {
		for name, content := range m {
			all[name] = content
		}
	}
	return all
}

// cutShare is after how many of the cuts the recovery is cut as well, at each of its operations: MOULT_BOARD_CUTS; 0 is all.
func cutShare() string {
	if testing.Short() {
		return "2"
	}
	return cmp.Or(os.Getenv("MOULT_BOARD_CUTS"), "12")
}

// cutPlan is what tests/powercut.py needs to know.
type cutPlan struct {
	Files   map[string]string                       `json:"files"` // of the board
	Own     map[string]string                       `json:"own"`   // those that never change
	Modules map[string]map[string]map[string]string `json:"modules"`
	Either  map[string]bool                         `json:"either"` // names that may be there or not
	Boots   map[string][]string                     `json:"boots"`  // files that are the old or the new one, and the new one in the end
	End     []string                                `json:"end"`    // the versions that it comes to
}

// add puts a module's release onto the board, with what is the person's.
func (p *cutPlan) add(module, version string, released, own map[string]string) {
	for name, content := range with(released, own) {
		p.Files[module+"/main/"+name] = content
	}
	p.Files[module+"/main/.version"] = version
	p.Files[module+"/main/.manifest"] = manifestOf(module, version, released)
}

// renews puts what recovers the board beside its boot.py, and wants that of the new updater in its place when it is confirmed.
func (p *cutPlan) renews(old, now map[string]string) {
	p.Boots = map[string][]string{}
	for _, name := range recovery {
		p.Files[name] = old[name]
		p.Boots[name] = []string{old[name], now[name]}
	}
}

// cut runs the plan, and wants the versions seen on the way to be those of states.
func (p *cutPlan) cut(t *testing.T, word, states string) {
	t.Helper()
	data, err := json.Marshal(p)
	must(t, err)
	file := filepath.Join(t.TempDir(), "plan.json")
	must(t, os.WriteFile(file, data, 0o600))
	b := newBoard(t, word)
	b.path, b.heap = "", "24M"
	ctx, stop := context.WithTimeout(t.Context(), time.Hour) // all cuts, on a slow machine
	defer stop()
	end, out := b.run(ctx, abs(t, "tests/powercut.py"), file, cutShare())
	said := regexp.MustCompile(`cuts (\d+) of the recovery (\d+) went on (\d+)`).FindStringSubmatch(out)
	if end != 0 || said == nil {
		t.Fatalf("status %d:\n%s", end, out[max(0, len(out)-4000):])
	}
	t.Logf("%s cuts, %s cuts of the recovery, %s times it went on to its end after a cut", said[1], said[2], said[3])
	if !strings.Contains(out, states) {
		t.Errorf("got %s, want the states %s", out, states)
	}
}

// TestPowerCut loses the power before every operation on the flash of a direct update of two modules, of which one is the
// updater, and again during the recovery: the old or the new version is whole, and the board boots.
func TestPowerCut(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		f := sourcetest.NewForge(t, forge.GitHub, false)
		updaterOld := packageFiles(t)
		updaterNew := with(updaterOld, map[string]string{"moult/extra.py": "more"})
		for _, name := range recovery {
			updaterNew[name] += "# new\n"
		}
		f.Put("owner/irrigation", &sourcetest.Repo{Releases: []sourcetest.Release{tagged("1.10.0", "main", irrigationNew)}})
		f.Put("owner/updater", &sourcetest.Repo{Releases: []sourcetest.Release{tagged("2.1", "main", updaterNew)}})
		own := map[string]string{"log.txt": "the device's own", "config/moult.json": fmt.Sprintf(`{"modules": {
			"irrigation": {"url": "%[1]s/owner/irrigation", "forge": "github", "keep": ["settings.py"]},
			"updater": {"url": "%[1]s/owner/updater", "forge": "github"}}}`, f.URL)}
		p := &cutPlan{
			Files: with(own, map[string]string{
				"boot.py": "import moult_boot\nmoult_boot.start('updater', alarm=False)\ndel moult_boot\n",
				"main.py": "import moult\nmoult.listener = None\nif not moult.run():\n    raise SystemExit(9)\nmoult.start('irrigation.main.app', 'main')\n"}),
			Own: own, End: []string{"1.10.0", "2.1"}, Either: map[string]bool{"notes.local": true},
			Modules: map[string]map[string]map[string]string{
				"irrigation": {"1.9.0": with(irrigationOld, ownBefore), "1.10.0": with(irrigationNew, ownAfter)},
				"updater":    {"2.0": updaterOld, "2.1": updaterNew},
			}}
		p.add("irrigation", "1.9.0", irrigationOld, ownBefore)
		p.add("updater", "2.0", updaterOld, nil)
		p.renews(updaterOld, updaterNew)
		p.cut(t, word, "['1.10.0 2.0', '1.10.0 2.1', '1.9.0 2.0']")
	})
}

// TestPowerCutOnTheWayBack loses the power before every operation of an update to a version that crashes, of its trial, and
// of the way back, and again during the recovery. What is the device's own is moved on this way.
func TestPowerCutOnTheWayBack(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		f := sourcetest.NewForge(t, forge.GitHub, false)
		bad := with(irrigationNew, map[string]string{"app.py": "raise ValueError('bad')\n"})
		f.Put("owner/irrigation", &sourcetest.Repo{Releases: []sourcetest.Release{tagged("1.10.0", "main", bad)}})
		own := map[string]string{"config/moult.json": fmt.Sprintf(`{"modules": {
			"irrigation": {"url": "%s/owner/irrigation", "forge": "github", "keep": ["settings.py"], "confirm": true}}}`, f.URL)}
		files := packageFiles(t)
		p := &cutPlan{
			Files: with(own, map[string]string{
				"boot.py": "import moult_boot\nmoult_boot.start(alarm=False)\ndel moult_boot\n",
				"main.py": "import moult\nmoult.listener = None\nmoult.run()\nmoult.start('irrigation.main.app', 'main')\n"}),
			Own: own, End: []string{"1.9.0"}, Either: map[string]bool{"notes.local": true},
			Modules: map[string]map[string]map[string]string{
				"irrigation": {"1.9.0": with(irrigationOld, ownBefore), "1.10.0": with(bad, ownAfter)}}}
		for name, content := range files {
			p.Files["lib/"+name] = content
		}
		p.add("irrigation", "1.9.0", irrigationOld, ownBefore)
		p.cut(t, word, "['1.10.0', '1.9.0']")
	})
}
