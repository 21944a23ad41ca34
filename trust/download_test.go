package trust_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"moult/disk"
	"moult/disk/disktest"
	"moult/release"
	"moult/trust"
	"moult/trust/trusttest"
)

// noise does not deflate.
func noise(seed uint64, length int) string {
	chance := rand.New(rand.NewPCG(seed, 1))
	out := make([]byte, length)
	for i := range out {
		out[i] = byte(chance.Uint32())
	}
	return string(out)
}

// large returns a repository whose 1.1 has a large new file, with its bundles.
func large(first *trusttest.Repo, length int) (*trusttest.Repo, map[string]string) {
	files := map[string]string{"app.py": "print('new')", "data.bin": noise(1, length)}
	r := first.Copy()
	r.Add("irrigation", "1.1", trusttest.Release{Files: files})
	r.Publish()
	r.PutBundles("irrigation", "stable", "1.1", "1.0")
	return r, files
}

const bundlePath = "bundles/irrigation/stable/1.0.bundle"

// cutting answers a request for the bundle with at most so many bytes, and then breaks the connection.
type cutting struct {
	r    *trusttest.Repo
	each int
	from []int // where each answer began
}

func (c *cutting) do(w http.ResponseWriter, req *http.Request) bool {
	if req.URL.Path != "/"+bundlePath || c.each == 0 {
		return false
	}
	data, from := c.r.Files[bundlePath], 0
	etag := fmt.Sprintf(`"%x"`, digestOf(data))
	if asked, ok := strings.CutPrefix(req.Header.Get("Range"), "bytes="); ok && req.Header.Get("If-Range") == etag {
		from, _ = strconv.Atoi(strings.TrimSuffix(asked, "-"))
	}
	c.from = append(c.from, from)
	w.Header().Set("ETag", etag)
	w.Header().Set("Content-Length", strconv.Itoa(len(data)-from))
	if from > 0 {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(data)-1, len(data)))
		w.WriteHeader(http.StatusPartialContent)
	}
	if end := from + c.each; end < len(data) {
		_, _ = w.Write(data[from:end])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(data[from:])
	return true
}

// TestResume cuts a bundle's download every 4 KB: each try goes on where the one before ended, whatever happened in between.
func TestResume(t *testing.T) {
	first := newRepo(trusttest.Ed25519)
	for name, between := range map[string]func(d *device){
		"the program goes on":     func(*device) {},
		"the power goes":          func(d *device) { d.disk = d.disk.Crash(disktest.LoseUnsynced, 0) },
		"the power goes, by luck": func(d *device) { d.disk = d.disk.Crash(disktest.LoseSome, 7) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(t, first)
			d.mustUpdate("1.0", oldFiles)
			r, files := large(first, 40<<10)
			d.handler.Serve(r)
			c := &cutting{r: r, each: 4 << 10}
			d.handler.Do = c.do
			runs := 1
			for _, err := d.update(); err != nil; _, err = d.update() {
				if runs++; runs > 30 {
					t.Fatalf("got no end: %v; from %v", err, c.from)
				}
				between(d)
			}
			d.mustHave("1.1", files)
			for i, from := range c.from {
				if from != i*c.each {
					t.Errorf("answers began at %v, want each where the one before ended", c.from)
					break
				}
			}
			if want := len(r.Files[bundlePath])/c.each + 1; len(c.from) != want {
				t.Errorf("got %d answers, want %d", len(c.from), want)
			}
			for _, line := range r.Requests {
				if strings.Contains(line, "files/") {
					t.Errorf("got %q, want all from the bundle", line)
				}
			}
		})
	}
}

