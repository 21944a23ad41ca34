package sourcetest

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

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

// wanted is what must come of a fault.
type wanted struct {
	ok        bool     // the source recovers
	is        error    // in the error's chain
	transient bool     // another try may help
	says      []string // in the error or its hint
}

func (want wanted) check(t *testing.T, err error) {
	t.Helper()
	if want.ok {
		if err != nil {
			t.Errorf("got the error %v, want none", err)
		}
		return
	}
	if err == nil {
		t.Fatal("got no error, want one")
	}
	if want.is != nil && !errors.Is(err, want.is) {
		t.Errorf("got the error %v, want %v", err, want.is)
	}
	if got := fault.IsTransient(err); got != want.transient {
		t.Errorf("transient: got %t, want %t: %v", got, want.transient, err)
	}
	text := err.Error() + "\n" + fault.HintOf(err)
	for _, say := range want.says {
		if !strings.Contains(text, say) {
			t.Errorf("got %q, want it to say %q", text, say)
		}
	}
	if strings.Contains(text, theToken) || strings.Contains(text, "LENT") {
		t.Errorf("got a secret in %q", text)
	}
	if fault.HintOf(err) == "" {
		t.Errorf("got no hint with %v", err)
	}
}

func runCheckFaults(t *testing.T, h ForgeHarness) {
	reset := time.Date(2099, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		name    string
		fault   Fault
		times   int
		hasBody bool // shows only where an answer has a body
		want    wanted
	}{
		{name: "500 then good", fault: Status(500), times: 1, want: wanted{ok: true}},
		{name: "503 thrice, then good", fault: Status(503), times: 3, want: wanted{ok: true}},
		{name: "502 for ever", fault: Status(502), times: -1, want: wanted{transient: true, says: []string{"502"}}},
		{name: "408 then good", fault: Status(408), times: 1, want: wanted{ok: true}},
		{name: "429 that asks for little", fault: Status(429, "Retry-After", "3"), times: 1, want: wanted{ok: true}},
		{name: "429 that asks for much", fault: Status(429, "Retry-After", "3600"), times: 1, want: wanted{transient: true, says: []string{"429", "token", "try again after"}}},
		{name: "rate limited", fault: RateLimited(reset), times: 1, want: wanted{transient: true, says: []string{"limit", "2099-01-02 03:04:05 UTC", string(h.Kind) + ".token"}}},
		{name: "401", fault: Status(401), times: -1, want: wanted{says: []string{"401", string(h.Kind) + ".token"}}},
		{name: "403", fault: Status(403), times: -1, want: wanted{says: []string{"403", string(h.Kind) + ".token"}}},
		{name: "404", fault: Status(404), times: -1, want: wanted{is: release.ErrNotFound, says: []string{"token"}}},
		{name: "418", fault: Status(418), times: -1, want: wanted{says: []string{"418"}}},
		{name: "511 of a captive portal", fault: Status(511), times: -1, want: wanted{transient: true, says: []string{"captive portal"}}},
		{name: "login page", fault: WebPage(), times: -1, want: wanted{transient: true, says: []string{"captive portal"}}},
		{name: "connection closed", fault: func(*Forge, http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }, times: 1, want: wanted{ok: true}},
		{name: "connection closed for ever", fault: func(*Forge, http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }, times: -1, want: wanted{transient: true}},
		{name: "silent, then good", fault: Silent(-1), times: 1, want: wanted{ok: true}},
		{name: "silent for ever", fault: Silent(-1), times: -1, want: wanted{transient: true, says: []string{"silent"}}},
		{name: "redirect loop", fault: RedirectLoop(), times: -1, want: wanted{says: []string{"5 redirects"}}, hasBody: true},
		{name: "silent in the body", fault: Silent(10), times: -1, want: wanted{transient: true, says: []string{"silent"}}, hasBody: true},
		{name: "cut body", fault: Cut(10), times: -1, want: wanted{transient: true}, hasBody: true},
		{name: "short body", fault: Shorten(5), times: -1, want: wanted{transient: true}, hasBody: true},
		{name: "length too great", fault: WrongLength(5), times: -1, want: wanted{transient: true}, hasBody: true},
		{name: "without a length", fault: Chunked(), times: -1, want: wanted{ok: true}, hasBody: true},
		{name: "endless body", fault: Endless(0, ' '), times: -1, want: wanted{says: []string{"8388608 bytes"}}, hasBody: true},
		{name: "another shape", fault: Body(`[{"tag_name": 7}]`), times: -1, want: wanted{says: []string{"shape"}}, hasBody: true},
		{name: "no list", fault: Body(`{"tag_name": "v1"}`), times: -1, want: wanted{says: []string{"shape"}}, hasBody: true},
		{name: "no JSON", fault: Body(`<p>hello`), times: -1, want: wanted{transient: true}, hasBody: true},
		{name: "null", fault: Body(`null`), times: -1, want: wanted{is: release.ErrNoRelease}, hasBody: true},
		{name: "tags that can be none", fault: Body(`[{"tag_name": ""}, {"tag_name": "a b"}, {"tag_name": "\u0000"}, {}]`), times: -1, want: wanted{is: release.ErrNoRelease}, hasBody: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := h.forge(t, true)
			f.Break(nil, c.times, c.fault)
			q := release.Query{}
			if c.hasBody {
				q.Channel = release.Beta
			}
			answer, err := h.source(t, f, "").Latest(t.Context(), q)
			c.want.check(t, err)
			if c.want.ok != (answer.Release.Version.String() == "v1.0") {
				t.Errorf("release: got %v", answer.Release.Version)
			}
		})
	}
}

