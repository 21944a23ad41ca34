package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"

	"moult/release"
)

// publisher is a repository in a folder with its keys beside it, and a web server over it.
type publisher struct {
	t    *testing.T
	base string
	url  string
}

func newPublisher(t *testing.T) *publisher {
	t.Helper()
	p := &publisher{t: t, base: t.TempDir()}
	p.moult("init", "updates")
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(p.base, "updates"))))
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

func (p *publisher) moult(args ...string) string {
	p.t.Helper()
	cmd := exec.Command("moult", append([]string{"repo"}, args...)...)
	cmd.Dir, cmd.Env = p.base, append(os.Environ(), "MOULT_REPOSITORY=updates")
	output, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("moult repo %v: %v\n%s", args, err, output)
	}
	return string(output)
}

func (p *publisher) add(version, content string) {
	p.t.Helper()
	writeFile(p.t, filepath.Join(p.base, "src/app.py"), content)
	p.moult("add", "irrigation", "src", "--version", version)
}

func (p *publisher) key(name string) {
	p.t.Helper()
	run(p.t, "moult", "key", "make", filepath.Join(p.base, "updates-keys", name))
}

// keyID returns the beginning of a key's id.
func (p *publisher) keyID(name string) string {
	p.t.Helper()
	out, err := exec.Command("moult", "key", "show", filepath.Join(p.base, "updates-keys", name)).Output()
	_, id, found := strings.Cut(string(out), "id ")
	if err != nil || !found {
		p.t.Fatalf("key show %s: %v\n%s", name, err, out)
	}
	return id[:12]
}

// state is a folder in which a client trusts the repository's first root.
func (p *publisher) state() string {
	p.t.Helper()
	dir := p.t.TempDir()
	root, err := os.ReadFile(filepath.Join(p.base, "updates/metadata/1.root.json"))
	if err != nil {
		p.t.Fatal(err)
	}
	writeFile(p.t, filepath.Join(dir, "root.json"), string(root))
	return dir
}

// goTUF reads a target as go-tuf's own client does.
func goTUF(t *testing.T, state, url, target string) []byte {
	t.Helper()
	root, err := os.ReadFile(filepath.Join(state, "root.json"))
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.New(url+"/metadata", root)
	if err != nil {
		t.Fatal(err)
	}
	cfg.LocalMetadataDir, cfg.LocalTargetsDir, cfg.RemoteTargetsURL = state, state, url+"/targets"
	client, err := updater.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	info, err := client.GetTargetInfo(target)
	if err != nil {
		t.Fatalf("go-tuf: %s: %v", target, err)
	}
	_, data, err := client.DownloadTarget(info, "", "")
	if err != nil {
		t.Fatalf("go-tuf: %s: %v", target, err)
	}
	return data
}

// tufJS reads a target as tuf-js does.
func tufJS(t *testing.T, state, url, target string) []byte {
	t.Helper()
	modules, err := filepath.Abs("../../testdata/npm/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(modules, "tuf-js")); err != nil {
		t.Fatalf("tuf-js is missing: make deps (%v)", err)
	}
	cmd := exec.Command("node", "testdata/tuf.js", state, url, target)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	var printed, told bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &told
	if err := cmd.Run(); err != nil {
		t.Fatalf("tuf-js: %s: %v\n%s", target, err, &told)
	}
	return printed.Bytes()
}

// TestOtherClients lets two other implementations of TUF follow a repository as it stands on disk, through every rotation of its keys.
func TestOtherClients(t *testing.T) {
	p := newPublisher(t)
	clients := map[string]struct {
		read  func(t *testing.T, state, url, target string) []byte
		state string
	}{"go-tuf": {goTUF, p.state()}, "tuf-js": {tufJS, p.state()}}
	all := func(version, content string) {
		t.Helper()
		for name, c := range clients {
			for who, state := range map[string]string{"that followed": c.state, "that is new": p.state()} {
				m, err := release.ParseManifest(c.read(t, state, p.url, "irrigation/"+version))
				if err != nil {
					t.Fatalf("%s %s: %v", name, who, err)
				}
				e, found := m.Find("app.py")
				if !found || e.Length != int64(len(content)) || m.Version.String() != version {
					t.Errorf("%s %s: got %+v, want %s", name, who, m, version)
				}
			}
		}
	}
	p.add("1.0", "first")
	all("1.0", "first")
	p.moult("sign", "--force")
	all("1.0", "first")
	p.key("online2.pem")
	p.moult("rotate", "--role", "online", "--add", "updates-keys/online2.pem", "--remove", p.keyID("online.pem"))
	run(t, "rm", filepath.Join(p.base, "updates-keys/online.pem"))
	all("1.0", "first")
	p.add("1.1", "the second")
	all("1.1", "the second")
	p.key("root2.pem")
	p.moult("rotate", "--role", "offline", "--add", "updates-keys/root2.pem", "--remove", p.keyID("root.pem"))
	run(t, "rm", filepath.Join(p.base, "updates-keys/root.pem"))
	all("1.1", "the second")
	p.moult("rotate", "--role", "irrigation", "--add", "updates-keys/root2.pem", "--threshold", "2")
	p.add("1.2", "and a third")
	all("1.2", "and a third")
	contains(t, p.moult("verify"), "checked 1 module, 3 releases")
}
