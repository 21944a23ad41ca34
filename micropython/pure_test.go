package micropython_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"moult/release"
	"moult/source/forge"
	"moult/source/sourcetest"
)

// wasm are other releases of MicroPython, the oldest that the package is for to the newest, as WebAssembly from npm: they have no sockets,
// and run the cases that need none. The first has no deflate yet. Between 1.20 and 1.23 npm has builds of what became the next release.
var wasm = []string{"micropython-1.20", "micropython-1.22", "micropython-1.23", "@micropython/micropython-webassembly-pyscript"}

// evalIn runs a script in an interpreter, by its words or its package, with the package on its path; data is what the script
// finds in the variable DATA. It returns what was printed.
func evalIn(t *testing.T, which, script string, data any) string {
	t.Helper()
	encoded, err := json.Marshal(data)
	must(t, err)
	file := filepath.Join(t.TempDir(), "script.py")
	must(t, os.WriteFile(file, []byte("import json\nDATA = json.loads("+pythonText(string(encoded))+")\n"+script), 0o600))
	return runIn(t, which, file)
}

// runIn runs a script's file in an interpreter, with the package on its path; the paths that it is given are its arguments.
func runIn(t *testing.T, which, script string, paths ...string) string {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 5*patience) // all vectors of the chain, in the slowest
	defer stop()
	if slices.Contains(words, which) {
		b := newBoard(t, which).readable()
		b.heap = "2M"
		end, out := b.run(ctx, append([]string{script}, paths...)...)
		if end != 0 {
			t.Fatalf("status %d:\n%s", end, out)
		}
		return out
	}
	// There is no file system below it: all is copied into its own.
	text, err := os.ReadFile(script)
	must(t, err)
	arguments, err := json.Marshal(append([]string{script}, paths...))
	must(t, err)
	file := filepath.Join(t.TempDir(), "script.py")
	must(t, os.WriteFile(file, append([]byte("import sys, port\nsys.argv[:] = "+string(arguments)+"\n"), text...), 0o600))
	args := []string{"tests/wasm.mjs", "../testdata/npm/node_modules/" + which, file, "lib=/lib", "tests/wasm=/lib"}
	for _, path := range paths {
		args = append(args, path+"="+path)
	}
	out, err := exec.CommandContext(ctx, "node", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v (npm's packages are installed by make deps)\n%s", err, out)
	}
	return string(out)
}

// pythonText writes a text as Python does, which knows all of JSON's escapes.
func pythonText(text string) string {
	quoted, _ := json.Marshal(text) // a text always can be
	return string(quoted)
}

func everywhere(t *testing.T, test func(t *testing.T, which string)) {
	for _, which := range slices.Concat(words, wasm) {
		t.Run(which, func(t *testing.T) { test(t, which) })
	}
}

