package git_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"moult/fault"
	"moult/release"
	"moult/source/git"
	"moult/source/sourcetest"
)

func TestRemoteCosts(t *testing.T) {
	dir := newRepo(t)
	commit(t, dir, "v1.0", "", noon, tree("a", "1"))
	commit(t, dir, "v1.1", "notes", noon, fiftyFiles())
	var requests int
	var out counter
	s := server(t, dir, func(next http.Handler) http.Handler {
		return count(&requests)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(&counting{w, &out}, r) }))
	})
	temp := t.TempDir()
	source := newSource(t, s.URL+"/owner/repo.git", git.Options{Temp: filepath.Join(temp, "made")})

	answer, err := source.Latest(t.Context(), release.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if want := run(t, dir, noon, "rev-parse", "v1.1^{commit}"); answer.Release.Commit != want || answer.Memo != nil {
		t.Errorf("latest: got %+v, want commit %s", answer, want)
	}
	if requests != 1 {
		t.Errorf("latest: got %d requests, want 1", requests)
	}
	requests, out = 0, 0
	got := sourcetest.Tree{}
	var progress int64
	fetched, err := source.Fetch(t.Context(), answer.Release, release.Want{Dir: "main", Progress: func(received, total int64) { progress = received }}, got.Put)
	if err != nil {
		t.Fatal(err)
	}
	if diff := fiftyFiles().Below("main").Diff(got); diff != "" {
		t.Error(diff)
	}
	if fetched.Requests != requests || requests != 2 || fetched.Received != int64(out) || progress != int64(out) || fetched.Commit != answer.Release.Commit {
		t.Errorf("fetch: got %+v, progress %d, want %d requests, %d bytes", fetched, progress, requests, out)
	}
	empty(t, filepath.Join(temp, "made"))
}

type counter int64

type counting struct {
	http.ResponseWriter
	n *counter
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	*c.n += counter(n)
	return n, err
}

func TestTagMoved(t *testing.T) {
	dir := newRepo(t)
	commit(t, dir, "v1.0", "", noon, tree("a", "1"))
	r := latest(t, dir, "stable")
	commit(t, dir, "v1.1", "", noon, tree("a", "2"))
	run(t, dir, noon, "tag", "-f", "v1.0")
	for _, url := range []string{dir, server(t, dir, nil).URL + "/owner/repo.git"} {
		got, _, err := fetch(t, url, git.Options{}, r, release.Want{})
		if !fault.IsTransient(err) || !strings.Contains(err.Error(), "want "+r.Commit[:12]) || !strings.Contains(fault.HintOf(err), "moved") || len(got) > 0 {
			t.Errorf("got %v, hint %q and %v, want a transient error", err, fault.HintOf(err), got.Paths())
		}
	}
}

// TestDeltas fetches files of which git packs most as deltas, one against the other.
func TestDeltas(t *testing.T) {
	dir := newRepo(t)
	files := sourcetest.Tree{}
	random := rand.NewChaCha8([32]byte{})
	content := make([]byte, 40_000)
	random.Read(content)
	for i := range 40 {
		copy(content[i*900:], fmt.Sprintf("changed %d", i))
		files[fmt.Sprintf("f%02d.bin", i)] = sourcetest.File{Content: string(content) + strings.Repeat("end", i)}
	}
	commit(t, dir, "v1.0", "", noon, files)
	temp := t.TempDir()
	s := server(t, dir, nil)
	got, fetched, err := fetch(t, s.URL+"/owner/repo.git", git.Options{Temp: temp}, version("v1.0"), release.Want{})
	if diff := files.Diff(got); err != nil || diff != "" {
		t.Fatalf("got %v, %s", err, diff)
	}
	if fetched.Received > 100_000 {
		t.Errorf("got %d bytes: this was no test of deltas", fetched.Received)
	}
	empty(t, temp)
	// a local repository packs them the same
	run(t, dir, noon, "gc", "-q")
	got, _, err = fetch(t, dir, git.Options{}, version("v1.0"), release.Want{})
	if diff := files.Diff(got); err != nil || diff != "" {
		t.Errorf("local: got %v, %s", err, diff)
	}
}

