package sourcetest

import (
	"fmt"
	"strings"
	"testing"

	"moult/fault"
	"moult/release"
	"moult/source/forge"
	"moult/web"
)

// ForgeHarness makes a source of one kind of forge.
type ForgeHarness struct {
	Kind forge.Kind
	New  func(t *testing.T, client *web.Client, base, path, token string) release.Source

	// What a check and a fetch of a tree cost in requests, without a token and with one.
	Check, Fetch [2]int
}

// theToken is the token of the suite; no other host may see it.
const theToken = "s3cret-token"

// RunForge holds a forge's source to the port's contract and to what networks do, over loopback with TLS and without.
func RunForge(t *testing.T, h ForgeHarness) {
	for _, c := range []struct {
		name, token string
		tls         bool
	}{{"http", "", false}, {"https", "", true}, {"token", theToken, true}} {
		t.Run(c.name, func(t *testing.T) {
			Run(t, Harness{New: func(t *testing.T, repo *Repo) release.Source {
				f := NewForge(t, h.Kind, c.tls)
				if repo != nil {
					f.Put("owner/repo", repo)
				}
				return h.source(t, f, c.token)
			}, PrereleaseFlag: h.Kind != forge.GitLab, Drafts: true, NamesFolders: true})
		})
	}
	t.Run("cost", func(t *testing.T) { runCost(t, h) })
	t.Run("private", func(t *testing.T) { runPrivate(t, h) })
	t.Run("faults of a check", func(t *testing.T) { runCheckFaults(t, h) })
	t.Run("faults of a fetch", func(t *testing.T) { runFetchFaults(t, h) })
	t.Run("redirects", func(t *testing.T) { runRedirects(t, h) })
	t.Run("asset", func(t *testing.T) { runAssets(t, h) })
	t.Run("pages", func(t *testing.T) { runPages(t, h) })
}

// source returns a source of owner/repo on f.
func (h ForgeHarness) source(t *testing.T, f *Forge, token string) release.Source {
	client := web.New(f.WebOptions())
	t.Cleanup(client.Close)
	base, path, err := forge.ParseRepo(f.URL + "/owner/repo.git")
	if err != nil {
		t.Fatal(err)
	}
	return h.New(t, client, base, path, token)
}

// forge returns a forge that has owner/repo with one release.
func (h ForgeHarness) forge(t *testing.T, tls bool) *Forge {
	f := NewForge(t, h.Kind, tls)
	f.Put("owner/repo", &Repo{Releases: []Release{{Tag: "v1.0", Files: wholeTree}}})
	return f
}

func runCost(t *testing.T, h ForgeHarness) {
	for i, token := range []string{"", theToken} {
		t.Run(map[bool]string{false: "without a token", true: "with a token"}[token != ""], func(t *testing.T) {
			f := h.forge(t, true)
			source := h.source(t, f, token)
			answer, err := source.Latest(t.Context(), release.Query{})
			if err != nil {
				t.Fatal(err)
			}
			wantRequests(t, f, h.Check[i])
			f.Reset()
			fetched, err := source.Fetch(t.Context(), answer.Release, release.Want{Dir: "main"}, Tree{}.Put)
			if err != nil {
				t.Fatal(err)
			}
			wantRequests(t, f, h.Fetch[i])
			if fetched.Requests != h.Fetch[i] {
				t.Errorf("fetched: got %d requests, want %d", fetched.Requests, h.Fetch[i])
			}
			if want := Commit("owner/repo", "v1.0"); fetched.Commit != want {
				t.Errorf("commit: got %q, want %s", fetched.Commit, want)
			}
			if sent, _ := f.Wire(); fetched.Received == 0 || fetched.Received > sent {
				t.Errorf("received: got %d bytes, want some and no more than the %d on the wire", fetched.Received, sent)
			}
		})
	}
	for _, name := range []string{"stable", "beta"} {
		t.Run("a memo makes one request on "+name, func(t *testing.T) {
			f := h.forge(t, false)
			source := h.source(t, f, theToken)
			first, err := source.Latest(t.Context(), release.Query{Channel: channel(name)})
			if err != nil {
				t.Fatal(err)
			}
			f.Reset()
			again, err := source.Latest(t.Context(), release.Query{Channel: channel(name), Memo: first.Memo})
			if err != nil {
				t.Fatal(err)
			}
			wantRequests(t, f, 1)
			asked := f.Requests()[0].Header.Get("If-None-Match") != ""
			if asked != (first.Memo != nil) {
				t.Errorf("If-None-Match: got %t with the memo %q", asked, first.Memo)
			}
			if again.Release.Version.String() != "v1.0" {
				t.Errorf("got %v, want v1.0", again.Release.Version)
			}
			// The release that a memo holds gives way to a newer one.
			f.Put("owner/repo", tags("v1.1", "v1.0"))
			newer, err := source.Latest(t.Context(), release.Query{Channel: channel(name), Memo: again.Memo})
			if err != nil || newer.Release.Version.String() != "v1.1" {
				t.Errorf("after a new release: got %v, %v, want v1.1", newer.Release.Version, err)
			}
		})
	}
}