// TestVersions asks Go and MicroPython about the same versions, channels and patterns: they must agree.
func TestVersions(t *testing.T) {
	versions := strings.Fields(`1 1.1 v1.9 1.9.0 1.10 1.10.0 2 2.0 v2.0 V2.1 v2.1.0 1.2.3.4 2024.01.09 2024.1.9 2.0-rc1 2.0-rc2 2.0-rc10 2.0-rc.2 2.0rc2 v1.10.0-rc1
		1.0-alpha9 1.0-beta1 1.0-rc01 1.0-rc1 1.0-rc 1.0-rc.a 1.0-1 1.0-a.1 1.0-a.-b 1.0-rc99999999999999999999 1.0+build1 1.0+build2 nightly nightly-2026-01-02
		release/1.0 v 1. -1 1.0- 1.0~rc1 1..2 été`)
	channels := []string{"stable", "beta", "~> 1.2", "~> 1.9.0", ">= 1.1, < 1.10", ">=1.1,<1.10", "< 2, != 1.10", "= 1.1", "1.1.0", "v1.9", "= 2.0-rc2", "~> 2.0-rc1", "> 2", "> 9", "<= 2.0", ">= 2.0-rc2"}
	type question struct{ Versions, Channels []string }
	out := evalIn(t, "32", `
from moult.version import compare, allows
for a in DATA["Versions"]:
    print("pre", a, not allows("stable", a))
    for b in DATA["Versions"]:
        print("compare", a, b, compare(a, b))
    for c in DATA["Channels"]:
        print("allows", c, a, allows(c, a))
`, question{versions, channels})
	var want strings.Builder
	python := map[bool]string{true: "True", false: "False"}
	for _, a := range versions {
		v := release.MustVersion(a)
		fmt.Fprintln(&want, "pre", a, python[v.IsPrerelease()])
		for _, b := range versions {
			order, known := release.Compare(v, release.MustVersion(b))
			answer := fmt.Sprint(order)
			if !known {
				answer = "None"
			}
			fmt.Fprintln(&want, "compare", a, b, answer)
		}
		for _, c := range channels {
			channel, err := release.ParseChannel(c)
			must(t, err)
			fmt.Fprintln(&want, "allows", c, a, python[channel.Allows(release.Release{Version: v})])
		}
	}
	got, wanted := strings.Split(out, "\n"), strings.Split(want.String(), "\n")
	for i := range wanted {
		if i >= len(got) || got[i] != wanted[i] {
			t.Errorf("got %q, want %q as in Go", got[min(i, len(got)-1)], wanted[i])
		}
	}
	for _, which := range append([]string{"64"}, wasm...) {
		if again := evalIn(t, which, strings.ReplaceAll(`
from moult.version import compare, allows
for a in DATA["Versions"]:
    print("pre", a, not allows("stable", a))
    for b in DATA["Versions"]:
        print("compare", a, b, compare(a, b))
    for c in DATA["Channels"]:
        print("allows", c, a, allows(c, a))
`, "\r", ""), question{versions, channels}); again != out {
			t.Errorf("%s says other than 32-bit", which)
		}
	}
}

// TestKeep asks Go and MicroPython whether patterns match paths.
func TestKeep(t *testing.T) {
	patterns := []string{"secrets.py", "data", "data/", "data/**", "*.json", "**/*.json", "log-?.txt", "log-[0-9].txt", "log-[^0-9].txt", "a/**/z", "**", "*", "a*b*c", "x[a-c]y", "**/x/**", "d*/"}
	paths := []string{"secrets.py", "x/secrets.py", "data", "data/a", "data/a/b", "dat", "a.json", "x/a.json", "x/y/a.json", "log-1.txt", "log-x.txt", "log-.txt", "a/z", "a/b/z", "a/b/c/z", "axbyc", "abcb", "]x", "ax", "bx", "xby", "xdy", "x/x/x", "é", "d/a"}
	everywhere(t, func(t *testing.T, which string) {
		out := evalIn(t, which, `
from moult_slots import matches
for pattern in DATA["Patterns"]:
    for path in DATA["Paths"]:
        print(pattern, path, matches(pattern, path))
`, map[string]any{"Patterns": patterns, "Paths": paths})
		got := strings.Split(out, "\n")
		i := 0
		for _, pattern := range patterns {
			keep, err := release.ParseKeep([]string{pattern})
			must(t, err)
			for _, path := range paths {
				want := fmt.Sprint(pattern, " ", path, " ", map[bool]string{true: "True", false: "False"}[keep.Match(path)])
				if i >= len(got) || got[i] != want {
					t.Errorf("got %q, want %q as in Go", got[min(i, len(got)-1)], want)
				}
				i++
			}
		}
	})
}

// archives begins a script that unpacks archives: what it imports, and a body as a response has one.
const archives = `
import io, os
from binascii import a2b_base64
import moult_boot as boot
from moult.archive import unpack

class Body(io.IOBase):
    def __init__(self, data):
        self.data, self.at = data, 0
    def readinto(self, into):
        n = min(len(into), len(self.data) - self.at)
        into[:n] = self.data[self.at : self.at + n]
        self.at += n
        return n
`

