package git_test

import (
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moult/fault"
	"moult/release"
	"moult/source/git"
	"moult/source/sourcetest"
)

func latest(t *testing.T, url, channel string) release.Release {
	t.Helper()
	c, err := release.ParseChannel(channel)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := newSource(t, url, git.Options{}).Latest(t.Context(), release.Query{Channel: c})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Release
}

func fetch(t *testing.T, url string, opt git.Options, r release.Release, want release.Want) (sourcetest.Tree, release.Fetched, error) {
	t.Helper()
	got := sourcetest.Tree{}
	fetched, err := newSource(t, url, opt).Fetch(t.Context(), r, want, got.Put)
	return got, fetched, err
}

func version(tag string) release.Release { return release.Release{Version: release.MustVersion(tag)} }

func TestNew(t *testing.T) {
	tests := []struct {
		in      string
		opt     git.Options
		wantErr string // "" for none
	}{
		{in: "/srv/git/app.git"}, {in: "file:///srv/git/app"}, {in: "file://localhost/srv/git/app"},
		{in: "https://example.org/owner/app.git"}, {in: "https://example.org:8443/owner/app/"}, {in: "https://[::1]:8443/app"},
		{in: "http://gateway.local/app"}, {in: "ssh://git@example.org:2222/owner/app"}, {in: "git@example.org:owner/app.git"}, {in: "example.org:app"},
		{in: "https://example.org/a", opt: git.Options{Token: "secret"}},
		{in: "ssh://git@example.org/a", opt: git.Options{Token: "secret"}},
		{in: "http://example.org/a", opt: git.Options{Token: "secret"}, wantErr: "got a token for http"},
		{in: "", wantErr: "want an absolute path"}, {in: "app", wantErr: "want an absolute path"}, {in: "../app", wantErr: "want an absolute path"},
		{in: "~/app", wantErr: "want an absolute path"}, {in: "git://example.org/app", wantErr: "want an absolute path"},
		{in: "ftp://example.org/app", wantErr: "want an absolute path"}, {in: "file://host/app", wantErr: "want an absolute path"},
		{in: "file://app", wantErr: "want an absolute path"}, {in: "https://example.org", wantErr: "want an absolute path"},
		{in: "https:///app", wantErr: "want an absolute path"}, {in: "https://example.org/a?x=1", wantErr: "want an absolute path"},
		{in: "https://user:secret@example.org/%zz", wantErr: "want an absolute path"}, {in: "https://user:secret@example.org/", wantErr: "want an absolute path"},
		{in: "ext::sh -c id", wantErr: "want an absolute path"},
	}
	for _, test := range tests {
		_, err := git.New(test.in, test.opt)
		if (err == nil) != (test.wantErr == "") || err != nil && !strings.Contains(err.Error(), test.wantErr) {
			t.Errorf("%q: got %v, want %q", test.in, err, test.wantErr)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got the secret in %v", test.in, err)
		}
	}
}

func TestLocalLatest(t *testing.T) {
	dir := newRepo(t)
	commit(t, dir, "zebra", "", noon, tree("a", "1"))
	commit(t, dir, "ant", "of the\nevening", noon.Add(time.Hour), tree("a", "2"))
	run(t, dir, noon, "tag", "blob", run(t, dir, noon, "hash-object", "-w", "a"))
	run(t, dir, noon.Add(9*time.Hour), "tag", "-a", "-m", "of a tree", "tree", "HEAD^{tree}")
	head := run(t, dir, noon, "rev-parse", "HEAD")

	got := latest(t, dir, "stable")
	if got.Version.String() != "ant" || got.Commit != head || got.Notes != "of the\nevening" || !got.Published.Equal(noon.Add(time.Hour)) {
		t.Errorf("by date: got %+v, want ant at %s", got, head)
	}

	run(t, dir, noon, "tag", "v1.0", "zebra")
	run(t, dir, noon, "tag", "-a", "-m", "outer", "v1.1", "ant")
	run(t, dir, noon, "tag", "v9", "HEAD^{tree}") // no commit: not a release
	if got := latest(t, dir, "stable"); got.Version.String() != "v1.1" || got.Commit != head || got.Notes != "outer" {
		t.Errorf("tag of a tag: got %+v, want v1.1 at %s", got, head)
	}
	run(t, dir, noon, "pack-refs", "--all")
	run(t, dir, noon, "gc", "-q")
	if got := latest(t, dir, "stable"); got.Version.String() != "v1.1" || got.Commit != head {
		t.Errorf("packed: got %+v, want v1.1 at %s", got, head)
	}
	run(t, dir, noon, "tag", "-a", "-m", strings.Repeat("é", release.MaxNotes), "v2")
	if got := latest(t, dir, "stable"); len(got.Notes) > release.MaxNotes || strings.Trim(got.Notes, "é") != "" {
		t.Errorf("notes: got %d bytes, want at most %d whole characters", len(got.Notes), release.MaxNotes)
	}
}