func TestToken(t *testing.T) {
	dir := newRepo(t)
	commit(t, dir, "v1.0", "", noon, tree("a", "1"))
	private := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if user, password, _ := r.BasicAuth(); user == "" || password != "secret" {
				w.Header().Set("WWW-Authenticate", "Basic")
				http.Error(w, "Repository not found.", http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	h := handler(t, dir, private)
	s, transport := tlsServer(t, h)
	url := s.URL + "/owner/repo.git"
	withUser := strings.Replace(url, "https://", "https://me:secret@", 1)
	for _, test := range []struct {
		name, url, token, hint string
	}{
		{"right token", url, "secret", ""},
		{"user and password of the URL", withUser, "", ""},
		{"no token", url, "", "needs a token"},
		{"wrong token", url, "guess", "check that the token"},
		{"wrong password in the URL", strings.Replace(withUser, "secret", "guess", 1), "", "check that the token"},
	} {
		t.Run(test.name, func(t *testing.T) {
			opt := git.Options{Token: test.token, Transport: transport}
			got, _, err := fetch(t, test.url, opt, version("v1.0"), release.Want{})
			if test.hint == "" {
				if diff := tree("a", "1").Diff(got); err != nil || diff != "" {
					t.Errorf("got %v, %s", err, diff)
				}
				return
			}
			if !errors.Is(err, release.ErrNotFound) || !strings.Contains(fault.HintOf(err), test.hint) || fault.IsTransient(err) {
				t.Errorf("got %v, hint %q, want %q", err, fault.HintOf(err), test.hint)
			}
			for _, secret := range []string{"guess", "secret"} {
				if strings.Contains(err.Error()+fault.HintOf(err), secret) {
					t.Errorf("got the secret in %v", err)
				}
			}
		})
	}

	t.Run("token stays at home", func(t *testing.T) {
		seen := ""
		elsewhere, _ := tlsServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen += r.Header.Get("Authorization")
			handler(t, dir, nil).ServeHTTP(w, r)
		}))
		home, transport := tlsServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+r.URL.String(), http.StatusFound)
		}))
		transport.(*http.Transport).TLSClientConfig.InsecureSkipVerify = true // two servers of the test
		source := newSource(t, home.URL+"/owner/repo.git", git.Options{Token: "secret", Transport: transport})
		answer, err := source.Latest(t.Context(), release.Query{})
		if err != nil || answer.Release.Version.String() != "v1.0" {
			t.Errorf("redirected: got %+v, %v, want v1.0", answer, err)
		}
		if seen != "" {
			t.Errorf("other host: got the header %q, want none", seen)
		}
	})
	t.Run("no way down to http", func(t *testing.T) {
		plain := server(t, dir, nil)
		home, transport := tlsServer(t, http.RedirectHandler(plain.URL+"/owner/repo.git/info/refs?service=git-upload-pack", http.StatusFound))
		_, err := newSource(t, home.URL+"/owner/repo.git", git.Options{Transport: transport}).Latest(t.Context(), release.Query{})
		if err == nil || fault.IsTransient(err) || !strings.Contains(err.Error(), "scheme") {
			t.Errorf("got %v, want a final error that names the scheme", err)
		}
	})
	t.Run("certificate is not trusted", func(t *testing.T) {
		s.Config.ErrorLog = nil
		_, err := newSource(t, url, git.Options{}).Latest(t.Context(), release.Query{})
		if err == nil || fault.IsTransient(err) || !strings.Contains(fault.HintOf(err), "certificate") {
			t.Errorf("got %v, hint %q, want a final one about the certificate", err, fault.HintOf(err))
		}
	})
}

