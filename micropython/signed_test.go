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
		old := map[string]string{"app.py": runs("1.9"), "l\u2028p\u2029.txt": "a line's end", "lib/large.py": strings.Repeat("large = 1\n", 300), "lib/same.py": strings.Repeat("same = 1\n", 300), "bin.dat": "\x00\xff\x00", "gone.py": "gone", "empty": ""}
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
		// What the board altered is asked for whole, also where a delta to it came. A copy that it has does, whatever its name.
		b.write("app/main/lib/same.py", "altered")
		b.write("app/main/lib/large.py", "large = 2\n")
		b.write("app/main/empty", "no more")
		now = with(now, map[string]string{"app.py": runs("1.11"), "lib/large.py": now["lib/large.py"] + "large = 2\n", "lib/again.py": "new", "lib/zoo.py": "zoo", "one more": "", "z.py": now["app.py"]})
		r.add("app", "1.11", now)
		file := func(name string) string { return "files/" + digestOf(now[name])[:2] + "/" + digestOf(now[name]) }
		step("altered files", "bundles/app/stable/1.10.bundle", file("lib/large.py"), file("lib/same.py"), "bundles/app/stable/1.11.bundle")
		b.wantTree("app/main", with(now, map[string]string{".version": "1.11", "kept.txt": "mine"}))
		// One that is named, of which the board has not heard.
		r.add("app", "1.12", with(now, map[string]string{"app.py": runs("1.12")}))
		r.add("app", "1.13", now)
		b.write("main.py", "import moult\nmoult.update('app', '1.12')\n")
		if end, out := b.start(); end != wasReset || b.tree("app/main")[".version"] != "1.12" {
			t.Errorf("a named version: status %d\n%s", end, out)
		}
	})
}

// TestTrustReplaced gives a board another root of trust, and none, after a check: what the first root proved is not installed.
func TestTrustReplaced(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		first, other := newSignedRepo(t), newSignedRepo(t)
		first.add("app", "1.0", map[string]string{"app.py": "x"})
		for _, test := range []struct{ name, script, reason string }{
			{"another root", "moult.trust('new.json', replace=True)", "signature: "},
			{"none", "import os\nfor name in os.listdir('.moult/trust'):\n    os.remove('.moult/trust/' + name)", "untrusted: "},
		} {
			b := newBoard(t, word)
			first.follow(b, "")
			root, err := os.ReadFile(filepath.Join(other.dir, "metadata/1.root.json"))
			must(t, err)
			b.write("new.json", string(root))
			b.eval("import moult\nmoult.check()\n" + test.script)
			b.write("main.py", "import moult\nprint('went', moult.run())\n")
			_, out := b.start()
			if got := b.tree("app/main"); len(got) > 0 || !strings.Contains(out, test.reason) {
				t.Errorf("%s: got %q installed, want nothing and %q\n%s", test.name, got, test.reason, out)
			}
		}
	})
}

// TestRescueAfterAFailure breaks each module's bundle: single requests bring what they can, also after another module failed.
func TestRescueAfterAFailure(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		r := newSignedRepo(t)
		r.add("aaa", "1.0", map[string]string{"a.py": "only in aaa"})
		r.add("app", "1.0", map[string]string{"app.py": strings.Repeat("text that takes some bytes\n", 200)})
		digest := digestOf("only in aaa")
		must(t, os.Remove(filepath.Join(r.dir, "files", digest[:2], digest)))
		for _, module := range []string{"aaa", "app"} {
			name := filepath.Join(r.dir, "bundles", module, "stable.bundle")
			data, err := os.ReadFile(name)
			must(t, err)
			must(t, os.WriteFile(name, data[:len(data)*3/4], 0o644))
		}
		b := newBoard(t, word)
		r.follow(b, "")
		b.write("config/moult.json", fmt.Sprintf(`{"modules": {"aaa": {}, "app": {}}, "repository": {"url": %q}}`, r.URL))
		_, out := b.start()
		if b.tree("app/main")[".version"] != "1.0" || b.tree("aaa/main")[".version"] != "" {
			t.Errorf("want app by single requests, and aaa failed\n%s", out)
		}
	})
}

// TestStick takes releases from files that somebody copied to the board: no server is asked, and what is not for it is refused.
func TestStick(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		r := newSignedRepo(t)
		old := map[string]string{"app.py": runs("1.0"), "same.py": strings.Repeat("same = 1\n", 100)}
		now := with(old, map[string]string{"app.py": runs("1.1")})
		r.add("app", "1.0", old)
		r.add("other", "1.0", old)
		b := newBoard(t, word)
		r.follow(b, "")
		put := func(bundle string) {
			data, err := os.ReadFile(filepath.Join(r.dir, "bundles", bundle))
			must(t, err)
			b.write("stick.bundle", string(data))
		}
		b.write("main.py", "import moult\nmoult.listener = None\nprint('went', moult.update('app', bundle='stick.bundle'))\n")
		put("other/stable.bundle")
		if end, out := b.start(); end != crashed || !strings.Contains(out, "wrong-module: ") {
			t.Errorf("another module's: status %d\n%s", end, out)
		}
		put("app/stable.bundle")
		if end, out := b.start(); end != wasReset {
			t.Errorf("an install: status %d\n%s", end, out)
		}
		b.wantTree("app/main", with(old, map[string]string{".version": "1.0"}))
		r.add("app", "1.1", now)
		put("app/stable/1.0.bundle")
		if end, out := b.start(); end != wasReset {
			t.Errorf("an update: status %d\n%s", end, out)
		}
		b.wantTree("app/main", with(now, map[string]string{".version": "1.1"}))
		b.write("app/main/same.py", "altered")
		r.add("app", "1.2", with(old, map[string]string{"app.py": runs("1.2")}))
		put("app/stable/1.1.bundle")
		if end, out := b.start(); end != crashed || !strings.Contains(out, "missing: ") {
			t.Errorf("a delta to what the board has altered: status %d\n%s", end, out)
		}
		b.wantTree("app/main", with(now, map[string]string{".version": "1.1", "same.py": "altered"}))
		if got := b.tree(""); got["stick.bundle"] == "" || len(b.tree(".moult/download")) > 0 {
			t.Error("want the stick's file as it was, and nothing left of it")
		}
		b.write("main.py", "import moult\nmoult.update(bundle='stick.bundle')\n")
		if end, out := b.start(); end != crashed || !strings.Contains(out, "got a bundle and no module") {
			t.Errorf("no module: status %d\n%s", end, out)
		}
		if asked, _, _ := r.requests(); len(asked) > 0 {
			t.Errorf("asked for %q, want nothing", asked)
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

// TestForm alters single places of documents: what is of the one form that metadata may have gets as far as its signature.
func TestForm(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		b := newBoard(t, word).readable()
		b.heap = "1M"
		end, out := b.run(t.Context(), abs(t, "tests/form.py"), abs(t, "../testdata/vectors/chain/device/trust"))
		if end != 0 || out != "cases 162\n" {
			t.Errorf("status %d, want 162 cases and no word more\n%s", end, out)
		}
	})
}
