package sourcetest

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"moult/fault"
	"moult/release"
)

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
		{name: "tags that can be none", fault: Body(`[{"tag_name": ""}, {"tag_name": "a b"}, {"tag_name": "../../other/repo"}, {"tag_name": "v1/"}, {"tag_name": "\u0000"}, {}]`), times: -1, want: wanted{is: release.ErrNoRelease}, hasBody: true},
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
