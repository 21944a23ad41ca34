package trust_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"moult/disk/disktest"
	"moult/journal"
	"moult/release"
	"moult/slot"
	"moult/trust"
	"moult/trust/trusttest"
	"moult/update"
	"moult/web"
)

// day is when the tests begin.
var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var (
	oldFiles = map[string]string{"app.py": strings.Repeat("print('old')\n", 40), "gone.py": "gone", "lib/a.py": strings.Repeat("a = 1\n", 50), "run.sh": "#!old", "empty": ""}
	newFiles = map[string]string{"app.py": strings.Repeat("print('old')\n", 40) + "print('new')\n", "lib/a.py": strings.Repeat("a = 1\n", 50),
		"lib/b.py": "b", "lib/c.py": "b", "moved.sh": "#!old", "empty": "", "alias.py": "-> app.py"}
)

// newRepo returns a repository of two modules, whose irrigation has 1.0. Everything in it has been published twice.
func newRepo(key func(string) trusttest.Key) *trusttest.Repo {
	r := before(key)
	r.Add("irrigation", "1.0", trusttest.Release{Files: oldFiles})
	r.Targets.Version++
	r.Publish()
	return r
}

// device is a device on a disk in memory, with a server that it asks, or a stick in its port.
type device struct {
	t       testing.TB
	disk    *disktest.Disk
	now     time.Time
	server  *httptest.Server
	handler *trusttest.Handler
	client  *web.Client
	tick    time.Duration // that passes at each look at the clock while bytes come
	stick   []byte        // a bundle; nil: it asks the server
	keep    []string
	channel release.Channel
	kinds   []string
	to      release.Version // asked for
	events  []update.Event
	wire    func(trust.Site) trust.Site
}

func newDevice(t testing.TB, r *trusttest.Repo) *device {
	t.Helper()
	d := &device{t: t, disk: disktest.New(), now: day, handler: trusttest.NewHandler(r), kinds: []string{"linux", "linux/arm64"}}
	d.server = httptest.NewServer(d.handler)
	t.Cleanup(d.server.Close)
	d.client = web.New(web.Options{Tries: 1, Now: func() time.Time {
		d.now = d.now.Add(d.tick)
		return d.now
	}})
	t.Cleanup(d.client.Close)
	_, err := trust.NewStore(d.disk).Install(r.Files["metadata/1.root.json"], false)
	must(t, err)
	return d
}

// module makes the module as a program does at each start.
func (d *device) module() *update.Module {
	d.t.Helper()
	slots := slot.New(d.disk, slot.ModulePlace("irrigation"), func(name string) bool { return slices.Contains(d.keep, name) })
	meter := new(web.Meter)
	opt := trust.Options{Disk: d.disk, Module: "irrigation", Kinds: d.kinds, Clock: func() time.Time { return d.now }, Slot: slots, Meter: meter}
	if d.stick != nil {
		opt.Bundle = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(d.stick)), nil }
	} else {
		site, err := trust.OpenSite(d.server.URL, d.client, meter)
		must(d.t, err)
		if d.wire != nil {
			site = d.wire(site)
		}
		opt.Site = site
	}
	return &update.Module{Name: "irrigation", Slots: slots, Channel: d.channel, Source: trust.NewSource(opt)}
}

func (d *device) engine() *update.Engine {
	return &update.Engine{Journal: journal.New(d.disk), Now: func() time.Time { return d.now },
		Sleep: func(context.Context, time.Duration) error { return nil },
		Tell:  func(e update.Event) { d.events = append(d.events, e) }}
}

// update is one run of the program.
func (d *device) update() (update.Plan, error) {
	m := d.module()
	e := d.engine()
	if err := e.Recover(m); err != nil {
		return update.Plan{}, err
	}
	return e.Update(context.Background(), m, update.Options{To: d.to})
}

func (d *device) mustUpdate(version string, files map[string]string) {
	d.t.Helper()
	_, err := d.update()
	must(d.t, err)
	d.mustHave(version, files)
}

// mustHave holds the running version to its files.
func (d *device) mustHave(version string, files map[string]string) {
	d.t.Helper()
	got := disktest.Tree(d.t, d.disk, "irrigation/main")
	if got[".version"] != version {
		d.t.Errorf("got version %q, want %s", got[".version"], version)
	}
	delete(got, ".version")
	delete(got, ".manifest")
	if !maps.Equal(got, files) {
		d.t.Errorf("files of %s: got %q, want %q", version, got, files)
	}
}

// trusted is every byte that the device trusts, and what is left of downloads.
func (d *device) trusted() map[string]string { return disktest.Tree(d.t, d.disk, trust.Dir) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func digestOf(data []byte) [32]byte { return sha256.Sum256(data) }

func hex(content string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(content))) }
