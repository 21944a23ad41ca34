package gitea

import (
	"encoding/json"
	"testing"

	"moult/release"
	"moult/source/forge"
	"moult/source/sourcetest"
	"moult/web"
)

// TestShape holds what sourcetest's forge answers to what Gitea documents.
func TestShape(t *testing.T) {
	f := sourcetest.NewForge(t, forge.Gitea, false)
	f.Put("o/r", &sourcetest.Repo{Releases: []sourcetest.Release{{Tag: "v1.0", Notes: "n", Assets: []sourcetest.Asset{{Name: "a", Content: "x"}}}}})
	client := web.New(f.WebOptions())
	for _, path := range []string{"/releases/latest", "/releases/tags/v1.0", "/releases?draft=false&limit=50"} {
		var raw json.RawMessage
		if _, err := client.GetJSON(t.Context(), web.Request{URL: f.URL + "/api/v1/repos/o/r" + path}, &raw); err != nil {
			t.Fatal(err)
		}
		if err := sourcetest.CheckShape("testdata/release.shape.json", raw); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestBelowAPath: a Gitea may live below a path of its host.
func TestBelowAPath(t *testing.T) {
	source, err := New(web.New(web.Options{}), "https://forge.local", "git/owner/repo", Options{})
	if err != nil || source.repos != "https://forge.local/git/api/v1/repos/owner/repo" || source.page != "https://forge.local/git/owner/repo" {
		t.Errorf("got %+v, %v", source, err)
	}
	if _, err := New(web.New(web.Options{}), "https://forge.local", "repo", Options{}); err == nil {
		t.Error("path of one part: got no error, want one")
	}
}

// TestAnswer: what the API tells of a release comes through.
func TestAnswer(t *testing.T) {
	f := sourcetest.NewForge(t, forge.Gitea, false)
	repo := &sourcetest.Repo{Releases: []sourcetest.Release{{Tag: "v1.0", Notes: "what is new", Assets: []sourcetest.Asset{{Name: "a", Content: "x"}}}}}
	f.Put("o/r", repo)
	source, err := New(web.New(f.WebOptions()), f.URL, "o/r", Options{})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := source.Latest(t.Context(), release.Query{})
	r := answer.Release
	if err != nil || r.Notes != "what is new" || !r.Published.Equal(repo.PublishedAt(0)) || r.Page != f.URL+"/o/r/releases/tag/v1.0" ||
		len(r.Assets) != 1 || r.Assets[0].Size != 1 || r.Assets[0].URL != f.URL+"/o/r/releases/download/v1.0/a" {
		t.Errorf("got %+v, %v", r, err)
	}
}
