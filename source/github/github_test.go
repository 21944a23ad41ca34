package github

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"moult/fault"
	"moult/release"
	"moult/source/forge"
	"moult/source/sourcetest"
	"moult/web"
)

func TestSource(t *testing.T) {
	sourcetest.RunForge(t, sourcetest.ForgeHarness{
		Kind: forge.GitHub, Check: [2]int{1, 1}, Fetch: [2]int{2, 2}, // a fetch is sent on to codeload
		New: func(t *testing.T, client *web.Client, base, path, token string) release.Source {
			source, err := New(client, base, path, Options{Token: token})
			if err != nil {
				t.Fatal(err)
			}
			return source
		},
	})
}

func TestNew(t *testing.T) {
	client := web.New(web.Options{})
	for _, c := range []struct{ name, base, path, api, web, repos string }{
		{"github.com", "https://github.com", "o/r", "", "https://github.com/o/r", "https://api.github.com/repos/o/r"},
		{"www", "https://www.github.com", "o/r", "", "https://github.com/o/r", "https://api.github.com/repos/o/r"},
		{"enterprise", "https://ghe.local:8443", "o/r", "", "https://ghe.local:8443/o/r", "https://ghe.local:8443/api/v3/repos/o/r"},
		{"api that is given", "https://ghe.local", "o/r", "https://api.ghe.local/", "https://ghe.local/o/r", "https://api.ghe.local/repos/o/r"},
		{"api on http", "https://ghe.local", "o/r", "http://api.ghe.local", "", ""},
		{"page and not a repository", "https://github.com", "o/r/releases", "", "", ""},
		{"no base", "", "o/r", "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			source, err := New(client, c.base, c.path, Options{API: c.api, Token: "t"})
			if c.web == "" {
				if err == nil {
					t.Error("got no error, want one")
				}
				return
			}
			if err != nil || source.web != c.web || source.repos != c.repos {
				t.Errorf("got %v, %v, want %s and %s", source, err, c.web, c.repos)
			}
		})
	}
	if _, err := New(client, "https://github.com", "o/r", Options{Token: "a\nb"}); err == nil || strings.Contains(err.Error(), "a\nb") {
		t.Errorf("token with a line break: got %v, want an error without it", err)
	}
}

func TestRenamed(t *testing.T) {
	for _, token := range []string{"", "t"} {
		f := sourcetest.NewForge(t, forge.GitHub, true)
		f.Put("owner/old", &sourcetest.Repo{MovedTo: "owner/new"})
		f.Put("owner/new", &sourcetest.Repo{Releases: []sourcetest.Release{{Tag: "v1.0", Files: sourcetest.Tree{"x": {}}}}})
		source, err := New(web.New(f.WebOptions()), f.URL, "owner/old", Options{Token: token})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := source.Latest(t.Context(), release.Query{})
		if err != nil || answer.Release.Version.String() != "v1.0" {
			t.Fatalf("check with the token %q: got %v, %v, want v1.0", token, answer.Release.Version, err)
		}
		if n := len(f.Requests()); n != 2 {
			t.Errorf("check with the token %q: got %d requests, want 2", token, n)
		}
		if token != "" {
			continue
		}
		if _, err := source.Fetch(t.Context(), answer.Release, release.Want{}, sourcetest.Tree{}.Put); err != nil {
			t.Error(err)
		}
	}
}

