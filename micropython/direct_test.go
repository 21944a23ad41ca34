package micropython_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moult/source/forge"
	"moult/source/sourcetest"
)

// directBoard returns a board with one module of a forge, whose application prints its version, and a silent server given up soon.
func directBoard(t *testing.T, word string, kind forge.Kind, more string) (*board, *sourcetest.Forge) {
	t.Helper()
	f := sourcetest.NewForge(t, kind, false)
	b := newBoard(t, word)
	b.write("boot.py", "import moult_boot\nmoult_boot.start()\n")
	b.write("main.py", "import moult.http\nmoult.http.PATIENCE = 300\nmoult.run()\ntry:\n    import app.main.app\nexcept ImportError:\n    print('nothing to run')\n")
	b.write("config/moult.json", fmt.Sprintf(`{"modules": {"app": {"url": "%s/owner/app", "forge": "%s"%s}}}`, f.URL, kind, more))
	return b, f
}

func runs(version string) string { return "print('runs " + version + "')\n" }

func TestForges(t *testing.T) {
	list := []sourcetest.Release{
		{Tag: "2.0-rc1", Prerelease: true, Notes: `{"tag_name": "9.9", "draft": false}`, Files: sourcetest.Tree{"main/app.py": {Content: runs("2.0-rc1")}}},
		{Tag: "v1.10.0", Notes: strings.Repeat("many words ", 500), Files: sourcetest.Tree{"main/app.py": {Content: runs("v1.10.0")}}},
		{Tag: "1.9.1", Files: sourcetest.Tree{"main/app.py": {Content: runs("1.9.1")}}},
		{Tag: "1.9.0", Files: sourcetest.Tree{"main/app.py": {Content: runs("1.9.0")}}},
	}
	tests := []struct {
		name, config string
		repo         sourcetest.Repo
		want         string // what runs; "nothing" for none
		said         string // in the output
	}{
		{"the latest", "", sourcetest.Repo{Releases: list}, "v1.10.0", ""},
		{"beta", `, "channel": "beta"`, sourcetest.Repo{Releases: list}, "2.0-rc1", ""},
		{"a constraint", `, "channel": "~> 1.9.0"`, sourcetest.Repo{Releases: list}, "1.9.1", ""},
		{"a pin", `, "channel": "= 1.9"`, sourcetest.Repo{Releases: list}, "1.9.0", ""},
		{"a private repository", `, "token": "tok"`, sourcetest.Repo{Releases: list, Token: "tok"}, "v1.10.0", ""},
		{"a private repository, beta", `, "token": "tok", "channel": "beta"`, sourcetest.Repo{Releases: list, Token: "tok"}, "2.0-rc1", ""},
		{"a private repository without token", "", sourcetest.Repo{Releases: list, Token: "tok"}, "nothing", "got status 404 (hint: check the url; a private repository needs a token)"},
		{"a wrong token", `, "token": "no"`, sourcetest.Repo{Releases: list, Token: "tok"}, "nothing", "got status 404"},
		{"no release", "", sourcetest.Repo{}, "nothing", "got no release"},
		{"only candidates", "", sourcetest.Repo{Releases: list[:1]}, "nothing", "got no release"},
		{"a tag with a slash and a space of its own", "", sourcetest.Repo{Releases: []sourcetest.Release{{Tag: "rel/1.0+é", Files: sourcetest.Tree{"main/app.py": {Content: runs("it")}}}}}, "it", ""},
		{"another directory", `, "dir": "src/board"`, sourcetest.Repo{Releases: []sourcetest.Release{{Tag: "1", Files: sourcetest.Tree{
			"main/app.py": {Content: "no"}, "src/board/app.py": {Content: runs("it")}, "src/board2/app.py": {Content: "no"}}}}}, "it", ""},
		{"the whole repository", `, "dir": ""`, sourcetest.Repo{Releases: []sourcetest.Release{{Tag: "1", Files: sourcetest.Tree{"app.py": {Content: runs("it")}}}}}, "it", ""},
		{"a directory that is not there", `, "dir": "src"`, sourcetest.Repo{Releases: list}, "nothing", "got no file below src"},
		{"a link", "", sourcetest.Repo{Releases: []sourcetest.Release{{Tag: "1", Files: sourcetest.Tree{"main/app.py": {Content: "x"}, "main/z": {Link: "app.py"}}}}}, "nothing", "got a link"},
		{"long names", "", sourcetest.Repo{Releases: []sourcetest.Release{{Tag: "1", Files: sourcetest.Tree{"main/app.py": {Content: runs("it")},
			"main/" + strings.Repeat("long/", 20) + strings.Repeat("n", 90) + "é.txt": {Content: "x"}}}}}, "it", ""},
		{"a path too long for a flash", "", sourcetest.Repo{Releases: []sourcetest.Release{{Tag: "1", Files: sourcetest.Tree{"main/" + strings.Repeat("long/", 50) + "x": {Content: "x"}}}}}, "nothing", "of at most 200 characters"},
	}
	eachWord(t, func(t *testing.T, word string) {
		for _, kind := range []forge.Kind{forge.GitHub, forge.Gitea} {
			for _, test := range tests {
				t.Run(string(kind)+"/"+test.name, func(t *testing.T) {
					b, f := directBoard(t, word, kind, test.config)
					f.Put("owner/app", &test.repo)
					end, out := b.boot()
					want := "runs " + test.want + "\n"
					if test.want == "nothing" {
						want = "nothing to run\n"
					}
					if end != atPrompt || !strings.HasSuffix(out, want) || !strings.Contains(out, test.said) {
						t.Errorf("got status %d, want %q and %q\n%s", end, want, test.said, out)
					}
					for _, r := range f.Requests() {
						if host := "http://" + r.Host; host != f.URL && r.Header.Get("Authorization") != "" {
							t.Errorf("%s: got the token, want it at %s alone", host, f.URL)
						}
					}
				})
			}
		}
	})
}

