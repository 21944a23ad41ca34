package gitlab

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"moult/release"
	"moult/source/forge"
	"moult/source/sourcetest"
	"moult/web"
)

func fake(t *testing.T, path string, repo *sourcetest.Repo, token string) (*sourcetest.Forge, *Source) {
	f := sourcetest.NewForge(t, forge.GitLab, false)
	f.Put(path, repo)
	source, err := New(web.New(f.WebOptions()), f.URL, path, Options{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return f, source
}

// TestShape holds what sourcetest's forge answers to what GitLab documents.
func TestShape(t *testing.T) {
	f, source := fake(t, "o/r", &sourcetest.Repo{Releases: []sourcetest.Release{{Tag: "v1.0", Notes: "n", Assets: []sourcetest.Asset{{Name: "a", Content: "x"}}}}}, "")
	client := web.New(f.WebOptions())
	for _, path := range []string{"/releases/permalink/latest", "/releases/v1.0", "/releases?per_page=100"} {
		var raw json.RawMessage
		if _, err := client.GetJSON(t.Context(), web.Request{URL: source.project + path}, &raw); err != nil {
			t.Fatal(err)
		}
		if err := sourcetest.CheckShape("testdata/release.shape.json", raw); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestGroups(t *testing.T) {
	f, source := fake(t, "a/b/c/d", &sourcetest.Repo{Releases: []sourcetest.Release{{Tag: "v1.0", Files: sourcetest.Tree{"main/x": {}}}}}, "")
	answer, err := source.Latest(t.Context(), release.Query{})
	if err != nil || answer.Release.Page != f.URL+"/a/b/c/d/-/releases/v1.0" {
		t.Fatalf("got %+v, %v", answer, err)
	}
	if _, err := source.Fetch(t.Context(), answer.Release, release.Want{Dir: "main"}, sourcetest.Tree{}.Put); err != nil {
		t.Fatal(err)
	}
	last := f.Requests()[1].URI
	if want := "/api/v4/projects/a%2Fb%2Fc%2Fd/repository/archive.tar.gz?sha=v1.0&path=main"; last != want {
		t.Errorf("archive: got %s, want %s", last, want)
	}
}

// TestFollowedLink: a proxy that follows the permanent link itself answers with the release.
func TestFollowedLink(t *testing.T) {
	f, source := fake(t, "o/r", &sourcetest.Repo{}, "")
	f.Break(func(r *http.Request) bool { return strings.Contains(r.URL.Path, "permalink") }, 1, func(_ *sourcetest.Forge, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"tag_name": "v1.0", "commit": {"id": "079e90101242458910cccd35eab0e211dfc359c0"}}`))
	})
	answer, err := source.Latest(t.Context(), release.Query{})
	if err != nil || answer.Release.Version.String() != "v1.0" || answer.Release.Commit == "" {
		t.Errorf("got %+v, %v, want v1.0", answer, err)
	}
}

// TestServerTrouble: where an older server answers 500 for a directory that is not there, the error still names the folders.
func TestServerTrouble(t *testing.T) {
	f, source := fake(t, "o/r", &sourcetest.Repo{Releases: []sourcetest.Release{{Tag: "v1.0", Files: sourcetest.Tree{"main/x": {}}}}}, "")
	f.Break(func(r *http.Request) bool { return r.URL.Query().Has("path") }, -1, sourcetest.Status(500))
	_, err := source.Fetch(t.Context(), release.Release{Version: release.MustVersion("v1.0")}, release.Want{Dir: "mian"}, sourcetest.Tree{}.Put)
	if !errors.Is(err, release.ErrNotFound) || !strings.Contains(err.Error(), "main") {
		t.Errorf("got %v, want one that names the folder main", err)
	}
}

func TestReadLocation(t *testing.T) {
	at, _ := http.NewRequest("GET", "https://gitlab.com/api/v4/projects/o%2Fr/releases/permalink/latest", nil)
	for _, c := range []struct{ name, location, want string }{
		{"by number", "https://gitlab.com/api/v4/projects/24/releases/v1.0", "v1.0"},
		{"relative", "/api/v4/projects/24/releases/v1.0", "v1.0"},
		{"slash, escaped", "/api/v4/projects/24/releases/release%2Fv1.0", "release/v1.0"},
		{"slash, as it is", "/api/v4/projects/24/releases/release/v1.0", "release/v1.0"},
		{"escapes", "/api/v4/projects/24/releases/v1%2B%23%25", "v1+#%"},
		{"below a path", "/gitlab/api/v4/projects/24/releases/v1.0?x=y", "v1.0"},
		{"the link itself", "/api/v4/projects/24/releases/permalink/latest", ""},
		{"no tag", "/api/v4/projects/24/releases/", ""},
		{"login", "/users/sign_in", ""},
		{"another host", "https://portal.example/api/v4/projects/24/releases/v1.0", ""},
		{"http", "http://gitlab.com/api/v4/projects/24/releases/v1.0", ""},
		{"empty", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if tag, err := readLocation(at.URL, c.location); tag != c.want || (err == nil) != (c.want != "") {
				t.Errorf("got %q, %v, want %q", tag, err, c.want)
			}
		})
	}
}