// TestNoBudget: a check on stable without a token asks nothing of the API, which counts.
func TestNoBudget(t *testing.T) {
	f := sourcetest.NewForge(t, forge.GitHub, true)
	f.Put("o/r", &sourcetest.Repo{Releases: []sourcetest.Release{{Tag: "v1.0", Files: sourcetest.Tree{"x": {}}}}})
	f.Break(func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api/") }, -1, sourcetest.Status(403, "X-RateLimit-Remaining", "0"))
	source, err := New(web.New(f.WebOptions()), f.URL, "o/r", Options{})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := source.Latest(t.Context(), release.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Fetch(t.Context(), answer.Release, release.Want{}, sourcetest.Tree{}.Put); err != nil {
		t.Fatal(err)
	}
	if n := len(f.Requests()); n != 3 {
		t.Errorf("an update: got %d requests, want 3", n)
	}
}

// TestDigest: GitHub's own digest of an asset is the one that counts, and needs no further request.
func TestDigest(t *testing.T) {
	f := sourcetest.NewForge(t, forge.GitHub, true)
	f.Put("o/r", &sourcetest.Repo{Releases: []sourcetest.Release{{Tag: "v1.0", Assets: []sourcetest.Asset{{Name: "tool", Content: "tool"}, {Name: "SHA256SUMS", Content: "wrong"}}}}})
	source, err := New(web.New(f.WebOptions()), f.URL, "o/r", Options{})
	if err != nil {
		t.Fatal(err)
	}
	v := release.Release{Version: release.MustVersion("v1.0")}
	got := sourcetest.Tree{}
	fetched, err := source.Fetch(t.Context(), v, release.Want{Asset: "tool"}, got.Put)
	if err != nil || fetched.Requests != 3 || got["tool"].Content != "tool" {
		t.Errorf("got %+v, %v, %v, want the tool after 3 requests", fetched, got, err)
	}
	f.Break(func(r *http.Request) bool { return "https://"+r.Host == f.Codeload }, -1, sourcetest.Body("loot"))
	_, err = source.Fetch(t.Context(), v, release.Want{Asset: "tool"}, sourcetest.Tree{}.Put)
	if err == nil || !strings.Contains(err.Error(), "sha256: got") || fault.IsTransient(err) {
		t.Errorf("other bytes: got %v, want a final error with both digests", err)
	}
}

func TestReadLocation(t *testing.T) {
	at, _ := url.Parse("https://github.com/o/r/releases/latest")
	for _, c := range []struct {
		name, location, tag, next string
		want                      error
		transient                 bool
	}{
		{name: "tag", location: "https://github.com/o/r/releases/tag/v1.0", tag: "v1.0"},
		{name: "relative", location: "/o/r/releases/tag/v1.0", tag: "v1.0"},
		{name: "slash in the tag", location: "https://github.com/o/r/releases/tag/release/v1.0", tag: "release/v1.0"},
		{name: "slash in the tag, escaped", location: "https://github.com/o/r/releases/tag/release%2Fv1.0", tag: "release/v1.0"},
		{name: "characters that need escapes", location: "https://github.com/o/r/releases/tag/v1%2B%23%25", tag: "v1+#%"},
		{name: "query", location: "https://github.com/o/r/releases/tag/v1?x=y", tag: "v1"},
		{name: "no release", location: "https://github.com/o/r/releases", want: release.ErrNoRelease},
		{name: "renamed", location: "https://github.com/o/new/releases/latest", next: "https://github.com/o/new/releases/latest"},
		{name: "login of an enterprise", location: "/login?return_to=%2Fo%2Fr", want: release.ErrNotFound},
		{name: "another host", location: "https://portal.example/o/r/releases/tag/v9", transient: true},
		{name: "http", location: "http://github.com/o/r/releases/tag/v9", transient: true},
		{name: "another page", location: "https://github.com/pricing", transient: true},
		{name: "empty tag", location: "https://github.com/o/r/releases/tag/"},
		{name: "broken escape", location: "https://github.com/o/r/releases/tag/%zz", transient: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			next, tag, err := readLocation(at, c.location)
			if c.tag != "" || c.next != "" {
				if err != nil || tag != c.tag || c.next != "" && next.String() != c.next {
					t.Errorf("got %v, %q, %v, want %q %q", next, tag, err, c.next, c.tag)
				}
				return
			}
			if err == nil || c.want != nil && !errors.Is(err, c.want) || fault.IsTransient(err) != c.transient {
				t.Errorf("got %q, %v (transient %t), want an error %v", tag, err, fault.IsTransient(err), c.want)
			}
		})
	}
}