// TestArchive unpacks an archive whole, cut at every few bytes, and with bytes changed. What is not whole is refused; what is accepted
// is what was packed.
func TestArchive(t *testing.T) {
	files := sourcetest.Tree{"README.md": {Content: "no"}, "main/app.py": {Content: "print(1)\n", Executable: true}, "main/lib/deep/é.bin": {Content: "\x00\x01" + strings.Repeat("abc", 400)},
		"main/empty": {}, "main/l\u2028p\u2029.txt": {Content: "a line's end"}, "main/" + strings.Repeat("long/", 22) + "x": {Content: strings.Repeat("x", 512)}}
	data := sourcetest.TarGz("repo-1", strings.Repeat("c", 40), time.Unix(1e9, 0), files)
	manifest := release.Manifest{Module: "app", Version: release.MustVersion("v1"), Repository: "https://github.com/o/app", Commit: strings.Repeat("c", 40)}
	for name, file := range files {
		if path, ok := strings.CutPrefix(name, "main/"); ok {
			sum := sha256.Sum256([]byte(file.Content))
			manifest.Files = append(manifest.Files, release.Entry{Path: path, Length: int64(len(file.Content)), SHA256: hex.EncodeToString(sum[:]), Executable: file.Executable})
		}
	}
	want, err := manifest.Encode()
	must(t, err)
	everywhere(t, func(t *testing.T, which string) {
		out := evalIn(t, which, archives+`
whole = a2b_base64(DATA.encode())

def get(data):
    boot.remove_tree("slot")
    boot.makedirs("slot")
    try:
        for _ in unpack(Body(data), "main", "slot", ("app", "v1", "https://github.com/o/app")):
            pass
    except boot.Error as e:
        return None
    with open("slot/.manifest") as f:
        return f.read()

first = get(whole)
print(first, end="")
for cut in range(0, len(whole), 5):
    if get(whole[:cut]) is not None:
        print("cut at", cut, "of", len(whole), "was accepted")
for at in range(10, len(whole) - 4, 7):  # behind gzip's head, before its length, which no MicroPython reads
    changed = bytearray(whole)
    changed[at] ^= 0x10
    if get(bytes(changed)) not in (None, first):
        print("changed at", at, "was accepted")
`, base64.StdEncoding.EncodeToString(data))
		if out != string(want) {
			t.Errorf("got\n%s\nwant, as Go writes it,\n%s", out, want)
		}
	})
}

// TestSlots switches to a version and back.
func TestSlots(t *testing.T) {
	everywhere(t, func(t *testing.T, which string) {
		out := evalIn(t, which, `
import os
import moult_boot as boot, moult_slots as slots, moult_journal
def put(name, text):
    boot.makedirs(boot.parent(name))
    with open(name, "w") as f:
        f.write(text)
put("app/main/.version", "1.0"); put("app/main/a", "old"); put("app/main/own/x", "mine"); put("app/main/l\u2028\u2029", "gone")
put("app/main/.manifest", DATA)
put("app/next/a", "new")
put("app/next/.manifest", '{"module":"app","version":"1.1","files":[\n{"path":"a","length":3,"sha256":""}\n]}\n')
state = {"main": "app/main", "keep": [], "from": "1.0", "to": "1.1", "attempt": 1, "since": "now", "limit": 3, "within": 60}
slots.finish_switch("app", state)
print(boot.version("app/main"), boot.read("app/main/a"), boot.read("app/main/own/x"), boot.kind("app/main/l\u2028\u2029"), state["step"])
boot.start(alarm=False)
print(boot.load("app")["starts"])
slots.begin_roll_back("app", boot.load("app"), "why not")
print(boot.version("app/main"), boot.read("app/main/a"), boot.read("app/main/own/x"), boot.kind("app/next"), boot.kind("app/prev"))
print([e["event"] for e in moult_journal.events()], boot.load("app")["rejected"])
`, manifestOf("app", "1.0", map[string]string{"a": "old", "l\u2028\u2029": "gone"}))
		if want := "1.1 new mine None trial\n1\n1.0 old mine None None\n['switched', 'rolled-back'] ['1.1']\n"; out != want {
			t.Errorf("got\n%s\nwant\n%s", out, want)
		}
	})
}

