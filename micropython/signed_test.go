package micropython_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPackVectors plays every vector of the pack: deltas, packs, bundles.
func TestPackVectors(t *testing.T) {
	want := 0
	for _, name := range []string{"delta", "pack", "bundle"} {
		data, err := os.ReadFile("../testdata/vectors/pack/" + name + ".json")
		must(t, err)
		var all []json.RawMessage
		must(t, json.Unmarshal(data, &all))
		want += len(all)
	}
	everywhere(t, func(t *testing.T, which string) {
		if out := runIn(t, which, abs(t, "tests/vectors.py"), abs(t, "../testdata/vectors/pack")); out != fmt.Sprintf("cases %d\n", want) || want < 100 {
			t.Errorf("want %d cases and no word more\n%s", want, out)
		}
	})
}

// chainVector is testdata/vectors/chain/README.md's case.json.
type chainVector struct {
	Device, Reason, Version string
	Nothing                 bool
	Files                   map[string]string
}

// TestChainVectors plays every vector of the whole chain as a stick's bundle: the same reason as in Go, and the same files, of which a link is
// a copy on a board.
func TestChainVectors(t *testing.T) {
	const vectors = "../testdata/vectors/chain"
	names, err := filepath.Glob(vectors + "/*/case.json")
	must(t, err)
	if len(names) < 100 {
		t.Fatalf("got %d vectors, want them all", len(names))
	}
	all := map[string]chainVector{}
	for _, name := range names {
		var v chainVector
		data, err := os.ReadFile(name)
		must(t, err)
		must(t, json.Unmarshal(data, &v))
		all[filepath.Base(filepath.Dir(name))] = v
	}
	everywhere(t, func(t *testing.T, which string) {
		boards := t.TempDir()
		for name, v := range all {
			must(t, os.CopyFS(filepath.Join(boards, name, ".moult/trust"), os.DirFS(filepath.Join(vectors, v.Device, "trust"))))
			if main := filepath.Join(vectors, v.Device, "main"); exists(main) {
				must(t, os.CopyFS(filepath.Join(boards, name, "irrigation/main"), os.DirFS(main)))
			}
		}
		out := runIn(t, which, abs(t, "tests/chain.py"), abs(t, vectors), boards)
		played := 0
		for line := range strings.Lines(out) {
			var p playedVector
			if err := json.Unmarshal([]byte(line), &p); err != nil {
				t.Fatalf("%v\n%s", err, line)
			}
			played++
			t.Run(p.Case, func(t *testing.T) { all[p.Case].compare(t, p) })
		}
		if played != len(all) {
			t.Errorf("got %d vectors played, want %d", played, len(all))
		}
	})
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// playedVector is what tests/chain.py tells of a vector.
type playedVector struct {
	Case, Said, Version string
	Before, After       map[string]string // the slot's files, with their SHA-256
}

func (v chainVector) compare(t *testing.T, p playedVector) {
	want := "did update"
	switch {
	case v.Reason == "downgrade" || v.Nothing:
		want = "did nothing"
	case v.Reason != "":
		want = "refused " + v.Reason + " "
	case len(p.Before) == 0:
		want = "did install"
	}
	if !strings.HasPrefix(p.Said, want) {
		t.Fatalf("got %q, want %q", p.Said, want)
	}
	if v.Version == "" {
		if !maps.Equal(p.Before, p.After) {
			t.Errorf("got %q in main, want it as it was", p.After)
		}
		return
	}
	if p.Version != v.Version {
		t.Errorf("got version %s, want %s", p.Version, v.Version)
	}
	delete(p.After, ".version")
	delete(p.After, ".manifest")
	files := map[string]string{}
	for path, digest := range v.Files {
		if target, isLink := strings.CutPrefix(digest, "-> "); isLink {
			digest = v.Files[target]
		}
		files[path] = digest
	}
	if !maps.Equal(files, p.After) {
		t.Errorf("got the files %q, want %q", p.After, files)
	}
}

// TestSigned follows a repository that the real 'moult repo' makes.
func TestSigned(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		r := newSignedRepo(t)
		old := map[string]string{"app.py": runs("1.9"), "lib/same.py": strings.Repeat("same = 1\n", 300), "bin.dat": "\x00\xff\x00", "gone.py": "gone", "empty": ""}
		now := with(old, map[string]string{"app.py": runs("1.10"), "lib/new.py": "new"})
		delete(now, "gone.py")
		r.add("app", "1.9", old)
		b := newBoard(t, word)
		r.follow(b, `"keep": ["kept.txt"]`)
		b.write("main.py", "import moult\nmoult.run()\nimport app.main.app\n")
		step := func(what string, asked ...string) {
			t.Helper()
			end, out := b.boot()
			if end != atPrompt {
				t.Fatalf("%s: status %d\n%s", what, end, out)
			}
			got, _, _ := r.requests()
			if !slices.Equal(got, asked) {
				t.Errorf("%s: asked for %q, want %q\n%s", what, got, asked, out)
			}
		}
		step("an install, and the check after it", "bundles/app/stable.bundle", "bundles/app/stable/1.9.bundle")
		b.wantTree("app/main", with(old, map[string]string{".version": "1.9"}))
		step("nothing new", "bundles/app/stable/1.9.bundle unchanged")
		b.write("app/main/kept.txt", "mine")
		r.add("app", "1.10", now)
		step("an update, and the check after it", "bundles/app/stable/1.9.bundle", "bundles/app/stable/1.10.bundle")
		b.wantTree("app/main", with(now, map[string]string{".version": "1.10", "kept.txt": "mine"}))
		if left := b.tree(".moult/download"); len(left) > 0 {
			t.Errorf("got %d downloads left, want none", len(left))
		}
		step("nothing new again", "bundles/app/stable/1.10.bundle unchanged")
		manifest, err := os.ReadFile(filepath.Join(b.dir, "app/main/.manifest"))
		must(t, err)
		if want := fmt.Sprintf(`{"module":"app","version":"1.10","files":[%s`, "\n"); !strings.HasPrefix(string(manifest), want) {
			t.Errorf("got the manifest %.80q, want the signed one", manifest)
		}
		b.wantHistory("updated app 1.9", "updated app 1.10")
		// A file that the board altered is asked for whole.
		b.write("app/main/lib/same.py", "altered")
		r.add("app", "1.11", with(now, map[string]string{"app.py": runs("1.11")}))
		step("an altered file", "bundles/app/stable/1.10.bundle", "files/"+digestOf(now["lib/same.py"])[:2]+"/"+digestOf(now["lib/same.py"]), "bundles/app/stable/1.11.bundle")
		b.wantTree("app/main", with(now, map[string]string{".version": "1.11", "kept.txt": "mine", "app.py": runs("1.11")}))
		// One that is named, of which the board has not heard.
		r.add("app", "1.12", with(now, map[string]string{"app.py": runs("1.12")}))
		r.add("app", "1.13", now)
		b.write("main.py", "import moult\nmoult.update('app', '1.12')\n")
		if end, out := b.start(); end != wasReset || b.tree("app/main")[".version"] != "1.12" {
			t.Errorf("a named version: status %d\n%s", end, out)
		}
	})
}

