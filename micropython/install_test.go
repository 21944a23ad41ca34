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

// TestMpy has the updater as .mpy files in a slot, which 'make micropython' makes: it replaces a recovery that is .py, and all of its parts
// can be loaded.
func TestMpy(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		b := newBoard(t, word)
		b.path = ""
		b.installRecovery()
		must(t, os.CopyFS(filepath.Join(b.dir, "updater/main"), os.DirFS(compiled(t, "lib"))))
		b.write("config/moult.json", `{"modules": {"updater": {"url": "https://github.com/owner/updater"}}}`)
		b.eval("import moult_boot\nmoult_boot.start('updater')\ndel moult_boot\nimport moult\nmoult.confirm('updater')")
		got := b.tree("")
		for _, name := range []string{"moult_alarm", "moult_boot", "moult_journal", "moult_slots"} {
			if got[name+".mpy"] == "" || got[name+".mpy"] != got["updater/main/"+name+".mpy"] || got[name+".py"] != "" {
				t.Errorf("%s: want the .mpy, and the .py gone; got %q", name, slices.Sorted(maps.Keys(got)))
			}
		}
		parts := "import moult_boot\nmoult_boot.start('updater')\n"
		for name := range packageFiles(t) {
			parts += "import " + strings.ReplaceAll(strings.TrimSuffix(strings.TrimSuffix(name, ".py"), "/__init__"), "/", ".") + "\n"
		}
		if out := b.eval(parts + "print('all')"); out != "all" {
			t.Errorf("got %q", out)
		}
	})
}

// TestForeignNames holds the list of names that are not the package's own to what the interpreter has: an attribute that a file or a
// socket has as well must keep its name in .mpy files.
func TestForeignNames(t *testing.T) {
	out, err := exec.Command("node", "-p", "[...require('../scripts/mpy-names.js').FOREIGN].join(' ')").Output()
	must(t, err)
	listed := strings.Fields(string(out))
	eachWord(t, func(t *testing.T, word string) {
		b := newBoard(t, word)
		b.stand = t.TempDir() // without the stand-ins
		end, printed := b.run(t.Context(), abs(t, "tests/names.py"))
		names := strings.Fields(printed)
		if end != 0 || len(names) < 300 {
			t.Fatalf("status %d, got %d names:\n%s", end, len(names), printed)
		}
		for _, name := range names {
			if !slices.Contains(listed, name) {
				t.Errorf("%s is none of FOREIGN in scripts/mpy-names.js", name)
			}
		}
	})
}

// TestNamesThatCannotBeShort wants a refusal where the names of a .mpy could mean something else than the source's.
func TestNamesThatCannotBeShort(t *testing.T) {
	const script = `const { shorten } = require("../scripts/mpy-names.js");
try { console.log(shorten({ "a.py": process.argv[1], "moult/pack.py": "" }, [])["a.py"]); } catch (e) { console.log("refused: " + e.message); }`
	for _, test := range []struct{ name, source, want string }{
		{"names of its own", "import os\ndef first(second):\n    return os.listdir(second)\nclass C:\n    def third(self):\n        self.fourth = first(1)\n", "def abs(all):\n    return os.listdir(all)"},
		{"a default that is a variable", "x = 1\ndef f(y=x):\n    return y\n", "refused: a.py: a default is to be a constant"},
		{"a lambda's", "def f(y):\n    return lambda y=y: y\n", "refused: a.py: a default is to be a constant"},
		{"another's module is set", "import ntptime\nntptime.timeout = 5\n", "refused: a.py: an attribute of another's module is set"},
		{"all of a module", "from os import *\n", "refused: a.py: a star"},
		{"a module's name for something else", "import moult.pack as pack\nfor pack in (1, 2):\n    print(pack)\n", "refused: a: pack is a module, and something else"},
		{"no Python", "def f(:\n", "refused: a.py: it cannot be read"},
	} {
		out, err := exec.Command("node", "-e", script, test.source).CombinedOutput()
		must(t, err)
		if !strings.Contains(string(out), test.want) {
			t.Errorf("%s: got %q, want %q", test.name, out, test.want)
		}
	}
}