// TestRefusedConfiguration gives a board configurations that are wrong. Each is refused with what is wrong, and the application starts.
func TestRefusedConfiguration(t *testing.T) {
	tests := []struct{ name, file, config, want string }{
		{"no JSON", "config/moult.json", `{"modules": `, "config/moult.json: got what is no JSON"},
		{"a list", "config/moult.json", `[]`, "want an object"},
		{"a text for a list", "config/moult.json", `{"modules": {"app": {"url": "https://github.com/o/n", "keep": "secrets.py"}}}`, "modules.app.keep: got 'secrets.py', want a list"},
		{"starts that are a text", "config/moult.json", `{"modules": {"app": {"url": "https://github.com/o/n", "trial": {"starts": "3"}}}}`, "modules.app.trial.starts: got '3', want a number"},
		{"no start", "config/moult.json", `{"modules": {"app": {"url": "https://github.com/o/n", "trial": {"starts": 0}}}}`, "modules.app.trial.starts: got 0, want at least 1"},
		{"a text for true", "config/moult.json", `{"modules": {"app": {"url": "https://github.com/o/n", "confirm": "false"}}}`, "modules.app.confirm: got 'false', want true or false"},
		{"a channel that is a number", "config/moult.json", `{"modules": {"app": {"url": "https://github.com/o/n", "channel": 5}}}`, "modules.app.channel: got 5, want a text"},
		{"a zone of the list's own", "config/moult.json", `{"timezone": "5:30", "modules": {"app": {"url": "https://github.com/o/n"}}}`, "timezone: got '5:30'"},
		{"a zone that is none", "config/moult.json", `{"timezone": "+25:00", "modules": {"app": {"url": "https://github.com/o/n"}}}`, "timezone: got '+25:00'"},
		{"an unknown key", "config/moult.json", `{"modules": {"app": {"url": "https://github.com/o/n", "chanel": "beta"}}}`, "modules.app.chanel: got an unknown key"},
		{"a direct module without a source", "config/moult.json", `{"modules": {"app": {"direct": true}}, "repository": {"url": "https://o.github.io/n"}}`, "modules.app.url: got None, want a text"},
		{"an unknown key at the top", "config/moult.json", `{"module": {}}`, "module: got an unknown key"},
		{"no module", "config/moult.json", `{}`, "got no module"},
		{"no url", "config/moult.json", `{"modules": {"app": {}}}`, "modules.app.url: got None, want a text"},
		{"a bad channel", "config/moult.json", `{"modules": {"app": {"url": "https://github.com/o/n", "channel": "nightly"}}}`, "modules.app.channel: got 'nightly'"},
		{"a bad name", "config/moult.json", `{"modules": {"../app": {"url": "https://github.com/o/n"}}}`, "got '../app', want a name"},
		{"a bad time span", "config/moult.json", `{"modules": {"app": {"url": "https://github.com/o/n"}}, "check": {"every": "15"}}`, "check.every: got '15'"},
		{"a bad window", "config/moult.json", `{"modules": {"app": {"url": "https://github.com/o/n"}}, "check": {"window": "25:00-04:00"}}`, "check.window: got '25:00'"},
		{"a zone that a board does not know", "config/moult.json", `{"modules": {"app": {"url": "https://github.com/o/n"}}, "timezone": "Europe/Berlin"}`, "timezone: got 'Europe/Berlin'"},
		{"a url with a password", "config/moult.json", `{"modules": {"app": {"url": "https://u:secret@github.com/o/n"}}}`, "got the url with a password"},
		{"plain http", "config/moult.json", `{"modules": {"app": {"url": "http://example.com/o/n", "forge": "github"}}}`, "want https"},
		{"a forge that a board cannot ask", "config/moult.json", `{"modules": {"app": {"url": "https://gitlab.com/o/n", "forge": "gitlab"}}}`, "forge: got 'gitlab'"},
		{"https without an authority", "config/moult.json", `{"modules": {"app": {"url": "https://127.0.0.1:1/o/n", "forge": "github"}}}`, "connect to 127.0.0.1:1"},
		{"an empty file of system A", "config/app_gitrepo_cfg.json", `{}`, "app_gitrepo_cfg.json: gitrepo: got None"},
		{"an empty file of system B", "conf.json", `{}`, "conf.json: git: got None"},
		{"comments and commas", "config/moult.json", "{// one\n\"modules\": {\"app\": {\"url\": \"http://127.0.0.1:1/o/n\", /* two */ \"forge\": \"github\",}}}", "connect to 127.0.0.1:1"},
	}
	eachWord(t, func(t *testing.T, word string) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				b := newBoard(t, word)
				b.write("boot.py", "import moult_boot\nmoult_boot.start()\n")
				b.write("main.py", "import moult\nmoult.listener = lambda e: print(e['text'])\nprint(moult.run())\nprint('the application runs')\n")
				b.write(test.file, test.config)
				end, out := b.boot()
				if end != atPrompt || !strings.HasSuffix(out, "False\nthe application runs\n") || !strings.Contains(out, test.want) || strings.Contains(out, "secret@") {
					t.Errorf("got status %d, want %q, and the application\n%s", end, test.want, out)
				}
			})
		}
	})
}