func wantRequests(t *testing.T, f *Forge, want int) {
	t.Helper()
	if got := f.Requests(); len(got) != want {
		t.Errorf("requests: got %d, want %d: %v", len(got), want, uris(got))
	}
}

func uris(requests []Request) (list []string) {
	for _, r := range requests {
		list = append(list, r.Method+" "+r.Host+r.URI)
	}
	return list
}

// wantTokenAt checks that no host but the forge's saw the token, and no URL holds it.
func wantTokenAt(t *testing.T, f *Forge) {
	t.Helper()
	for _, r := range f.Requests() {
		for name, values := range r.Header {
			if strings.Contains(strings.Join(values, " "), theToken) && "https://"+r.Host != f.URL && "http://"+r.Host != f.URL {
				t.Errorf("%s%s got the token in %s, want it at %s alone", r.Host, r.URI, name, f.URL)
			}
		}
		if strings.Contains(r.URI, theToken) {
			t.Errorf("got the token in the URL %s", r.URI)
		}
		if got := r.Header.Get("User-Agent"); !strings.HasPrefix(got, "moult/") {
			t.Errorf("user agent: got %q, want moult/…", got)
		}
	}
}

func runPrivate(t *testing.T, h ForgeHarness) {
	f := h.forge(t, true)
	f.Put("owner/repo", &Repo{Token: theToken, Releases: []Release{{Tag: "v1.0", Files: wholeTree}}})
	for _, name := range []string{"stable", "beta"} {
		t.Run("without a token on "+name, func(t *testing.T) {
			_, err := h.source(t, f, "").Latest(t.Context(), release.Query{Channel: channel(name)})
			wantError(t, err, release.ErrNotFound, true)
			if hint := fault.HintOf(err); !strings.Contains(hint, "token") {
				t.Errorf("hint: got %q, want one that speaks of a token", hint)
			}
		})
	}
	t.Run("with its token", func(t *testing.T) {
		f.Reset()
		source, got := h.source(t, f, theToken), Tree{}
		answer, err := source.Latest(t.Context(), release.Query{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = source.Fetch(t.Context(), answer.Release, release.Want{Dir: "main"}, got.Put); err != nil {
			t.Fatal(err)
		}
		if diff := wholeTree.Below("main").Diff(got); diff != "" {
			t.Error(diff)
		}
		wantTokenAt(t, f)
	})
}

// runPages has more releases than fit on one page.
func runPages(t *testing.T, h ForgeHarness) {
	names := []string{}
	for i := range 230 {
		names = append(names, fmt.Sprintf("v2.0.%d", 230-i))
	}
	f := NewForge(t, h.Kind, true)
	f.Put("owner/repo", tags(append(names, "v1.0")...))
	source := h.source(t, f, theToken)
	t.Run("one is enough where it has what fits", func(t *testing.T) {
		f.Reset()
		answer, err := source.Latest(t.Context(), release.Query{Channel: channel("~> 2.0")})
		if err != nil || answer.Release.Version.String() != "v2.0.230" {
			t.Errorf("got %v, %v, want v2.0.230", answer.Release.Version, err)
		}
		wantRequests(t, f, 1)
	})
	t.Run("further ones where it has not", func(t *testing.T) {
		f.Reset()
		answer, err := source.Latest(t.Context(), release.Query{Channel: channel("= 1.0")})
		if err != nil || answer.Release.Version.String() != "v1.0" {
			t.Errorf("got %v, %v, want v1.0", answer.Release.Version, err)
		}
		if n := len(f.Requests()); n < 3 || n > 5 || answer.Memo != nil {
			t.Errorf("got %d requests and the memo %q, want one a page and no memo", n, answer.Memo)
		}
		wantTokenAt(t, f)
	})
	t.Run("no more than ten", func(t *testing.T) {
		f.Put("owner/repo", tags(manyTags(1200)...))
		f.Reset()
		_, err := source.Latest(t.Context(), release.Query{Channel: channel("= 1.0")})
		wantError(t, err, release.ErrNoRelease, true)
		wantRequests(t, f, 10)
	})
}

func manyTags(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("v2.%d", n-i))
	}
	return names
}
