package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"moult/source/forge"
	"moult/source/sourcetest"
)

// TestSystemA drives an update by the earlier system's three files alone: two modules, of which one is its updater.
func TestSystemA(t *testing.T) {
	f := sourcetest.NewForge(t, forge.GitHub, false)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "config/wifi_cfg.json"), `{"wifi": {"ssid": "Garden", "password": "12345678"}}`)
	for _, module := range []string{"ota_updater", "example_module"} {
		writeFile(t, filepath.Join(dir, "config", module+"_gitrepo_cfg.json"), fmt.Sprintf("{\"gitrepo\": \n    {\"url\" : \"%s/owner/%s\" } \n}\n", f.URL, module))
	}
	publish := func(tag string) {
		for _, module := range []string{"ota_updater", "example_module"} {
			one := tagged(tag, map[string]string{module + ".py": tag, "domain/x.py": tag})
			f.Put("owner/"+module, &sourcetest.Repo{Releases: []sourcetest.Release{one}})
		}
	}
	for _, tag := range []string{"1.9.0", "1.10.0"} {
		publish(tag)
		if output, code := runMoult(t, "update", "--root", dir); code != 0 {
			t.Fatalf("to %s: exit code %d\n%s", tag, code, output)
		}
		for _, module := range []string{"ota_updater", "example_module"} {
			got := readTree(t, filepath.Join(dir, module, "main"))
			delete(got, ".manifest")
			if want := map[string]string{".version": tag, module + ".py": tag, "domain/x.py": tag}; !maps.Equal(got, want) {
				t.Errorf("%s: got %v, want %v", module, got, want)
			}
		}
	}
}

// TestSystemB drives an update by the earlier system's one file, with the comma too many of its own example:
// one module, at the device's root, running from its directory.
func TestSystemB(t *testing.T) {
	f := sourcetest.NewForge(t, forge.GitHub, false)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "conf.json"), fmt.Sprintf(`
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
	writeFile(t, filepath.Join(dir, "boot.py"), "boot")
	writeFile(t, filepath.Join(dir, "src/.version"), "2.3")
	writeFile(t, filepath.Join(dir, "src/exemplo.py"), "2.3")
	f.Put("owner/otaAtualizacoes", &sourcetest.Repo{Releases: []sourcetest.Release{
		{Tag: "2.4", Files: sourcetest.Tree{"boot.py": {Content: "not installed"}, "src/exemplo.py": {Content: "2.4"}, "src/iftt.py": {Content: "2.4"}}},
	}})
	if output, code := runMoult(t, "update", "--root", dir); code != 0 {
		t.Fatalf("exit code %d\n%s", code, output)
	}
	got := readTree(t, filepath.Join(dir, "src"))
	delete(got, ".manifest")
	if want := map[string]string{".version": "2.4", "exemplo.py": "2.4", "iftt.py": "2.4"}; !maps.Equal(got, want) {
		t.Errorf("src: got %v, want %v", got, want)
	}
	if got := readTree(t, filepath.Join(dir, "prev"))["exemplo.py"]; got != "2.3" {
		t.Errorf("prev: got %q, want the version before", got)
	}
	if boot, err := os.ReadFile(filepath.Join(dir, "boot.py")); err != nil || string(boot) != "boot" {
		t.Errorf("boot.py: got %q %v, want it untouched", boot, err)
	}
}
