package micropython_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"moult/source/forge"
	"moult/source/sourcetest"
)

// useExample puts an example's boot.py and main.py onto the board, as they are.
func (b *board) useExample(name string) {
	b.t.Helper()
	for _, file := range []string{"boot.py", "main.py"} {
		data, err := os.ReadFile(filepath.Join("examples", name, file))
		must(b.t, err)
		b.write(file, string(data))
	}
}

// TestSystemB takes a board from nothing to release 1 and 2 by system B's file alone, with the comma too many of its own
// example: one module, at the root, running from its folder.
func TestSystemB(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		f := sourcetest.NewForge(t, forge.GitHub, false)
		b := newBoard(t, word)
		b.useExample("one_module")
		b.world["wifi"] = map[string]string{"Garden": "12345678"}
		b.write("conf.json", fmt.Sprintf(`
{
    "network": {
        "ssid": "Garden",
        "password": "12345678"
    },
    "git": {
        "url": "%s/owner/otaAtualizacoes",
        "dir": "src"
    },

}
`, f.URL))
		for _, tag := range []string{"1", "1.1", "2.0"} {
			files := map[string]string{"exemplo.py": "print('runs " + tag + "')", "lib/deep/x.py": tag, "data.bin": "\x00\xff\r\n" + tag}
			f.Put("owner/otaAtualizacoes", &sourcetest.Repo{Releases: []sourcetest.Release{tagged(tag, "src", files)}})
			end, out := b.boot()
			if end != atPrompt || !strings.HasSuffix(out, "runs "+tag+"\n") {
				t.Fatalf("to %s: got status %d, want 0\n%s", tag, end, out)
			}
			files[".version"] = tag
			if tag == "1" {
				b.write("src/secrets.py", "mine")
			}
			files["secrets.py"] = "mine"
			b.wantTree("src", files)
		}
		if got := b.tree("prev")[".version"]; got != "1.1" {
			t.Errorf("prev: got version %q, want the one before", got)
		}
	})
}

// TestSystemA takes a board from its updater alone to release 1.9 and 1.10 of two modules by system A's three files: one of
// the modules is the updater.
func TestSystemA(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		f := sourcetest.NewForge(t, forge.GitHub, false)
		b := newBoard(t, word)
		b.path = "" // the package is on the flash, as a module
		b.useExample("several_modules")
		b.installPackage("updater/main")
		b.write("updater/main/.version", "1.8")
		b.installRecovery()
		b.world["wifi"] = map[string]string{"Garden": "12345678"}
		b.write("config/wifi_cfg.json", `{"wifi": {"ssid": "Garden", "password": "12345678"}}`)
		for _, module := range []string{"updater", "example_module"} {
			b.write("config/"+module+"_gitrepo_cfg.json", fmt.Sprintf("{\"gitrepo\": \n    {\"url\" : \"%s/owner/%s\" } \n}\n", f.URL, module))
		}
		for _, tag := range []string{"1.9.0", "1.10.0"} {
			application := map[string]string{"example_module.py": "def main():\n    print('runs " + tag + "')\n", "domain/x.py": tag}
			f.Put("owner/example_module", &sourcetest.Repo{Releases: []sourcetest.Release{tagged(tag, "main", application)}})
			updater := packageFiles(t)
			updater["moult_boot.py"] += "# " + tag + "\n"
			f.Put("owner/updater", &sourcetest.Repo{Releases: []sourcetest.Release{tagged(tag, "main", updater)}})
			end, out := b.boot()
			if end != atPrompt || !strings.HasSuffix(out, "runs "+tag+"\n") {
				t.Fatalf("to %s: got status %d, want 0\n%s", tag, end, out)
			}
			application[".version"], updater[".version"] = tag, tag
			b.wantTree("example_module/main", application)
			b.wantTree("updater/main", updater)
			if got := b.tree("")["moult_boot.py"]; got != updater["moult_boot.py"] {
				t.Errorf("moult_boot.py: got %q, want that of the confirmed updater %s", got[max(0, len(got)-20):], tag)
			}
		}
		b.wantHistory("updated example_module 1.9.0", "switched updater 1.9.0", "confirmed updater 1.9.0",
			"updated example_module 1.10.0", "switched updater 1.10.0", "confirmed updater 1.10.0")
		if got := b.asked("wifi"); !slices.Contains(got, "wifi connect good true ssid Garden") {
			t.Errorf("wifi: got %q", got)
		}
	})
}