// TestResumeElsewhere goes on with a bundle that another served than began it.
func TestResumeElsewhere(t *testing.T) {
	first := newRepo(trusttest.Ed25519)
	for name, test := range map[string]struct {
		change func(c *cutting, d *device)
		want   int // answers with the bundle after the first
	}{
		"the server's file changed": {func(c *cutting, d *device) {
			next := c.r.Copy()
			next.Publish()
			next.PutBundles("irrigation", "stable", "1.1", "1.0")
			c.r = next
			d.handler.Serve(next)
		}, 1},
		"a liar began it, under the right name": {func(_ *cutting, d *device) {
			spoil(t, d.disk, ".moult/download/irrigation.part", func(data []byte) { data[10<<10] ^= 1 })
		}, 2},
		"what was kept is zeros": {func(_ *cutting, d *device) {
			spoil(t, d.disk, ".moult/download/irrigation.part", func(data []byte) { clear(data) })
		}, 2},
		"what was kept is longer than the file": {func(_ *cutting, d *device) {
			f, err := d.disk.Append(".moult/download/irrigation.part", 0o644)
			must(t, err)
			_, err = f.Write(make([]byte, 100<<10))
			must(t, err)
		}, 1},
		"the label is garbage": {func(_ *cutting, d *device) {
			must(t, disk.WriteFile(d.disk, ".moult/download/irrigation.json", []byte("{"), 0o644))
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(t, first)
			d.mustUpdate("1.0", oldFiles)
			r, files := large(first, 20<<10)
			d.handler.Serve(r)
			c := &cutting{r: r, each: 4 << 10}
			d.handler.Do = c.do
			if _, err := d.update(); err == nil {
				t.Fatal("got no error, want the download cut")
			}
			c.from = nil
			test.change(c, d)
			c.each = 1 << 20
			d.mustUpdate("1.1", files)
			if len(c.from) != test.want {
				t.Errorf("answers began at %v, want %d", c.from, test.want)
			}
		})
	}
}

// spoil changes a file's bytes.
func spoil(t *testing.T, d disk.Disk, name string, change func(data []byte)) {
	t.Helper()
	data, err := disk.ReadFile(d, name, 1<<20)
	must(t, err)
	change(data)
	must(t, d.Remove(name))
	must(t, disk.WriteNew(d, name, data, 0o644))
}

// TestPartialBundle cuts a bundle on a stick at every byte: it is refused, and nothing changes but what was proven by then.
func TestPartialBundle(t *testing.T) {
	first := newRepo(trusttest.Ed25519)
	d := newDevice(t, first)
	d.mustUpdate("1.0", oldFiles)
	next := second(first)
	d.now = next.Now
	whole := next.Bundle("irrigation", "1.1", first.Manifests["irrigation/1.0"])
	fresh := d.disk.Copy()
	for n := range whole {
		d.disk, d.stick = fresh.Copy(), whole[:n:n]
		if n == 0 {
			d.stick = []byte{}
		}
		_, err := d.update()
		if release.ReasonOf(err) == "" {
			t.Fatalf("cut to %d of %d bytes: got %v, want it refused", n, len(whole), err)
		}
		d.mustHave("1.0", oldFiles)
		if next := disktest.Tree(t, d.disk, "irrigation/next"); len(next) > 0 {
			t.Errorf("cut to %d bytes: next is there", n)
		}
	}
	for _, more := range []string{"x", string(whole)} {
		d.disk, d.stick = fresh.Copy(), append(bytes.Clone(whole), more...)
		if _, err := d.update(); release.ReasonOf(err) != release.BadFormat {
			t.Errorf("with %d bytes more: got %v, want it refused", len(more), err)
		}
	}
	d.disk, d.stick = fresh.Copy(), whole
	d.mustUpdate("1.1", newFiles)
}

// TestBadBundleOnServer garbles a bundle where the files beside it are good: the update does without.
func TestBadBundleOnServer(t *testing.T) {
	first := newRepo(trusttest.Ed25519)
	next := second(first)
	next.PutBundles("irrigation", "stable", "1.1", "1.0")
	whole := next.Files[bundlePath]
	d := newDevice(t, first)
	d.mustUpdate("1.0", oldFiles)
	d.now = next.Now
	fresh := d.disk.Copy()
	for n := 0; n < len(whole); n += 11 {
		for name, data := range map[string][]byte{"cut": whole[:n], "garbled": garbled(whole, n)} {
			r := next.Copy()
			r.Files[bundlePath] = data
			d.handler.Serve(r)
			d.disk = fresh.Copy()
			if _, err := d.update(); err != nil {
				t.Fatalf("%s at %d: %v", name, n, err)
			}
			d.mustHave("1.1", newFiles)
			if left := disktest.Tree(t, d.disk, trust.DownloadDir); len(left) > 0 {
				t.Errorf("%s at %d: got %d downloads left, want none", name, n, len(left))
			}
		}
	}
}

func garbled(data []byte, n int) []byte {
	data = bytes.Clone(data)
	data[n] ^= 0xff
	return data
}
