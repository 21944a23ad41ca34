package sourcetest

import (
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"moult/source/forge"
	"moult/web"
)

// Forge is a forge in a box: it serves repositories over loopback as one kind of forge does, in that kind's wire format,
// and does it wrong where it is told to. It is reached as a GitHub Enterprise, Gitea or GitLab is, by configuration alone:
//
//	{"url": "http://127.0.0.1:PORT/owner/repo", "forge": "github"}     and, where asked for, "api": "http://127.0.0.1:PORT/api/v3"
//
// It may be used from several goroutines.
type Forge struct {
	Kind     forge.Kind
	URL      string // of the forge: https://127.0.0.1:PORT, or http
	Codeload string // of the other host that GitHub sends archives and assets from
	Stranger string // of a host that is nobody's: it answers 200 to all, and is logged like the others

	roots          *x509.CertPool
	silent         chan struct{} // given to by a server that says nothing more
	sent, received atomic.Int64

	mu     sync.Mutex
	repos  map[string]*Repo
	ids    []string // paths; the index is the id
	breaks []*broken
	log    []Request
}

// Request is one request that a Forge got.
type Request struct {
	Host   string // with its port
	Method string
	URI    string
	Header http.Header
}

// NewForge starts a forge of one kind, with TLS or without, and ends it with the test or benchmark.
func NewForge(tb testing.TB, kind forge.Kind, tls bool) *Forge {
	f := &Forge{Kind: kind, roots: x509.NewCertPool(), repos: map[string]*Repo{}, silent: make(chan struct{})}
	routes := map[forge.Kind]http.HandlerFunc{forge.GitHub: f.serveGitHub, forge.Gitea: f.serveGitea, forge.GitLab: f.serveGitLab}
	f.URL = f.start(tb, tls, routes[kind])
	f.Codeload = f.start(tb, tls, f.serveCodeload)
	f.Stranger = f.start(tb, tls, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("nobody's\n")) })
	return f
}

func (f *Forge) start(tb testing.TB, tls bool, routes http.HandlerFunc) string {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.serve(w, r, routes) }))
	server.Listener = counting{server.Listener, f}
	server.EnableHTTP2 = true
	if tls {
		server.StartTLS()
		f.roots.AddCert(server.Certificate())
	} else {
		server.Start()
	}
	tb.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return server.URL
}

func (f *Forge) serve(w http.ResponseWriter, r *http.Request, routes http.Handler) {
	f.mu.Lock()
	f.log = append(f.log, Request{Host: r.Host, Method: r.Method, URI: r.RequestURI, Header: r.Header.Clone()})
	var fault Fault
	for _, b := range f.breaks {
		if b.times != 0 && b.match(r) {
			b.times--
			fault = b.fault
			break
		}
	}
	f.mu.Unlock()
	if fault != nil {
		fault(f, w, r, routes)
		return
	}
	routes.ServeHTTP(w, r)
}

// Put makes repo stand at path ("owner/repo", on GitLab with groups in groups too), in place of what stood there.
// To change a repository, put another.
func (f *Forge) Put(path string, repo *Repo) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.repos[path]; !known {
		f.ids = append(f.ids, path)
	}
	f.repos[path] = repo
}

// repo returns the repository at path as far as the request's token may see it.
func (f *Forge) repo(r *http.Request, path string) *Repo {
	f.mu.Lock()
	defer f.mu.Unlock()
	repo := f.repos[path]
	if repo != nil && repo.Token != "" && token(r) != repo.Token {
		return nil
	}
	return repo
}

func (f *Forge) id(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, p := range f.ids {
		if p == path {
			return i + 1
		}
	}
	return 0
}

func (f *Forge) pathOf(id int) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if id < 1 || id > len(f.ids) {
		return ""
	}
	return f.ids[id-1]
}

// token returns what a request shows, in whichever header its kind of forge takes it.
func token(r *http.Request) string {
	if t := r.Header.Get("Private-Token"); t != "" {
		return t
	}
	_, t, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return t
}

// Requests returns what was asked, in order, of all hosts.
func (f *Forge) Requests() []Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Request(nil), f.log...)
}

// Wire returns the bytes that the forge's hosts sent and received at the connection, TLS and headers too.
func (f *Forge) Wire() (sent, received int64) { return f.sent.Load(), f.received.Load() }

// Reset forgets what was asked and counted; faults and repositories stay.
func (f *Forge) Reset() {
	f.mu.Lock()
	f.log = nil
	f.mu.Unlock()
	f.sent.Store(0)
	f.received.Store(0)
}

// Roots returns the certificates to trust where the forge speaks TLS.
func (f *Forge) Roots() *x509.CertPool { return f.roots }

// WebOptions returns options for a client of the forge that waits for nothing: a server that falls silent
// is given up when it did so, and further tries come at once.
func (f *Forge) WebOptions() web.Options {
	return web.Options{
		RootCAs: f.roots,
		Sleep:   func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Jitter:  func(d time.Duration) time.Duration { return d },
		After:   f.after,
	}
}

func (f *Forge) after(_ time.Duration, call func()) (stop func()) {
	done := make(chan struct{})
	go func() {
		select {
		case <-f.silent:
			call()
		case <-done:
		}
	}()
	return sync.OnceFunc(func() { close(done) })
}

// segments returns a request's path in its parts, each unescaped: what was %2F stays inside its part.
func segments(r *http.Request) []string {
	parts := strings.Split(strings.Trim(r.URL.EscapedPath(), "/"), "/")
	for i, part := range parts {
		if plain, err := url.PathUnescape(part); err == nil {
			parts[i] = plain
		}
	}
	return parts
}

// counting counts the bytes of a listener's connections.
type counting struct {
	net.Listener
	f *Forge
}

func (l counting) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return countingConn{conn, l.f}, err
}

type countingConn struct {
	net.Conn
	f *Forge
}

func (c countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.f.received.Add(int64(n))
	return n, err
}

func (c countingConn) Write(p []byte) (int, error) {
	c.f.sent.Add(int64(len(p))) // before, so that who has read the bytes finds them counted
	n, err := c.Conn.Write(p)
	c.f.sent.Add(int64(n - len(p)))
	return n, err
}