func TestHTTPFaults(t *testing.T) {
	dir := newRepo(t)
	commit(t, dir, "v1.0", "", noon, fiftyFiles())
	status := func(code int) func(http.Handler) http.Handler {
		return func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Error(w, strings.Repeat("sorry ", 100_000), code) })
		}
	}
	answer := func(text string) func(http.Handler) http.Handler {
		return func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text) })
		}
	}
	// cut ends the answer of a kind of request after n bytes, cleanly or with the connection
	cut := func(path string, n int, clean bool) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !strings.HasSuffix(r.URL.Path, path) {
					next.ServeHTTP(w, r)
					return
				}
				record := httptest.NewRecorder()
				next.ServeHTTP(record, r)
				w.Write(record.Body.Bytes()[:min(n, record.Body.Len())])
				if !clean {
					w.(http.Flusher).Flush()
					panic(http.ErrAbortHandler)
				}
			})
		}
	}
	corrupt := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			record := httptest.NewRecorder()
			next.ServeHTTP(record, r)
			body := record.Body.Bytes()
			if strings.HasSuffix(r.URL.Path, "upload-pack") {
				body[len(body)-500] ^= 1
			}
			w.Write(body)
		})
	}
	tests := []struct {
		name      string
		wrap      func(http.Handler) http.Handler
		want      error // nil for any
		text      string
		hint      string
		transient bool
	}{
		{"404", status(404), release.ErrNotFound, "", "check the URL", false},
		{"403", status(403), nil, "authorization failed", "may read this repository", false},
		{"410", status(410), nil, "410", "", false},
		{"429", status(429), nil, "429", "", true},
		{"500", status(500), nil, "500", "", true},
		{"503", status(503), nil, "503", "", true},
		{"HTML page", answer("<html>log in</html>"), nil, "not git's", "git clone", false},
		{"nothing", answer(""), nil, "", "", true},
		{"cut list", cut("/info/refs", 100, false), io.ErrUnexpectedEOF, "", "", true},
		{"list that ends early", cut("/info/refs", 300, true), nil, "", "", true},
		{"cut pack", cut("upload-pack", 2000, false), io.ErrUnexpectedEOF, "", "", true},
		{"pack that ends early", cut("upload-pack", 2000, true), nil, "", "", true},
		{"pack that is empty", cut("upload-pack", 0, true), nil, "", "", true},
		{"pack that never begins", cut("upload-pack", 60, true), nil, "", "", true},
		{"pack with a flipped bit", corrupt, nil, "unpack", "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			temp := t.TempDir()
			s := server(t, dir, test.wrap)
			got, _, err := fetch(t, s.URL+"/owner/repo.git", git.Options{Temp: temp}, version("v1.0"), release.Want{})
			if err == nil || !strings.Contains(err.Error(), test.text) || test.want != nil && !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v with %q", err, test.want, test.text)
			}
			if fault.IsTransient(err) != test.transient {
				t.Errorf("%v: got transient %v, want %v", err, fault.IsTransient(err), test.transient)
			}
			if !strings.Contains(fault.HintOf(err), test.hint) {
				t.Errorf("%v: got hint %q, want %q", err, fault.HintOf(err), test.hint)
			}
			if len(err.Error()) > 1000 {
				t.Errorf("got %d bytes of error", len(err.Error()))
			}
			if len(got) > 0 {
				t.Errorf("got %v, want no file", got.Paths())
			}
			empty(t, temp)
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		_, err := newSource(t, "http://127.0.0.1:1/x", git.Options{}).Latest(t.Context(), release.Query{})
		if !fault.IsTransient(err) {
			t.Errorf("got %v, want a transient error", err)
		}
	})
	t.Run("endless list", func(t *testing.T) {
		s := server(t, dir, func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, "001e# service=git-upload-pack\n0000")
				for i := 0; ; i++ {
					line := fmt.Sprintf("%040x refs/heads/%s", i+1, strings.Repeat("x", 60_000))
					if i == 0 {
						line += "\x00 agent=x"
					}
					if _, err := fmt.Fprintf(w, "%04x%s", len(line)+4, line); err != nil {
						return
					}
				}
			})
		})
		_, err := newSource(t, s.URL+"/owner/repo.git", git.Options{}).Latest(t.Context(), release.Query{})
		if err == nil || !strings.Contains(err.Error(), "branches and tags") || fault.IsTransient(err) {
			t.Errorf("got %v, want a final error about the bound", err)
		}
	})
	t.Run("pack larger than the limits", func(t *testing.T) {
		random := make([]byte, 3<<20)
		rand.NewChaCha8([32]byte{}).Read(random)
		big := newRepo(t)
		commit(t, big, "v1.0", "", noon, tree("docs/a", string(random), "main/a", "1"))
		temp := t.TempDir()
		_, _, err := fetch(t, server(t, big, nil).URL+"/owner/repo.git", git.Options{Temp: temp}, version("v1.0"), release.Want{Dir: "main", Limits: release.Limits{Files: 10, Bytes: 1000}})
		if err == nil || !strings.Contains(err.Error(), "larger pack") || fault.IsTransient(err) {
			t.Errorf("got %v, want a final error about the limits", err)
		}
		empty(t, temp)
	})
	t.Run("context ends in the middle of the pack", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := server(t, dir, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "upload-pack") {
					io.WriteString(w, "0008NAK\n")
					w.(http.Flusher).Flush()
					cancel()
					<-r.Context().Done()
					return
				}
				next.ServeHTTP(w, r)
			})
		})
		temp := t.TempDir()
		_, err := newSource(t, s.URL+"/owner/repo.git", git.Options{Temp: temp}).Fetch(ctx, version("v1.0"), release.Want{}, sourcetest.Tree{}.Put)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
		empty(t, temp)
	})
	t.Run("no room for the pack", func(t *testing.T) {
		_, _, err := fetch(t, server(t, dir, nil).URL+"/owner/repo.git", git.Options{Temp: "/dev/null/below"}, version("v1.0"), release.Want{})
		if !errors.Is(err, syscall.ENOTDIR) || fault.IsTransient(err) {
			t.Errorf("got %v, want that it is no folder", err)
		}
	})
}

