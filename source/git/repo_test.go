package git_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moult/source/sourcetest"
)

// program returns the path of a program that the tests need, and fails with the command that installs it.
func program(t testing.TB, install string, candidates ...string) string {
	t.Helper()
	for _, name := range candidates {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatalf("got none of %s; install it: apt-get install %s", strings.Join(candidates, ", "), install)
	return ""
}

// run runs git in dir, without anybody's configuration, at a time, and returns what it says.
func run(t testing.TB, dir string, at time.Time, args ...string) string {
	t.Helper()
	cmd := exec.Command(program(t, "git", "git"), args...)
	cmd.Dir = dir
	date := at.UTC().Format(time.RFC3339)
	cmd.Env = []string{"HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "PATH=" + os.Getenv("PATH"),
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.org",
		"GIT_AUTHOR_DATE=" + date, "GIT_COMMITTER_DATE=" + date}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

var noon = time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)

// newRepo makes an empty repository with a working tree.
func newRepo(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	run(t, dir, noon, "init", "-q", "-b", "main")
	return dir
}

// commit replaces the tree by files and tags it; an annotated tag where notes are given.
func commit(t testing.TB, dir, tag, notes string, at time.Time, files sourcetest.Tree) {
	t.Helper()
	run(t, dir, at, "rm", "-rqf", "--ignore-unmatch", ".")
	for path, f := range files {
		name := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o644)
		if f.Executable {
			mode = 0o755
		}
		var err error
		if f.Link != "" {
			err = os.Symlink(f.Link, name)
		} else {
			err = os.WriteFile(name, []byte(f.Content), mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	run(t, dir, at, "add", "-A", "-f")
	run(t, dir, at, "commit", "-q", "--allow-empty", "-m", "release "+tag)
	if notes != "" {
		run(t, dir, at, "tag", "-a", "-m", notes, tag)
	} else {
		run(t, dir, at, "tag", tag)
	}
}

// modelRepo makes the suite's model real; every second tag is annotated. It returns "" for none.
func modelRepo(t *testing.T, repo *sourcetest.Repo) string {
	t.Helper()
	if repo == nil {
		return ""
	}
	dir := newRepo(t)
	for i := len(repo.Releases) - 1; i >= 0; i-- {
		r := repo.Releases[i]
		notes := r.Notes
		if notes == "" && i%2 == 1 {
			notes = "notes of " + r.Tag
		}
		commit(t, dir, r.Tag, notes, repo.PublishedAt(i), r.Files)
	}
	return dir
}

// pair is a name and what it is for, so that a tree reads as a line each.
func tree(pairs ...string) sourcetest.Tree {
	files := sourcetest.Tree{}
	for i := 0; i < len(pairs); i += 2 {
		files[pairs[i]] = sourcetest.File{Content: pairs[i+1]}
	}
	return files
}

// server serves the repository in dir by git's own http-backend at /owner/repo.git, behind wrap.
func server(t testing.TB, dir string, wrap func(http.Handler) http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handler(t, dir, wrap))
	t.Cleanup(s.Close)
	return s
}

func handler(t testing.TB, dir string, wrap func(http.Handler) http.Handler) http.Handler {
	t.Helper()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "owner"), 0o755); err != nil {
		t.Fatal(err)
	}
	if dir != "" {
		// a copy and no clone, for which git would refuse hostile objects
		if err := os.CopyFS(filepath.Join(root, "owner/repo.git"), os.DirFS(filepath.Join(dir, ".git"))); err != nil {
			t.Fatal(err)
		}
	}
	var h http.Handler = &cgi.Handler{
		Path: program(t, "git", "git"), Args: []string{"http-backend"},
		// what git would pack in a thread a core is packed the same everywhere
		Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "HOME=/nonexistent",
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
		Stderr: t.Output(),
	}
	if wrap != nil {
		h = wrap(h)
	}
	return h
}

// tlsServer is server over TLS; its client's transport trusts it.
func tlsServer(t testing.TB, h http.Handler) (*httptest.Server, http.RoundTripper) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	transport := s.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	return s, transport
}

// empty fails where a directory has entries: a fetch leaves nothing behind.
func empty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("temp: got %v, %v, want nothing left behind", entries, err)
	}
}

func fiftyFiles() sourcetest.Tree {
	files := sourcetest.Tree{}
	for i := range 50 {
		files[fmt.Sprintf("main/f%02d.py", i)] = sourcetest.File{Content: strings.Repeat(fmt.Sprintf("def function_%d(a, b): return a*%d + b\n", i, i*i), 6000/45)}
	}
	return files
}