// TestLocalKinds opens every kind of local repository.
func TestLocalKinds(t *testing.T) {
	dir := newRepo(t)
	commit(t, dir, "v1.0", "", noon, tree("main/a", "1"))
	base := t.TempDir()
	bare, shared, linked, separate := filepath.Join(base, "bare"), filepath.Join(base, "shared"), filepath.Join(base, "linked"), filepath.Join(base, "separate")
	run(t, base, noon, "clone", "-q", "--bare", dir, bare)
	run(t, base, noon, "clone", "-q", "--shared", "--bare", dir, shared)
	run(t, dir, noon, "worktree", "add", "-q", linked)
	run(t, base, noon, "clone", "-q", "--separate-git-dir", filepath.Join(base, "elsewhere"), dir, separate)
	relative := filepath.Join(base, "relative")
	if err := os.Mkdir(relative, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(relative, ".git"), "gitdir: ../bare\n")
	shallow := filepath.Join(base, "shallow")
	run(t, base, noon, "clone", "-q", "--depth", "1", "--branch", "v1.0", "-c", "advice.detachedHead=false", "file://"+dir, shallow)
	packed := filepath.Join(base, "packed")
	run(t, base, noon, "clone", "-q", "--bare", dir, packed)
	run(t, packed, noon, "gc", "-q")

	for _, path := range []string{dir, bare, shared, linked, separate, relative, shallow, packed, filepath.Join(dir, ".git")} {
		r := latest(t, path, "stable")
		got, fetched, err := fetch(t, "file://"+path, git.Options{}, r, release.Want{Dir: "main"})
		if diff := tree("a", "1").Diff(got); err != nil || diff != "" {
			t.Errorf("%s: got %v, %s", filepath.Base(path), err, diff)
		}
		if fetched.Commit != r.Commit || fetched.Requests != 0 || fetched.Received != 0 {
			t.Errorf("%s: got %+v, want commit %s and no requests", filepath.Base(path), fetched, r.Commit)
		}
	}
}

