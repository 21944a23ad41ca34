package sourcetest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"moult/release"
)

func runRedirects(t *testing.T, h ForgeHarness) {
	isAPI := func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api/") }
	t.Run("a check that leads to another host keeps the token", func(t *testing.T) {
		for _, channel := range []release.Channel{release.Stable, release.Beta} {
			f := h.forge(t, true)
			f.Break(isAPI, -1, Redirect(f.Stranger+"/api"))
			if _, err := h.source(t, f, theToken).Latest(t.Context(), release.Query{Channel: channel}); err == nil {
				t.Error("got no error, want one")
			}
			wantTokenAt(t, f)
		}
	})
	t.Run("a fetch that leads to another host keeps the token", func(t *testing.T) {
		f := h.forge(t, true)
		f.Break(isAPI, -1, Redirect(f.Stranger+"/archive"))
		if _, err := h.source(t, f, theToken).Fetch(t.Context(), version("v1.0"), release.Want{}, Tree{}.Put); err == nil {
			t.Error("got no error, want one")
		}
		wantTokenAt(t, f)
		if n := len(f.Requests()); n != 2 || "https://"+f.Requests()[1].Host != f.Stranger {
			t.Errorf("got the requests %v, want the last at the stranger's", uris(f.Requests()))
		}
	})
	t.Run("a redirect back from another host has no token", func(t *testing.T) {
		f := h.forge(t, true)
		f.Break(isAPI, 1, Redirect(f.Stranger+"/bounce"))
		f.Break(func(r *http.Request) bool { return r.URL.Path == "/bounce" }, 1, Redirect(f.URL+"/api/chosen-by-a-stranger"))
		if _, err := h.source(t, f, theToken).Latest(t.Context(), release.Query{Channel: release.Beta}); err == nil {
			t.Error("got no error, want one")
		}
		requests := f.Requests()
		if len(requests) != 3 {
			t.Fatalf("got the requests %v, want 3", uris(requests))
		}
		if text := fmt.Sprint(requests[2].Header); strings.Contains(text, theToken) {
			t.Errorf("after the bounce: got the token in %s", text)
		}
	})
	t.Run("from https to http is refused", func(t *testing.T) {
		f, plain := h.forge(t, true), NewForge(t, h.Kind, false)
		f.Break(nil, -1, Redirect(plain.Stranger+"/x"))
		_, err := h.source(t, f, theToken).Fetch(t.Context(), version("v1.0"), release.Want{}, Tree{}.Put)
		if err == nil || !strings.Contains(err.Error(), "want https") {
			t.Errorf("got %v, want a refusal", err)
		}
		if n := len(plain.Requests()); n != 0 {
			t.Errorf("got %d requests over http, want none", n)
		}
	})
	t.Run("a loop ends", func(t *testing.T) {
		f := h.forge(t, true)
		f.Break(nil, -1, RedirectLoop())
		_, err := h.source(t, f, "").Fetch(t.Context(), version("v1.0"), release.Want{}, Tree{}.Put)
		if err == nil || !strings.Contains(err.Error(), "redirects") {
			t.Errorf("got %v, want one about redirects", err)
		}
		wantRequests(t, f, 6)
	})
}