// TestEmptyRepository has no commit yet.
func TestEmptyRepository(t *testing.T) {
	dir := newRepo(t)
	for _, url := range []string{dir, server(t, dir, nil).URL + "/owner/repo.git"} {
		source := newSource(t, url, git.Options{})
		if _, err := source.Latest(t.Context(), release.Query{}); !errors.Is(err, release.ErrNoRelease) || fault.HintOf(err) == "" {
			t.Errorf("latest: got %v, want release.ErrNoRelease with a hint", err)
		}
		if _, err := source.Fetch(t.Context(), version("v1"), release.Want{}, sourcetest.Tree{}.Put); !errors.Is(err, release.ErrNotFound) {
			t.Errorf("fetch: got %v, want release.ErrNotFound", err)
		}
	}
}

// bigBlob is one file of size bytes that do not compress, as a tag of a repository.
func bigBlob(t testing.TB, size int) (dir string) {
	dir = newRepo(t)
	content := make([]byte, size)
	rand.NewChaCha8([32]byte{}).Read(content)
	if err := os.WriteFile(filepath.Join(dir, "big"), content, 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, dir, noon, "add", "big")
	run(t, dir, noon, "commit", "-qm", "big")
	run(t, dir, noon, "tag", "v1.0")
	return dir
}

// discard reads a file whole and keeps nothing.
func discard(f release.File) error {
	_, err := io.Copy(struct{ io.Writer }{io.Discard}, f.Body)
	return err
}

// BenchmarkFetch fetches 50 files of 300 KB together, and one file of 20 MB. What it allocates does not grow with the bytes of a file.
func BenchmarkFetch(b *testing.B) {
	small := newRepo(b)
	commit(b, small, "v1.0", "", noon, fiftyFiles())
	big := bigBlob(b, 20<<20)
	for _, bench := range []struct {
		name, dir string
		size      int64
	}{{"50 files", small, 300_000}, {"20 MB", big, 20 << 20}} {
		for _, url := range []string{bench.dir, server(b, bench.dir, nil).URL + "/owner/repo.git"} {
			b.Run(bench.name+" "+map[bool]string{true: "local", false: "http"}[url == bench.dir], func(b *testing.B) {
				source, err := git.New(url, git.Options{Temp: b.TempDir()})
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(bench.size)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := source.Fetch(b.Context(), version("v1.0"), release.Want{}, discard); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