func TestLocalRefused(t *testing.T) {
	sha256 := t.TempDir()
	run(t, sha256, noon, "init", "-q", "--object-format=sha256")
	commit(t, sha256, "v1.0", "", noon, tree("a", "1"))
	empty := t.TempDir()
	wrongFile := t.TempDir()
	write(t, filepath.Join(wrongFile, ".git"), "elsewhere")
	lost := newRepo(t)
	commit(t, lost, "v1.0", "", noon, tree("a", "1"))
	blob := run(t, lost, noon, "rev-parse", "v1.0:a")
	if err := os.Remove(filepath.Join(lost, ".git/objects", blob[:2], blob[2:])); err != nil {
		t.Fatal(err)
	}
	rotten := newRepo(t)
	commit(t, rotten, "v1.0", "", noon, tree("a", "1", "b", "2"))
	a, b := run(t, rotten, noon, "rev-parse", "v1.0:a"), run(t, rotten, noon, "rev-parse", "v1.0:b")
	if err := os.Rename(filepath.Join(rotten, ".git/objects", b[:2], b[2:]), filepath.Join(rotten, ".git/objects", a[:2], a[2:])); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, dir string
		want      error
		text      string
		hint      string
	}{
		{"empty directory", empty, release.ErrNotFound, "no git repository", "holds .git"},
		{"no directory", filepath.Join(empty, "x"), release.ErrNotFound, "no git repository", "holds .git"},
		{"a .git file of something else", wrongFile, nil, "want gitdir:", ""},
		{"SHA-256", sha256, nil, `extensions.objectformat: got "sha256"`, "over https or ssh"},
		{"lost object", lost, nil, "missing", "git fsck"},
		{"rotten object", rotten, nil, "other bytes than its hash says", "git fsck"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := fetch(t, test.dir, git.Options{}, version("v1.0"), release.Want{})
			if err == nil || !strings.Contains(err.Error(), test.text) || test.want != nil && !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %q", err, test.text)
			}
			if !strings.Contains(fault.HintOf(err), test.hint) || fault.IsTransient(err) {
				t.Errorf("%v: got hint %q, transient %v", err, fault.HintOf(err), fault.IsTransient(err))
			}
		})
	}
}

// rawTree writes a tree object as it stands, which git's own commands would refuse, and tags a commit of it.
func rawTree(t *testing.T, dir, tag string, entries ...string) {
	t.Helper()
	var raw strings.Builder
	for i := 0; i < len(entries); i += 3 {
		raw.WriteString(entries[i] + " " + entries[i+1] + "\x00" + unhex(t, entries[i+2]))
	}
	name := filepath.Join(t.TempDir(), "tree")
	write(t, name, raw.String())
	hash := run(t, dir, noon, "hash-object", "-w", "--literally", "-t", "tree", name)
	run(t, dir, noon, "tag", tag, run(t, dir, noon, "commit-tree", "-m", "x", hash))
}

