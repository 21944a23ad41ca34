package micropython_test

import (
	"fmt"
	"strings"
	"testing"
)

// signedPlan returns a plan of a board that holds old and finds now, which the publisher signed: files of each module by its name, each
// the release old or now. Its trust and its modules are those that the board itself installed.
func signedPlan(t *testing.T, word, config string, old, now map[string]map[string]string) *cutPlan {
	t.Helper()
	r := newSignedRepo(t)
	for module, files := range old {
		r.add(module, "1.9.0", files)
	}
	b := newBoard(t, word)
	r.follow(b, "")
	config = fmt.Sprintf(`{"modules": %s, "repository": {"url": %q}}`, config, r.URL)
	b.write("config/moult.json", config)
	if end, out := b.boot(); end != atPrompt {
		t.Fatalf("install: status %d\n%s", end, out)
	}
	for module, files := range now {
		r.add(module, "1.10.0", files)
	}
	p := &cutPlan{
		Files: map[string]string{"config/moult.json": config,
			"main.py": "import moult\nmoult.listener = None\nif not moult.run():\n    raise SystemExit(9)\nmoult.start('irrigation.main.app', 'main')\n"},
		Own: map[string]string{"config/moult.json": config}, Either: map[string]bool{"notes.local": true},
		Modules: map[string]map[string]map[string]string{}}
	for module := range old {
		p.Modules[module] = map[string]map[string]string{"1.9.0": old[module], "1.10.0": now[module]}
		p.End = append(p.End, "1.10.0")
	}
	p.Modules["irrigation"] = map[string]map[string]string{"1.9.0": with(old["irrigation"], ownBefore), "1.10.0": with(now["irrigation"], ownAfter)}
	for name, content := range b.everything() {
		module, _, isMain := strings.Cut(name, "/main/")
		if _, known := old[module]; isMain && known || strings.HasPrefix(name, ".moult/trust/") {
			p.Files[name] = content
		}
	}
	for name, content := range ownBefore {
		p.Files["irrigation/main/"+name] = content
	}
	return p
}

// TestSignedPowerCut loses the power before every operation on the flash of a signed update, and again during the recovery.
func TestSignedPowerCut(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		p := signedPlan(t, word, `{"irrigation": {"keep": ["settings.py"]}}`,
			map[string]map[string]string{"irrigation": irrigationOld}, map[string]map[string]string{"irrigation": irrigationNew})
		p.Files["boot.py"] = "import moult_boot\nmoult_boot.start(alarm=False)\ndel moult_boot\n"
		for name, content := range packageFiles(t) {
			p.Files["lib/"+name] = content
		}
		p.cut(t, word, "['1.10.0', '1.9.0']")
	})
}

// TestSignedPowerCutOfTheUpdater loses it in the signed update of two modules of which one is the updater that runs: its switch, its
// trial, its confirmation, and the exchange of what recovers the board.
func TestSignedPowerCutOfTheUpdater(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		old := packageFiles(t)
		now := with(old, map[string]string{"moult/extra.py": "more"})
		for _, name := range recovery {
			now[name] += "# new\n"
		}
		now["moult/core.py"] += "# new\n"
		p := signedPlan(t, word, `{"irrigation": {"keep": ["settings.py"]}, "updater": {}}`,
			map[string]map[string]string{"irrigation": irrigationOld, "updater": old}, map[string]map[string]string{"irrigation": irrigationNew, "updater": now})
		p.Files["boot.py"] = "import moult_boot\nmoult_boot.start('updater', alarm=False)\ndel moult_boot\n"
		p.renews(old, now)
		p.cut(t, word, "['1.10.0 1.10.0', '1.10.0 1.9.0', '1.9.0 1.9.0']")
	})
}
