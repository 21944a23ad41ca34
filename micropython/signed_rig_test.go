package micropython_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// programDir is where the tests' moult is built; it goes when they end.
var programDir string

func TestMain(m *testing.M) {
	var err error
	if programDir, err = os.MkdirTemp("", "moult-micropython-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(programDir)
	os.Exit(code)
}

// program is the real moult, built once.
var program = sync.OnceValues(func() (string, error) {
	name := filepath.Join(programDir, "moult")
	if out, err := exec.Command("go", "build", "-o", name, "moult/cmd/moult").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return name, nil
})

// signedRepo is a repository that 'moult repo' makes, with RSA keys, and a static web server before it.
type signedRepo struct {
	tb  testing.TB
	dir string
	*httptest.Server

	mu             sync.Mutex
	asked          []string // "path", "path from N", "path unchanged"
	sent, received int64    // at the server's connections
	cut            int64    // bytes of a body after which the connection is cut; 0: none
}

func newSignedRepo(tb testing.TB, args ...string) *signedRepo {
	tb.Helper()
	r := &signedRepo{tb: tb, dir: filepath.Join(tb.TempDir(), "updates")}
	r.run(append([]string{"init", r.dir}, args...)...)
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(r.serve))
	r.Listener = countedListener{r.Listener, r}
	r.Start()
	tb.Cleanup(r.Close)
	return r
}

// run runs moult repo.
func (r *signedRepo) run(args ...string) {
	r.tb.Helper()
	moult, err := program()
	must(r.tb, err)
	if out, err := exec.Command(moult, append([]string{"repo"}, args...)...).CombinedOutput(); err != nil {
		r.tb.Fatalf("moult repo %v: %v\n%s", args, err, out)
	}
}

// add publishes a release.
func (r *signedRepo) add(module, version string, files map[string]string) {
	r.tb.Helper()
	dir := r.tb.TempDir()
	for name, content := range files {
		must(r.tb, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		must(r.tb, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	}
	r.run("add", module, dir, "--version", version, "-C", r.dir)
}

func (r *signedRepo) serve(w http.ResponseWriter, req *http.Request) {
	data, err := os.ReadFile(filepath.Join(r.dir, filepath.FromSlash(req.URL.Path)))
	etag := fmt.Sprintf(`"%.8x"`, sha256.Sum256(data))
	line := strings.TrimPrefix(req.URL.Path, "/")
	if from := req.Header.Get("Range"); from != "" {
		line += " from " + strings.Trim(from, "bytes=-")
	}
	r.mu.Lock()
	cut := r.cut
	r.mu.Unlock()
	switch {
	case err != nil:
		line += " missing"
	case req.Header.Get("If-None-Match") == etag:
		line += " unchanged"
	}
	r.mu.Lock()
	r.asked = append(r.asked, line)
	r.mu.Unlock()
	if err != nil {
		http.NotFound(w, req)
		return
	}
	w.Header().Set("ETag", etag)
	w.Header().Set("Content-Type", "application/octet-stream")
	if cut > 0 && strings.HasSuffix(line, ".bundle") {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		_, _ = w.Write(data[:min(cut, int64(len(data)))])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(data))
}

// requests returns what was asked since the last time, and the bytes that passed.
func (r *signedRepo) requests() (asked []string, sent, received int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked, sent, received = r.asked, r.sent, r.received
	r.asked, r.sent, r.received = nil, 0, 0
	return asked, sent, received
}

type countedListener struct {
	net.Listener
	r *signedRepo
}

func (l countedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countedConn{c, l.r}, err
}

type countedConn struct {
	net.Conn
	r *signedRepo
}

func (c countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.r.mu.Lock()
	c.r.received += int64(n)
	c.r.mu.Unlock()
	return n, err
}

func (c countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.r.mu.Lock()
	c.r.sent += int64(n)
	c.r.mu.Unlock()
	return n, err
}

// follow makes a board that follows the module app of the repository, and trusts its root.
func (r *signedRepo) follow(b *board, more string) {
	b.t.Helper()
	b.write("config/moult.json", fmt.Sprintf(`{"modules": {"app": {%s}}, "repository": {"url": %q}}`, more, r.URL))
	b.write("boot.py", "import moult_boot\nmoult_boot.start()\n")
	b.write("main.py", "import moult\nmoult.listener = None\nprint('went', moult.run())\n")
	root, err := os.ReadFile(filepath.Join(r.dir, "metadata/1.root.json"))
	must(b.t, err)
	b.write(".moult/trust/anchor.json", string(root))
}

func digestOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}
