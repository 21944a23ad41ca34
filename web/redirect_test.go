package web_test

import (
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"moult/fault"
	"moult/web"
)

// TestTokenAfterRedirects: a token stays behind once a redirect led elsewhere, also on the way back.
func TestTokenAfterRedirects(t *testing.T) {
	const token = "Bearer s3cret"
	for _, c := range []struct {
		name string
		hops []string // HOST/PATH, each of which redirects to the next
		want []string // of these, the ones that got the token
	}{
		{"on the same host", []string{"forge/a", "forge/b", "forge/c"}, []string{"forge/a", "forge/b", "forge/c"}},
		{"to another host", []string{"forge/a", "stranger/b"}, []string{"forge/a"}},
		{"back from another host", []string{"forge/a", "stranger/b", "forge/c"}, []string{"forge/a"}},
		{"on and on after the way back", []string{"forge/a", "stranger/b", "forge/c", "forge/d", "forge/e"}, []string{"forge/a"}},
		{"from another host", []string{"stranger/a", "forge/b"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := map[string]string{}
			var asked, withToken []string
			for _, host := range []string{"forge", "stranger"} {
				at[host] = serve(t, func(w http.ResponseWriter, r *http.Request) {
					asked = append(asked, host+r.URL.Path)
					if r.Header.Get("Authorization") != "" {
						withToken = append(withToken, host+r.URL.Path)
					}
					if n := len(asked); n < len(c.hops) {
						next, _ := url.Parse("//" + c.hops[n])
						w.Header().Set("Location", at[next.Host]+next.Path)
						w.WriteHeader(http.StatusFound)
					}
				})
			}
			forge, err := url.Parse(at["forge"])
			if err != nil {
				t.Fatal(err)
			}
			client, err := web.New(quick(nil)).With(web.Access{Host: forge.Host, Header: "Authorization", Value: token})
			if err != nil {
				t.Fatal(err)
			}
			first, _ := url.Parse("//" + c.hops[0])
			resp, err := client.Do(t.Context(), web.Request{URL: at[first.Host] + first.Path})
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if !slices.Equal(asked, c.hops) || !slices.Equal(withToken, c.want) {
				t.Errorf("got the requests %v, with the token %v, want %v, with it %v", asked, withToken, c.hops, c.want)
			}
		})
	}
}

// TestLongURLs: who redirects us does not fill the log of a small device.
func TestLongURLs(t *testing.T) {
	const most = 1000 // a URL or two and the words around them
	long := strings.Repeat("x", 200_000)
	answer := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	for _, c := range []struct {
		name, location string
		there          http.HandlerFunc
		says           string
	}{
		{"not found there", "/" + long, answer(404, "application/json", "{}"), "status 404"},
		{"unauthorized there", "/" + long, answer(401, "application/json", "{}"), "status 401"},
		{"no JSON there", "/" + long, answer(200, "application/json", "{"), "no JSON"},
		{"a page there", "/" + long, answer(200, "text/html", "<p>"), "got a web page"},
		{"no answer there", "/" + long, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		{"on and on", "/" + long, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", r.URL.Path)
			w.WriteHeader(http.StatusFound)
		}, "redirects"},
		{"letters that need three bytes each", "/" + strings.Repeat("€", 60_000), answer(404, "application/json", "{}"), "status 404"},
		{"a long host", "//" + long + "/", nil, "a host of"},
		{"a long port", "//127.0.0.1:" + strings.Repeat("0", 200_000) + "80/", nil, "a host of"},
		{"a long scheme", long + "://127.0.0.1/", nil, "the scheme"},
		{"a long query", "/?" + long, answer(404, "application/json", "{}"), "status 404"},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/" || r.URL.RawQuery != "" {
					c.there(w, r)
					return
				}
				w.Header().Set("Location", c.location)
				w.WriteHeader(http.StatusFound)
			})
			opt := quick(nil)
			opt.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
			_, err := web.New(opt).GetJSON(t.Context(), web.Request{URL: address + "/"}, new(struct{}))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %.1000v, want %q", err, c.says)
			}
			if n := len(err.Error()) + len(fault.HintOf(err)); n > most {
				t.Errorf("got %d bytes of error and hint, want at most %d: %.1000v", n, most, err)
			}
		})
	}
}

// TestLongURLsOffHTTPS: a redirect that is refused is as short.
func TestLongURLsOffHTTPS(t *testing.T) {
	for name, location := range map[string]string{"path": "http://a/" + strings.Repeat("x", 200_000), "host": "http://" + strings.Repeat("x", 200_000)} {
		server := httptest.NewTLSServer(http.RedirectHandler(location, http.StatusFound))
		defer server.Close()
		opt := quick(nil)
		opt.RootCAs = x509.NewCertPool()
		opt.RootCAs.AddCert(server.Certificate())
		_, err := web.New(opt).Do(t.Context(), web.Request{URL: server.URL})
		if err == nil || !strings.Contains(err.Error(), "want https") || len(err.Error()) > 1000 {
			t.Errorf("a long %s: got %.1000v", name, err)
		}
	}
}

func TestRedact(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"what may hold secrets", "https://me:pw@a.example/b?c=d#e", "https://a.example/b"},
		{"200 bytes", "https://a.example/" + strings.Repeat("x", 182), "https://a.example/" + strings.Repeat("x", 182)},
		{"201 bytes", "https://a.example/" + strings.Repeat("x", 183), "https://a.example/" + strings.Repeat("x", 179) + "…"},
		{"a long host", "https://" + strings.Repeat("é", 300), "https://" + strings.Repeat("%C3%A9", 31) + "%C3…"},
	} {
		t.Run(c.name, func(t *testing.T) {
			u, err := url.Parse(c.in)
			if err != nil {
				t.Fatal(err)
			}
			if got := web.Redact(u); got != c.want || len(got) > 200 {
				t.Errorf("got %q of %d bytes, want %q", got, len(got), c.want)
			}
		})
	}
}