// TestSignedCut cuts the bundle's download at each fifth of it: the board goes on where it was cut.
func TestSignedCut(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		r := newSignedRepo(t)
		files := map[string]string{"app.py": runs("1.0")}
		for i := range 5 {
			files[fmt.Sprintf("%d.bin", i)] = digestOf(fmt.Sprint(i)) + digestOf(fmt.Sprint(-i))
		}
		r.add("app", "1.0", files)
		info, err := os.Stat(filepath.Join(r.dir, "bundles/app/stable.bundle"))
		must(t, err)
		for part := range int64(5) {
			r.cut = max(info.Size()*part/5, 3)
			b := newBoard(t, word)
			r.follow(b, "")
			if end, out := b.start(); end != atPrompt || !strings.Contains(out, "went False") {
				t.Fatalf("cut at %d: status %d\n%s", r.cut, end, out)
			}
			cut := r.cut
			r.cut = 0
			r.requests()
			b.boot()
			asked, _, _ := r.requests()
			want := "bundles/app/stable.bundle"
			if cut > 5 {
				want += fmt.Sprint(" from ", cut)
			}
			if len(asked) != 2 || asked[0] != want {
				t.Errorf("cut at %d: asked for %q, want %q first", cut, asked, want)
			}
			b.wantTree("app/main", with(files, map[string]string{".version": "1.0"}))
		}
	})
}