// TestDirectFaults gives a board every bad answer of a forge. The old version runs on, and the reason is told.
func TestDirectFaults(t *testing.T) {
	isArchive := sourcetest.IsArchive
	tests := []struct {
		name  string
		match func(*http.Request) bool // nil: any
		fault sourcetest.Fault
		said  string
	}{
		{"404", nil, sourcetest.Status(404), "got status 404"},
		{"403", nil, sourcetest.Status(403), "got status 403"},
		{"403 of the limit", nil, sourcetest.RateLimited(time.Unix(1<<31, 0)), "asked too often"},
		{"401", nil, sourcetest.Status(401), "check the token"},
		{"429", nil, sourcetest.Status(429), "asked too often"},
		{"500", nil, sourcetest.Status(500), "got status 500"},
		{"a web page", nil, sourcetest.WebPage(), "captive portal"},
		{"a redirect to a stranger", nil, nil, "captive portal"},
		{"redirects without end", isArchive, sourcetest.RedirectLoop(), "more than 5 redirects"},
		{"no answer", nil, sourcetest.Silent(-1), "the server is too slow"},
		{"404 for the archive", isArchive, sourcetest.Status(404), "got status 404"},
		{"500 for the archive", isArchive, sourcetest.Status(502), "got status 502"},
		{"a web page for the archive", isArchive, sourcetest.WebPage(), "captive portal"},
		{"text for the archive", isArchive, sourcetest.Body("not found"), "the archive is broken or cut"},
		{"nothing for the archive", isArchive, sourcetest.Body(""), "the archive is broken or cut"},
		{"an archive cut", isArchive, sourcetest.Cut(120), "the body was cut"},
		{"an archive cut at its end", isArchive, sourcetest.Shorten(4), "the archive is broken or cut"},
		{"an archive cut before its end", isArchive, sourcetest.Shorten(60), "the archive is broken or cut"},
		{"a longer one announced", isArchive, sourcetest.WrongLength(9), "the body was cut"},
		{"silence within the archive", isArchive, sourcetest.Silent(100), "the server is too slow"},
		{"silence after the head", isArchive, sourcetest.Silent(0), "the server is too slow"},
	}
	eachWord(t, func(t *testing.T, word string) {
		b, f := directBoard(t, word, forge.GitHub, "")
		b.readable()
		release := func(tag string) *sourcetest.Repo {
			return &sourcetest.Repo{Releases: []sourcetest.Release{tagged(tag, "main", map[string]string{"app.py": runs(tag), "data": strings.Repeat(tag, 500)})}}
		}
		f.Put("owner/app", release("1.0"))
		if end, out := b.boot(); end != atPrompt || !strings.HasSuffix(out, "runs 1.0\n") {
			t.Fatalf("status %d\n%s", end, out)
		}
		before := b.tree("app/main")
		f.Put("owner/app", release("1.1"))
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				b.t = t
				fault := test.fault
				if fault == nil {
					fault = sourcetest.Redirect(f.Stranger + "/login")
				}
				f.Break(test.match, -1, fault)
				defer f.Mend()
				end, out := b.boot()
				if end != atPrompt || !strings.HasSuffix(out, "runs 1.0\n") || !strings.Contains(out, test.said) {
					t.Errorf("got status %d, want the old version, and %q\n%s", end, test.said, out)
				}
				b.wantTree("app/main", before)
				if left := b.tree("app/next"); len(left) != 0 {
					t.Errorf("next: got %v, want nothing left", left)
				}
				events := b.history()
				if last := events[len(events)-1]; last.Event != "failed" || !strings.Contains(last.Reason, test.said) {
					t.Errorf("got the event %v, want it failed with its reason", last)
				}
			})
		}
		b.t = t
		f.Break(isArchive, 1, sourcetest.Cut(120)) // passes, at the second try
		if end, out := b.boot(); end != atPrompt || !strings.HasSuffix(out, "runs 1.1\n") || !strings.Contains(out, "trying again (2 of 3)") {
			t.Errorf("got status %d, want 1.1 at the second try\n%s", end, out)
		}
	})
}

