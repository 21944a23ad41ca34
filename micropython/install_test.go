package micropython_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestInstall installs the package by mip itself, as package.json says, and has all of it.
func TestInstall(t *testing.T) {
	data, err := os.ReadFile("package.json")
	must(t, err)
	var described struct{ URLs [][2]string }
	must(t, json.Unmarshal(data, &described))
	var named []string
	for _, u := range described.URLs {
		named = append(named, u[0])
	}
	slices.Sort(named)
	if want := slices.Sorted(maps.Keys(packageFiles(t))); !slices.Equal(named, want) {
		t.Errorf("package.json: got %q, want %q", named, want)
	}
	// The same files as github:OWNER/moult has them, from here.
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/package.json" {
			_, _ = w.Write([]byte(strings.ReplaceAll(string(data), "github:OWNER/moult/micropython", server.URL))) // or the board sees it cut
			return
		}
		http.FileServer(http.Dir(".")).ServeHTTP(w, r)
	}))
	defer server.Close()
	eachWord(t, func(t *testing.T, word string) {
		b := newBoard(t, word)
		b.path = ""
		b.eval("import mip\nmip.install('" + server.URL + "/package.json', target='lib', mpy=False)")
		b.wantTree("lib", packageFiles(t))
		if got := b.eval("import sys\nsys.path.append('lib')\nimport moult.agent, moult_boot\nprint(moult.__name__)"); got != "moult" {
			t.Errorf("got %q", got)
		}
	})
}

// TestManifest runs manifest.py as the firmware's build does: it names the package and both files of the recovery.
func TestManifest(t *testing.T) {
	b := newBoard(t, "64")
	script := "def package(name, base_path):\n    print(base_path + '/' + name)\n\ndef module(name, base_path):\n    print(base_path + '/' + name)\n\n"
	for name := range strings.SplitSeq(b.eval(script+"with open('"+abs(t, "manifest.py")+"') as f:\n    exec(f.read())"), "\n") {
		if _, err := os.Stat(name); err != nil {
			t.Errorf("manifest.py: %v", err)
		}
	}
}

// TestMpy runs an update with the package as .mpy files, which `make micropython` makes, and replaces a recovery that is .py.
func TestMpy(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("node", "../scripts/mpy.js", "lib", dir).CombinedOutput(); err != nil {
		t.Fatalf("mpy.js: %v (make deps)\n%s", err, out)
	}
	eachWord(t, func(t *testing.T, word string) {
		b := newBoard(t, word)
		b.path = dir
		b.installRecovery()
		names, err := filepath.Glob(filepath.Join(dir, "*.mpy"))
		must(t, err)
		for _, name := range names {
			data, err := os.ReadFile(name)
			must(t, err)
			b.write("updater/main/"+filepath.Base(name), string(data))
		}
		b.eval("from moult.trial import renew\nrenew('updater/main')")
		got := b.tree("")
		for _, name := range []string{"moult_boot", "moult_journal", "moult_slots"} {
			if got[name+".mpy"] == "" || got[name+".mpy"] != got["updater/main/"+name+".mpy"] || got[name+".py"] != "" {
				t.Errorf("%s: want the .mpy, and the .py gone; got %q", name, slices.Sorted(maps.Keys(got)))
			}
		}
		if out := b.eval("import moult_boot\nmoult_boot.start()\nimport moult.core, moult.agent, moult.github, moult.archive, moult.mqtt, moult.commands, moult.home, moult.leds\nprint('all')"); out != "all" {
			t.Errorf("got %q", out)
		}
	})
}