func unhex(t *testing.T, text string) string {
	t.Helper()
	raw, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestHostileTrees fetches trees that git itself would not check out, from a path and over http.
func TestHostileTrees(t *testing.T) {
	dir := newRepo(t)
	write(t, filepath.Join(dir, "f"), "content")
	blob := run(t, dir, noon, "hash-object", "-w", "f")
	write(t, filepath.Join(dir, "f"), "/etc/passwd")
	absolute := run(t, dir, noon, "hash-object", "-w", "f")
	write(t, filepath.Join(dir, "f"), "../../x")
	outward := run(t, dir, noon, "hash-object", "-w", "f")
	write(t, filepath.Join(dir, "f"), "")
	nothing := run(t, dir, noon, "hash-object", "-w", "f")
	write(t, filepath.Join(dir, "f"), strings.Repeat("x", 100_000))
	long := run(t, dir, noon, "hash-object", "-w", "f")
	write(t, filepath.Join(dir, "f"), "100644 a\x00"+unhex(t, blob))
	inner := run(t, dir, noon, "hash-object", "-w", "--literally", "-t", "tree", filepath.Join(dir, "f"))
	// each level names the one below twice: 2^40 files in 40 objects, or as many folders without any
	files, folders := inner, "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
	run(t, dir, noon, "hash-object", "-w", "-t", "tree", "/dev/null")
	for range 40 {
		for _, tree := range []*string{&files, &folders} {
			write(t, filepath.Join(dir, "f"), "40000 a\x00"+unhex(t, *tree)+"40000 b\x00"+unhex(t, *tree))
			*tree = run(t, dir, noon, "hash-object", "-w", "--literally", "-t", "tree", filepath.Join(dir, "f"))
		}
	}
	limits := release.Limits{Files: 1000}
	tests := []struct {
		name    string
		entries []string
		want    string
	}{
		{"parent", []string{"100644", "..", blob}, `the name ".."`},
		{"itself", []string{"100644", ".", blob}, `the name "."`},
		{"slash in a name", []string{"100644", "a/b", blob}, `the name "a/b"`},
		{"way out", []string{"100644", "../x", blob}, `the name "../x"`},
		{"absolute", []string{"100644", "/etc/x", blob}, `the name "/etc/x"`},
		{".git", []string{"100644", ".git", blob}, `the name ".git"`},
		{".GIT folder", []string{"40000", ".GIT", inner}, `the name ".GIT"`},
		{"parent folder", []string{"40000", "..", inner}, `the name ".."`},
		{"control character", []string{"100644", "a\nb", blob}, "control character"},
		{"long name", []string{"100644", strings.Repeat("n", 256), blob}, "256 bytes"},
		{"name twice", []string{"100644", "a", blob, "100644", "a", blob}, "twice"},
		{"file and folder", []string{"100644", "a", blob, "40000", "a", inner}, "below a"},
		{"below a link", []string{"120000", "a", blob, "40000", "a", inner}, "below a"},
		{"absolute link", []string{"120000", "l", absolute}, "absolute target"},
		{"link that leaves", []string{"120000", "l", outward}, "leads out"},
		{"link without a target", []string{"120000", "l", nothing}, "without a target"},
		{"link of 100 kB", []string{"120000", "l", long}, "1 to 1024"},
		{"folder that is a file", []string{"40000", "d", blob}, "want a tree"},
		{"file that is a folder", []string{"100644", "d", inner}, "want a blob"},
		{"bomb of files", []string{"40000", "d", files}, "more than 1000 files"},
		{"bomb of folders", []string{"40000", "d", folders}, "more entries than"},
	}
	for i, test := range tests {
		rawTree(t, dir, "v1."+string(rune('a'+i)), test.entries...)
	}
	temp := t.TempDir()
	remote := server(t, dir, nil).URL + "/owner/repo.git"
	for i, test := range tests {
		for _, url := range []string{dir, remote} {
			if url == remote && strings.HasPrefix(test.want, "want a ") {
				continue // git packs no such thing: see TestUnpack
			}
			t.Run(test.name+" "+url[:4], func(t *testing.T) {
				got, _, err := fetch(t, url, git.Options{Temp: temp}, version("v1."+string(rune('a'+i))), release.Want{Limits: limits})
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v and %v, want %q", err, got.Paths(), test.want)
				}
				if fault.IsTransient(err) {
					t.Errorf("got a transient error %v, want a final one", err)
				}
			})
		}
	}
	empty(t, temp)
}

func TestTree(t *testing.T) {
	sub := newRepo(t)
	commit(t, sub, "x", "", noon, tree("inside", "1"))
	dir := newRepo(t)
	commit(t, dir, "v0", "", noon, tree(".version", "9", "main/.version", "9", "main/.manifest", "{}", "main/sub/.version", "8", "main/a", "1", "main/.gitignore", "x"))
	run(t, dir, noon, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", sub, "main/module")
	run(t, dir, noon, "commit", "-qm", "module")
	run(t, dir, noon, "tag", "v1.0")
	want := tree("sub/.version", "8", "a", "1", ".gitignore", "x")
	for _, url := range []string{dir, server(t, dir, nil).URL + "/owner/repo.git"} {
		got, _, err := fetch(t, url, git.Options{}, version("v1.0"), release.Want{Dir: "./main/"})
		if diff := want.Diff(got); err != nil || diff != "" {
			t.Errorf("got %v, %s", err, diff)
		}
		if _, _, err := fetch(t, url, git.Options{}, version("v1.0"), release.Want{Dir: "main/module"}); !errors.Is(err, release.ErrNotFound) {
			t.Errorf("dir is a submodule: got %v, want release.ErrNotFound", err)
		}
		if _, _, err := fetch(t, url, git.Options{}, version("v1.0"), release.Want{Dir: "../x"}); err == nil {
			t.Error("dir that leaves: got no error")
		}
		if _, _, err := fetch(t, url, git.Options{}, version("v1.0"), release.Want{Asset: "app"}); !errors.Is(err, release.ErrNotFound) || fault.HintOf(err) == "" {
			t.Errorf("asset: got %v, want release.ErrNotFound with a hint", err)
		}
	}
}
