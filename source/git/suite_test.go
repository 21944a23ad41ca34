package git_test

import (
	"net/http"
	"path/filepath"
	"testing"

	"moult/release"
	"moult/source/git"
	"moult/source/sourcetest"
)

func newSource(t testing.TB, url string, opt git.Options) release.Source {
	t.Helper()
	s, err := git.New(url, opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSuite holds the source to the port's contract, for each way to a repository.
func TestSuite(t *testing.T) {
	local := func(t *testing.T, repo *sourcetest.Repo) string {
		if dir := modelRepo(t, repo); dir != "" {
			return dir
		}
		return filepath.Join(t.TempDir(), "nothing")
	}
	t.Run("path", func(t *testing.T) {
		sourcetest.Run(t, sourcetest.Harness{NamesFolders: true, New: func(t *testing.T, repo *sourcetest.Repo) release.Source {
			return newSource(t, local(t, repo), git.Options{})
		}})
	})
	t.Run("file, no git program", func(t *testing.T) {
		sourcetest.Run(t, sourcetest.Harness{NamesFolders: true, New: func(t *testing.T, repo *sourcetest.Repo) release.Source {
			url := "file://" + local(t, repo)
			t.Setenv("PATH", "")
			return newSource(t, url, git.Options{})
		}})
	})
	t.Run("http, no git program", func(t *testing.T) {
		sourcetest.Run(t, sourcetest.Harness{NamesFolders: true, NamesOnly: true, New: func(t *testing.T, repo *sourcetest.Repo) release.Source {
			temp := t.TempDir()
			t.Cleanup(func() { empty(t, temp) })
			s := server(t, modelRepo(t, repo), nil)
			t.Setenv("PATH", "")
			return newSource(t, s.URL+"/owner/repo.git", git.Options{Temp: temp})
		}})
	})
	t.Run("ssh", func(t *testing.T) {
		d := startSSH(t)
		sourcetest.Run(t, sourcetest.Harness{NamesFolders: true, NamesOnly: true, New: func(t *testing.T, repo *sourcetest.Repo) release.Source {
			return newSource(t, d.url+local(t, repo), d.options(t))
		}})
	})
}

// count counts the requests that reach a server.
func count(n *int) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { *n++; next.ServeHTTP(w, r) })
	}
}