func runFetchFaults(t *testing.T, h ForgeHarness) {
	for _, c := range []struct {
		name  string
		fault Fault
		times int
		want  wanted
	}{
		{name: "500 then good", fault: Status(500), times: 1, want: wanted{ok: true}},
		{name: "500 for ever", fault: Status(500), times: -1, want: wanted{transient: true, says: []string{"500"}}},
		{name: "404", fault: Status(404), times: -1, want: wanted{is: release.ErrNotFound}},
		{name: "403", fault: Status(403), times: -1, want: wanted{says: []string{"403"}}},
		{name: "login page", fault: WebPage(), times: -1, want: wanted{transient: true, says: []string{"captive portal"}}},
		{name: "cut at once", fault: Cut(0), times: -1, want: wanted{transient: true}},
		{name: "cut in the midst", fault: Cut(300), times: -1, want: wanted{transient: true}},
		{name: "silent in the midst", fault: Silent(300), times: -1, want: wanted{transient: true, says: []string{"silent"}}},
		{name: "length too great", fault: WrongLength(9), times: -1, want: wanted{transient: true}},
		{name: "without a length", fault: Chunked(), times: -1, want: wanted{ok: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := h.forge(t, true)
			f.Break(IsArchive, c.times, c.fault)
			got := Tree{}
			_, err := h.source(t, f, "").Fetch(t.Context(), version("v1.0"), release.Want{Dir: "main"}, got.Put)
			c.want.check(t, err)
			if diff := wholeTree.Below("main").Diff(got); c.want.ok && diff != "" {
				t.Error(diff)
			}
		})
	}
	// What these are called is the archive reader's matter; that they are refused is ours.
	for name, fault := range map[string]Fault{
		"short body": Shorten(40), "endless body after the archive": Endless(1<<30, 0), "endless body of nothing": Endless(0, 0), "no archive": Body("not gzip"),
	} {
		t.Run(name, func(t *testing.T) {
			f := h.forge(t, true)
			f.Break(IsArchive, -1, fault)
			if _, err := h.source(t, f, "").Fetch(t.Context(), version("v1.0"), release.Want{Dir: "main"}, Tree{}.Put); err == nil {
				t.Error("got no error, want one")
			}
		})
	}
	t.Run("files are given while the archive still comes", func(t *testing.T) { runStream(t, h) })
}

// runStream lets the server send the rest of an archive only once the first file was given. Whoever reads the archive whole before
// he gives files waits for ever.
func runStream(t *testing.T, h ForgeHarness) {
	f := h.forge(t, false)
	f.Put("owner/repo", &Repo{Releases: []Release{{Tag: "v1.0", Files: Tree{"a.bin": {Content: noise(1 << 20)}, "b.bin": {Content: noise(4 << 20)}}}}})
	open := make(chan struct{})
	f.Break(IsArchive, 1, Gate(2<<20, open))
	got := Tree{}
	_, err := h.source(t, f, "").Fetch(t.Context(), version("v1.0"), release.Want{}, func(file release.File) error {
		err := got.Put(file)
		if file.Path == "a.bin" {
			close(open)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 {
		t.Errorf("got the files %v, want two", got.Paths())
	}
}

// noise is n bytes that no packer makes shorter.
func noise(n int) string {
	var b strings.Builder
	for block := "seed"; b.Len() < n; {
		block = digest(block)
		for i := 0; i+1 < len(block); i += 2 {
			b.WriteByte(hexByte(block[i])<<4 | hexByte(block[i+1]))
		}
	}
	return b.String()[:n]
}

func hexByte(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}
