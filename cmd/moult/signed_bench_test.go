package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"moult/source/sourcetest"
)

// shelf serves a signed repository's folder as a static web server does, with ETags, and counts what passes at its connections.
type shelf struct {
	*httptest.Server
	requests, sent, received, bodies atomic.Int64
}

func newShelf(b *testing.B, dir string) *shelf {
	b.Helper()
	s := new(shelf)
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		s.requests.Add(1)
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(req.URL.Path)))
		if err != nil {
			http.NotFound(w, req)
			return
		}
		w.Header().Set("ETag", fmt.Sprintf(`"%.8x"`, sha256.Sum256(data)))
		w.Header().Set("Content-Type", "application/octet-stream")
		if req.Header.Get("If-None-Match") != w.Header().Get("ETag") {
			s.bodies.Add(int64(len(data)))
		}
		http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(data))
	}))
	s.Listener = countedListener{s.Listener, s}
	s.Start()
	b.Cleanup(s.Close)
	return s
}

func (s *shelf) reset() {
	for _, n := range []*atomic.Int64{&s.requests, &s.sent, &s.received, &s.bodies} {
		n.Store(0)
	}
}

type countedListener struct {
	net.Listener
	s *shelf
}

func (l countedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countedConn{c, l.s}, err
}

type countedConn struct {
	net.Conn
	s *shelf
}

func (c countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.s.received.Add(int64(n))
	return n, err
}

func (c countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.s.sent.Add(int64(n))
	return n, err
}

// BenchmarkSignedTraffic is BenchmarkTraffic with a signed repository of RSA-2048 keys, as 'moult repo' makes it.
func BenchmarkSignedTraffic(b *testing.B) {
	for _, size := range []struct {
		name         string
		files, bytes int
	}{{"10 files 40 KB", 10, 40 << 10}, {"50 files 300 KB", 50, 300 << 10}} {
		first := pythonRelease("1.0", size.files, size.bytes, 0)
		second := pythonRelease("1.1", size.files, size.bytes, 2)
		b.Run(size.name+"/full install", func(b *testing.B) { signedTraffic(b, scene{published: &first}) })
		b.Run(size.name+"/2 files changed", func(b *testing.B) { signedTraffic(b, scene{before: &first, published: &second}) })
		b.Run(size.name+"/2 files changed, five releases", func(b *testing.B) { signedTraffic(b, scene{older: 3, before: &first, published: &second}) })
		b.Run(size.name+"/nothing new, the first time", func(b *testing.B) { signedTraffic(b, scene{before: &first}) })
		b.Run(size.name+"/nothing new", func(b *testing.B) { signedTraffic(b, scene{before: &first, checks: 1}) })
		b.Run(size.name+"/nothing new, signed anew", func(b *testing.B) { signedTraffic(b, scene{before: &first, checks: 1, sign: true}) })
	}
}

// scene is what has happened when a device looks.
type scene struct {
	older     int                 // releases before that
	before    *sourcetest.Release // that it has; nil: nothing
	checks    int                 // that it has made since
	published *sourcetest.Release // since; nil: none
	sign      bool                // what the repository has was signed anew
}

// signedTraffic measures one update.
func signedTraffic(b *testing.B, at scene) {
	var requests, sent, received, bodies int64
	var cpu time.Duration
	for b.Loop() {
		b.StopTimer()
		repository, device := filepath.Join(b.TempDir(), "updates"), b.TempDir()
		s := newShelf(b, repository)
		spend(b, "repo", "init", repository)
		publish := func(r *sourcetest.Release) {
			dir := b.TempDir()
			for name, content := range r.Files {
				writeBench(b, filepath.Join(dir, name), content.Content)
			}
			spend(b, "repo", "add", "app", filepath.Join(dir, "main"), "--version", r.Tag, "-C", repository)
		}
		writeBench(b, filepath.Join(device, "config/moult.json"), fmt.Sprintf(`{"modules": {"app": {}}, "repository": {"url": %q}}`, s.URL))
		spend(b, "trust", filepath.Join(repository, "metadata/1.root.json"), "--root", device)
		for n := range at.older {
			old := pythonRelease(fmt.Sprintf("0.%d", n+1), 10, 40<<10, 1)
			publish(&old)
		}
		if at.before != nil {
			publish(at.before)
			spend(b, "update", "--root", device)
		}
		for range at.checks {
			spend(b, "update", "--root", device)
		}
		if at.sign {
			spend(b, "repo", "sign", "--force", "-C", repository)
		}
		if at.published != nil {
			publish(at.published)
		}
		s.reset()
		b.StartTimer()
		cpu += spend(b, "update", "--root", device)
		b.StopTimer()
		requests, sent, received, bodies = requests+s.requests.Load(), sent+s.received.Load(), received+s.sent.Load(), bodies+s.bodies.Load()
		b.StartTimer()
	}
	n := float64(b.N)
	b.ReportMetric(float64(requests)/n, "requests/op")
	b.ReportMetric(float64(received)/n, "B-received/op")
	b.ReportMetric(float64(bodies)/n, "B-bodies/op")
	b.ReportMetric(float64(sent)/n, "B-sent/op")
	b.ReportMetric(float64(cpu.Microseconds())/1000/n, "cpu-ms/op")
}

func writeBench(b *testing.B, name, content string) {
	b.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		b.Fatal(err)
	}
}
