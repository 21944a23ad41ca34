package repository_test

import (
	"crypto"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"

	"moult/disk"
	"moult/disk/disktest"
	"moult/release"
	"moult/repository"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start is when the tests' repositories are made; go-tuf's client is told the time as well.
var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// rig is a repository on a disk that can be cut, with all its keys.
type rig struct {
	t      testing.TB
	disk   *disktest.Disk
	now    time.Time
	root   crypto.Signer
	online crypto.Signer
	keys   repository.Ring
}

func newKey(t testing.TB, kind repository.Kind) crypto.Signer {
	t.Helper()
	key, err := repository.Generate(kind)
	must(t, err)
	return key
}

func keyID(t testing.TB, key crypto.Signer) string {
	t.Helper()
	id, err := repository.KeyID(key.Public())
	must(t, err)
	return id
}

func ring(t testing.TB, keys ...crypto.Signer) repository.Ring {
	t.Helper()
	r, err := repository.NewRing(keys...)
	must(t, err)
	return r
}

func newRig(t testing.TB, kind repository.Kind) *rig {
	t.Helper()
	return newRigOn(t, disktest.Disk{}, kind)
}

func newRigOn(t testing.TB, on disktest.Disk, kind repository.Kind) *rig {
	t.Helper()
	d := disktest.New()
	d.NoExchange, d.NoLinks = on.NoExchange, on.NoLinks
	r := &rig{t: t, disk: d, now: start, root: newKey(t, kind), online: newKey(t, kind)}
	r.keys = ring(t, r.root, r.online)
	_, err := repository.Init(r.disk, r.clock, r.keys, repository.Plan{Root: []crypto.PublicKey{r.root.Public()}, Online: []crypto.PublicKey{r.online.Public()}})
	must(t, err)
	return r
}

func (r *rig) clock() time.Time { return r.now }

// open opens the repository on a disk.
func (r *rig) open(d disk.Disk) *repository.Repository {
	r.t.Helper()
	repo, err := repository.Open(d, r.clock)
	must(r.t, err)
	return repo
}

// tree is a release's files; one that begins with "-> " is a link, one with "#!" a program.
type tree map[string]string

func (files tree) fill(put func(release.File) error) (string, error) {
	for name, content := range files {
		f := release.File{Path: name, Size: int64(len(content)), Body: strings.NewReader(content), Executable: strings.HasPrefix(content, "#!")}
		if target, isLink := strings.CutPrefix(content, "-> "); isLink {
			f = release.File{Path: name, Link: target}
		}
		if err := put(f); err != nil {
			return "", err
		}
	}
	return "9f2c", nil
}

func (r *rig) add(module, version string, files tree) {
	r.t.Helper()
	_, err := r.open(r.disk).Add(r.t.Context(), r.keys, head(module, version), files.fill)
	must(r.t, err)
}

func head(module, version string) repository.Head {
	return repository.Head{Module: module, Version: release.MustVersion(version), Repository: "https://github.com/owner/" + module}
}

// fetcher is a web server over a disk, for go-tuf's client.
type fetcher struct{ disk disk.Reader }

func (f fetcher) DownloadFile(url string, most int64, _ time.Duration) ([]byte, error) {
	data, err := disk.ReadFile(f.disk, strings.TrimPrefix(url, "https://repo/"), most)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &metadata.ErrDownloadHTTP{StatusCode: http.StatusNotFound, URL: url}
	}
	return data, err
}

// device is go-tuf's client, which keeps what it trusts from one refresh to the next in a folder.
type device struct {
	dir    string
	anchor []byte
}

func newDevice(t testing.TB, d disk.Reader) *device {
	t.Helper()
	anchor, err := disk.ReadFile(d, "metadata/1.root.json", 1<<20)
	must(t, err)
	return &device{t.TempDir(), anchor}
}

// rootVersion is that of the root that it trusts.
func (c *device) rootVersion() int64 {
	root, err := new(metadata.Metadata[metadata.RootType]).FromBytes(c.anchor)
	if err != nil {
		return 0
	}
	return root.Signed.Version
}

// read refreshes over a repository as it stands, and returns the tree of a module's release; nil where the role has none.
func (c *device) read(d disk.Reader, now time.Time, module, version string) (tree, error) {
	cfg, err := config.New("https://repo/metadata", c.anchor)
	if err != nil {
		return nil, err
	}
	cfg.RemoteTargetsURL, cfg.LocalMetadataDir, cfg.LocalTargetsDir, cfg.Fetcher = "https://repo/targets", c.dir, c.dir, fetcher{d}
	client, err := updater.New(cfg)
	if err != nil {
		return nil, err
	}
	client.UnsafeSetRefTime(now)
	if err := client.Refresh(); err != nil {
		return nil, err
	}
	if root, err := client.GetTrustedMetadataSet().Root.ToBytes(false); err == nil {
		c.anchor = root
	}
	info, err := client.GetTargetInfo(module + "/" + version)
	if err != nil {
		if strings.Contains(err.Error(), "not found") {
			return nil, nil
		}
		return nil, err
	}
	_, data, err := client.DownloadTarget(info, "", "")
	if err != nil {
		return nil, err
	}
	m, err := release.ParseManifest(data)
	if err != nil {
		return nil, err
	}
	files := tree{}
	for _, e := range m.Files {
		if e.Link != "" {
			files[e.Path] = "-> " + e.Link
			continue
		}
		content, err := disk.ReadFile(d, repository.FilePath(e.SHA256), e.Length)
		if err != nil {
			return nil, err
		}
		files[e.Path] = string(content)
	}
	return files, nil
}
