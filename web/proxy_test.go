package web_test

import (
	"crypto/x509"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"moult/fault"
	"moult/web"
)

// The proxy's user and password; no error may show the password.
const proxyUser, proxyPassword = "device", "s3cret"

// noAnswer in place of a status breaks the connection.
const noAnswer = -1

// proxy is an HTTP proxy on loopback that tunnels and forwards to one origin, whatever host it is asked for.
type proxy struct {
	URL     string // http://HOST:PORT
	origin  string // HOST:PORT
	refuses int    // with this status, where not 0
	heads   []http.Header
	asked   []string // METHOD TARGET of each request that it let through
}

func newProxy(t *testing.T, origin string) *proxy {
	at, err := url.Parse(origin)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{origin: at.Host}
	p.URL = serve(t, p.ServeHTTP)
	return p
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.heads = append(p.heads, r.Header.Clone())
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(proxyUser+":"+proxyPassword))
	switch {
	case p.refuses == noAnswer:
		panic(http.ErrAbortHandler)
	case p.refuses != 0:
		w.WriteHeader(p.refuses)
		return
	case r.Header.Get("Proxy-Authorization") != basic:
		w.Header().Set("Proxy-Authenticate", "Basic")
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	p.asked = append(p.asked, r.Method+" "+r.RequestURI)
	if r.Method != http.MethodConnect {
		forward := httputil.ReverseProxy{Rewrite: func(out *httputil.ProxyRequest) { out.Out.URL.Host = p.origin }}
		forward.ServeHTTP(w, r)
		return
	}
	there, err := net.Dial("tcp", p.origin)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer here.Close()
	io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { io.Copy(there, here); there.Close() }()
	io.Copy(here, there)
}

// through returns options whose requests go through the proxy at an address, with a user and password where password is not "".
func through(t *testing.T, address, password string) web.Options {
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	if password != "" {
		at.User = url.UserPassword(proxyUser, password)
	}
	opt := quick(nil)
	opt.Proxy = http.ProxyURL(at)
	return opt
}

func TestProxy(t *testing.T) {
	const token = "Bearer t0ken"
	for _, c := range []struct {
		name, url, asked string
		tls              bool
		token            bool // reaches the server
	}{
		{"a tunnel", "https://forge.example.com/x?y", "CONNECT forge.example.com:443", true, true},
		{"forwarded", "http://forge.example.com/x?y", "GET http://forge.example.com/x?y", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var head http.Header
			start := httptest.NewServer
			if c.tls {
				start = httptest.NewTLSServer
			}
			origin := start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				head = r.Header
				io.WriteString(w, r.Host+r.URL.String())
			}))
			defer origin.Close()
			p := newProxy(t, origin.URL)
			opt := through(t, p.URL, proxyPassword)
			if c.tls {
				opt.RootCAs = x509.NewCertPool()
				opt.RootCAs.AddCert(origin.Certificate())
			}
			client, err := web.New(opt).With(web.Access{Host: "forge.example.com:443", Header: "Authorization", Value: token})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			resp, err := client.Do(t.Context(), web.Request{URL: c.url})
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if got, err := io.ReadAll(resp.Body); err != nil || string(got) != "forge.example.com/x?y" {
				t.Errorf("got %q, %v", got, err)
			}
			if !slices.Equal(p.asked, []string{c.asked}) {
				t.Errorf("at the proxy: got %q, want %q", p.asked, c.asked)
			}
			if got := head.Get("Authorization"); (got == token) != c.token || head.Get("Proxy-Authorization") != "" {
				t.Errorf("at the server: got the head %v, want the token: %t, and not the proxy's password", head, c.token)
			}
			if got := p.heads[0].Get("Authorization"); got != "" {
				t.Errorf("at the proxy: got the token %q", got)
			}
		})
	}
}

func TestProxyErrors(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + closed.Addr().String()
	closed.Close()
	for _, c := range []struct {
		name      string
		proxy     string // its URL; "": one that listens; "https": the same, taken for one with TLS; "tls": one with TLS
		password  string
		refuses   int
		schemes   string // of the URLs asked for
		says      string
		transient bool
	}{
		{"refused", nobody, proxyPassword, 0, "http https", "the proxy does not answer", true},
		{"name not found", "http://no-such-proxy.invalid:3128", proxyPassword, 0, "http https", "the proxy's name no-such-proxy.invalid was not found", true},
		{"407 without a password", "", "", 0, "http https", "the proxy wants a user and password", false},
		{"407 with another password", "", "not" + proxyPassword, 0, "http https", "the proxy wants a user and password", false},
		{"a host that it does not let through", "", proxyPassword, 403, "https", "got status 403 Forbidden", false},
		{"a host that it does not reach", "", proxyPassword, 502, "https", "got status 502 Bad Gateway", true},
		{"it breaks the connection", "", proxyPassword, noAnswer, "http https", "EOF", true},
		{"TLS with a proxy that has none", "https", proxyPassword, 0, "http https", "the proxy does not speak TLS", false},
		{"a certificate that nobody here trusts", "tls", proxyPassword, 0, "http https", "the proxy's certificate does not convince", false},
	} {
		for _, scheme := range strings.Fields(c.schemes) {
			t.Run(c.name+", "+scheme, func(t *testing.T) {
				p := newProxy(t, "http://127.0.0.1:9")
				p.refuses = c.refuses
				address := c.proxy
				switch address {
				case "", "https":
					address = strings.Replace(p.URL, "http", max(address, "http"), 1)
				case "tls":
					server := httptest.NewTLSServer(p)
					defer server.Close()
					address = server.URL
				}
				client := web.New(through(t, address, c.password))
				defer client.Close()
				_, err := client.Do(t.Context(), web.Request{URL: scheme + "://forge.example.com/x"})
				if err == nil || !strings.Contains(err.Error(), c.says) || fault.IsTransient(err) != c.transient {
					t.Fatalf("got %v (transient %t), want %q", err, fault.IsTransient(err), c.says)
				}
				hint := fault.HintOf(err)
				if !strings.Contains(hint, scheme+"_proxy") || strings.Contains(hint, "url") {
					t.Errorf("got the hint %q, want one on %s_proxy", hint, scheme)
				}
				if text := err.Error() + hint; strings.Contains(text, proxyPassword) || strings.Contains(text, proxyUser+":") {
					t.Errorf("got the proxy's password in %q", text)
				}
			})
		}
	}
}

// TestProxyOfTheEnvironment asks in a process of its own, as net/http reads the environment once.
func TestProxyOfTheEnvironment(t *testing.T) {
	const child, address = "MOULT_TEST_PROXY_CHILD", "http://forge.invalid/x"
	if os.Getenv(child) != "" {
		if _, err := web.New(quick(nil)).Do(t.Context(), web.Request{URL: address}); err != nil {
			t.Fatal(err)
		}
		return
	}
	p := newProxy(t, serve(t, func(http.ResponseWriter, *http.Request) {}))
	env := slices.DeleteFunc(os.Environ(), func(set string) bool {
		name, _, _ := strings.Cut(strings.ToLower(set), "=")
		return strings.HasSuffix(name, "_proxy") || name == "request_method" // a CGI program has no http_proxy
	})
	run := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProxyOfTheEnvironment$")
	run.Env = append(env, child+"=1", "http_proxy="+strings.Replace(p.URL, "://", "://"+proxyUser+":"+proxyPassword+"@", 1))
	if out, err := run.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if want := []string{"GET " + address}; !slices.Equal(p.asked, want) {
		t.Errorf("at the proxy: got %q, want %q", p.asked, want)
	}
}