// TestRenamedRepository follows a forge to a repository's new name.
func TestRenamedRepository(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		b, f := directBoard(t, word, forge.GitHub, "")
		f.Put("owner/app", &sourcetest.Repo{MovedTo: "owner/other"})
		f.Put("owner/other", &sourcetest.Repo{Releases: []sourcetest.Release{tagged("1.0", "main", map[string]string{"app.py": runs("1.0")})}})
		if end, out := b.boot(); end != atPrompt || !strings.HasSuffix(out, "runs 1.0\n") {
			t.Errorf("status %d\n%s", end, out)
		}
	})
}

// TestOwnFiles carries what is the device's own from one version to the next, by the same law as on Linux.
func TestOwnFiles(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		b, f := directBoard(t, word, forge.GitHub, `, "keep": ["settings.py", "data/**"]`)
		put := func(tag string, files map[string]string) {
			f.Put("owner/app", &sourcetest.Repo{Releases: []sourcetest.Release{tagged(tag, "main", with(files, map[string]string{"app.py": runs(tag)}))}})
			if end, out := b.boot(); end != atPrompt || !strings.HasSuffix(out, "runs "+tag+"\n") {
				t.Fatalf("status %d\n%s", end, out)
			}
		}
		put("1.0", map[string]string{"settings.py": "default", "gone/x.py": "only in 1.0", "a": "1"})
		for name, content := range map[string]string{"settings.py": "mine", "secrets.py": "key", "data/2026/log.csv": "1,2", "notes": "my notes", "dir/own": "in the way", "a": "changed"} {
			b.write("app/main/"+name, content)
		}
		put("1.1", map[string]string{"settings.py": "default 2", "notes": "shipped", "dir": "a file now", "a": "2", "data/2026/log.csv": "shipped"})
		b.wantTree("app/main", map[string]string{".version": "1.1", "app.py": runs("1.1"), "settings.py": "mine", "secrets.py": "key", "data/2026/log.csv": "1,2",
			"notes": "shipped", "notes.local": "my notes", "dir": "a file now", "dir.local/own": "in the way", "a": "2"})
		b.write("app/main/secrets.py", "newer key")
		b.eval("import moult\nmoult.listener = None\ntry:\n    moult.rollback('app')\nexcept SystemExit:\n    pass")
		b.wantTree("app/main", map[string]string{".version": "1.0", "app.py": runs("1.0"), "settings.py": "mine", "secrets.py": "newer key", "data/2026/log.csv": "1,2",
			"notes": "my notes", "notes.local": "my notes", "dir/own": "in the way", "dir.local/own": "in the way", "gone/x.py": "only in 1.0", "a": "changed"})
	})
}

// TestFAT updates a board whose flash is FAT. It works there as well; what FAT cannot promise is what a power cut leaves.
func TestFAT(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		b, f := directBoard(t, word, forge.GitHub, "")
		files := b.tree("")
		files["app/main/.version"], files["app/main/own"], files["app/main/app.py"] = "1.0", "mine", "old"
		for name, content := range packageFiles(t) {
			files["lib/"+name] = content
		}
		f.Put("owner/app", &sourcetest.Repo{Releases: []sourcetest.Release{tagged("1.1", "main", map[string]string{"app.py": runs("1.1"), "domain/x.py": "x"})}})
		data, err := json.Marshal(files)
		must(t, err)
		file := filepath.Join(t.TempDir(), "files.json")
		must(t, os.WriteFile(file, data, 0o600))
		b.path, b.heap = "", "8M"
		end, out := b.run(t.Context(), abs(t, "tests/fat.py"), file)
		for _, want := range []string{"runs 1.1\n", "('main/.version', b'1.1')", "('main/own', b'mine')", "('main/domain/x.py', b'x')", "('prev/app.py', b'old')"} {
			if end != 0 || !strings.Contains(out, want) {
				t.Errorf("got status %d, want %s\n%s", end, want, out)
			}
		}
	})
}