// TestOddConfiguration updates a board all the same where what only shows something is wrong or left out.
func TestOddConfiguration(t *testing.T) {
	for name, test := range map[string]struct{ config, want string }{
		"a pin that is none":            {`"leds": {"yellow": "D13"}`, "config: bad pin"},
		"a broker that a board has not": {`"mqtt": {"url": "wss://broker"}`, "mqtt.url: got none that a board can use"},
		"a broker that is not there":    {`"mqtt": {"url": "mqtt://127.0.0.1:1"}`, "connect to 127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			b, f := directBoard(t, "32", forge.GitHub, "")
			f.Put("owner/app", &sourcetest.Repo{Releases: []sourcetest.Release{tagged("1.0", "main", map[string]string{"app.py": runs("1.0")})}})
			b.write("config/moult.json", strings.Replace(b.tree("config")["moult.json"], "{", "{"+test.config+", ", 1))
			end, out := b.boot()
			if end != atPrompt || !strings.HasSuffix(out, "runs 1.0\n") || !strings.Contains(strings.ReplaceAll(out, "ValueError", "config"), test.want) {
				t.Errorf("got status %d, want 1.0 and %q\n%s", end, test.want, out)
			}
		})
	}
}

// TestDetect asks a host what it is, where the configuration does not say so.
func TestDetect(t *testing.T) {
	for _, kind := range []forge.Kind{forge.GitHub, forge.Gitea} {
		b, f := directBoard(t, "32", kind, "")
		f.Put("owner/app", &sourcetest.Repo{Releases: []sourcetest.Release{tagged("1.0", "main", map[string]string{"app.py": runs("1.0")})}})
		b.write("config/moult.json", fmt.Sprintf(`{"modules": {"app": {"url": "%s/owner/app.git"}}}`, f.URL))
		if end, out := b.boot(); end != atPrompt || !strings.HasSuffix(out, "runs 1.0\n") {
			t.Errorf("%s: got status %d\n%s", kind, end, out)
		}
	}
}
