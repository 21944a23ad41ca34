package micropython_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// TestStaticHost follows a repository whose host leads elsewhere, as GitHub Pages does to a domain of one's own: what the board asks for, and
// under which condition, is asked there. What answers in its place is no update, and none of the board's versions is lost to it.
func TestStaticHost(t *testing.T) {
	eachWord(t, func(t *testing.T, word string) {
		r := newSignedRepo(t)
		files := map[string]string{"app.py": runs("1.0")}
		r.add("app", "1.0", files)
		var instead atomic.Pointer[func(w http.ResponseWriter)]
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, r.URL+req.URL.Path, http.StatusFound)
		}))
		defer other.Close()
		host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			path, old := strings.CutPrefix(req.URL.Path, "/old/")
			if answer := instead.Load(); answer != nil {
				(*answer)(w)
			} else if old { // on the same host
				w.Header().Set("Location", "/new/"+path)
				w.WriteHeader(http.StatusMovedPermanently)
			} else { // by the same scheme
				w.Header().Set("Location", strings.TrimPrefix(other.URL, "http:")+strings.TrimPrefix(path, "/new"))
				w.WriteHeader(http.StatusTemporaryRedirect)
			}
		}))
		defer host.Close()
		b := newBoard(t, word)
		r.follow(b, "")
		b.write("config/moult.json", strings.Replace(b.tree("config")["moult.json"], r.URL, host.URL+"/old", 1))
		if end, out := b.boot(); end != atPrompt || !strings.HasSuffix(out, "went True\n") {
			t.Fatalf("status %d\n%s", end, out)
		}
		b.wantTree("app/main", with(files, map[string]string{".version": "1.0"}))
		r.requests()
		_, out := b.start()
		if asked, _, _ := r.requests(); !slices.Equal(asked, []string{"bundles/app/stable/1.0.bundle unchanged"}) {
			t.Errorf("nothing new: asked for %q, want one conditional request\n%s", asked, out)
		}
		r.add("app", "1.1", map[string]string{"app.py": runs("1.1")})
		for _, test := range []struct {
			name, want string
			answer     func(w http.ResponseWriter)
		}{
			{"a page to log in", "captive portal", func(w http.ResponseWriter) {
				w.Header().Set("Content-Type", "text/html")
				_, _ = io.WriteString(w, "<html>")
			}},
			{"a fault of the server", "got status 503", func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }},
			{"a redirect to itself", "more than 5 redirects", func(w http.ResponseWriter) {
				w.Header().Set("Location", "/again")
				w.WriteHeader(http.StatusFound)
			}},
			{"a redirect to what is no web server", "got the url ftp://x/", func(w http.ResponseWriter) {
				w.Header().Set("Location", "ftp://x/")
				w.WriteHeader(http.StatusFound)
			}},
			{"no HTTP", "no whole head", func(w http.ResponseWriter) { hijacked(w, "SSH-2.0-moult\r\n") }},
			{"a head of 36 KB", "no whole head", func(w http.ResponseWriter) {
				hijacked(w, "HTTP/1.0 200 OK\r\n"+strings.Repeat("x: "+strings.Repeat("y", 3000)+"\r\n", 12)+"\r\n")
			}},
			{"chunks", "chunked", func(w http.ResponseWriter) {
				hijacked(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")
			}},
		} {
			instead.Store(&test.answer)
			_, out := b.start()
			if said := lastFailure(b); !strings.Contains(out, "went False") || !strings.Contains(said, test.want) || reasonIn(strings.ReplaceAll(said, "update app:", "update irrigation:")) != "" {
				t.Errorf("%s: got %q, want %q\n%s", test.name, said, test.want, out)
			}
			b.wantTree("app/main", with(files, map[string]string{".version": "1.0"}))
		}
		instead.Store(nil)
		if _, out := b.boot(); b.tree("app/main")[".version"] != "1.1" {
			t.Errorf("an update afterwards: got none\n%s", out)
		}
	})
}

// hijacked answers a request with a text as it stands.
func hijacked(w http.ResponseWriter, text string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err) // http's server always lets a connection be taken
	}
	_, _ = io.WriteString(conn, text)
	_ = conn.Close()
}
