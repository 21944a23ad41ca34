package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"moult/pack"
	"moult/release"
)

// update is a pair of trees as releases.
type update struct {
	to, base           *release.Manifest
	toBytes, baseBytes []byte // the manifests
	content            map[string][]byte
}

func load(old, new string) (*update, error) {
	u := &update{content: map[string][]byte{}}
	var err error
	if u.base, u.baseBytes, err = u.manifest(old, "v1.0"); err != nil {
		return nil, err
	}
	u.to, u.toBytes, err = u.manifest(new, "v1.1")
	return u, err
}

func (u *update) manifest(dir, version string) (*release.Manifest, []byte, error) {
	m := &release.Manifest{Module: "irrigation", Version: release.MustVersion(version), Repository: "https://github.com/owner/irrigation"}
	commit := sha256.Sum256([]byte(dir))
	m.Commit = hex.EncodeToString(commit[:20])
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		e := release.Entry{Path: filepath.ToSlash(rel), Length: int64(len(data)), SHA256: hex.EncodeToString(sum[:])}
		u.content[e.SHA256] = data
		m.Files = append(m.Files, e)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	data, err := m.Encode()
	return m, data, err
}

func (u *update) same() bool {
	if len(u.to.Files) != len(u.base.Files) {
		return false
	}
	for i, f := range u.to.Files {
		if f != u.base.Files[i] {
			return false
		}
	}
	return true
}

// measure returns the length of the bundle at a window: module, base, manifest and pack; and reads it again.
func (u *update) measure(window int, cost *cost) (int64, error) {
	var buf bytes.Buffer
	open := func(e release.Entry) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(u.content[e.SHA256])), nil
	}
	err := cost.encode.of(u.to.Size(), func() error {
		w, err := pack.NewWriter(&buf, window)
		if err != nil {
			return err
		}
		if err := w.Section(pack.Module, 0, []byte("irrigation")); err != nil {
			return err
		}
		sum := sha256.Sum256(u.baseBytes)
		if err := w.Section(pack.Base, 0, sum[:pack.BaseLength]); err != nil {
			return err
		}
		if err := w.Section(pack.ManifestKind, 1, pack.AppendDelta(nil, u.baseBytes, u.toBytes)); err != nil {
			return err
		}
		if err := pack.Encode(w.Pack(), u.to, u.base, open, open); err != nil {
			return err
		}
		return w.Close()
	})
	if err != nil {
		return 0, err
	}
	n := int64(buf.Len())
	return n, cost.decode.of(u.to.Size(), func() error { return u.read(&buf) })
}

// read reads the bundle as a device does, and holds each file to its digest.
func (u *update) read(r io.Reader) error {
	b, err := pack.OpenBundle(r)
	if err != nil {
		return err
	}
	for {
		s, err := b.Next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case s.Kind == pack.ManifestKind:
			delta, err := b.Body(int64(len(u.toBytes)))
			if err != nil {
				return err
			}
			got, err := io.ReadAll(pack.NewDelta(bytes.NewReader(delta), bytes.NewReader(u.baseBytes), int64(len(u.baseBytes)), int64(len(u.toBytes))))
			if err != nil || !bytes.Equal(got, u.toBytes) {
				return fmt.Errorf("manifest: got another, %v", err)
			}
		case s.Kind == pack.PackKind:
			if err := u.readPack(pack.NewReader(b.Pack(), u.to, u.base)); err != nil {
				return err
			}
		}
	}
}

func (u *update) readPack(r *pack.Reader) error {
	for {
		e, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		var base io.ReaderAt
		if e.Base != nil {
			base = bytes.NewReader(u.content[e.Base.SHA256])
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, r.Body(base)); err != nil {
			return fmt.Errorf("%s: %w", e.File.Path, err)
		}
		if hex.EncodeToString(sum.Sum(nil)) != e.File.SHA256 {
			return fmt.Errorf("%s: got another", e.File.Path)
		}
	}
}

// cost is what bundles took, in this program.
type cost struct{ encode, decode effort }

func (c *cost) add(other cost) {
	c.encode.add(other.encode)
	c.decode.add(other.decode)
}

func (c cost) String() string { return fmt.Sprintf("encoder: %v; decoder: %v", c.encode, c.decode) }

type effort struct {
	runs      int
	time      time.Duration // of the processors
	allocated uint64        // in all, freed meanwhile or not
	tree      int64
}

func (e *effort) of(tree int64, work func() error) error {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := cpu()
	err := work()
	e.time += cpu() - began
	runtime.ReadMemStats(&after)
	e.allocated += after.TotalAlloc - before.TotalAlloc
	e.tree += tree
	e.runs++
	return err
}

// cpu returns the time that this program had of the processors: other work on the machine does not count.
func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // the arguments are good
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func (e *effort) add(other effort) {
	e.runs += other.runs
	e.time += other.time
	e.allocated += other.allocated
	e.tree += other.tree
}

func (e effort) String() string {
	n := max(e.runs, 1)
	return fmt.Sprintf("%.1f ms of CPU and %d KB allocated an update", e.time.Seconds()*1000/float64(n), e.allocated/uint64(n)/1024)
}
