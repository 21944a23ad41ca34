package slot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"

	"moult/disk"
	"moult/fault"
	"moult/release"
	"moult/update"
)

// reserve is left free on the disk, in bytes: room for the journal, and for the application to go on.
const reserve = 256 << 10

// Stage makes next anew from a release's files.
func (s *Slots) Stage(ctx context.Context, head release.Manifest, expect int64, fill update.Fill) (*release.Manifest, error) {
	if err := s.Discard(); err != nil {
		return nil, err
	}
	if err := s.room(expect); err != nil {
		return nil, err
	}
	if err := disk.MkdirAll(s.disk, path.Dir(s.place.Next), 0o755); err != nil {
		return nil, err
	}
	if err := s.disk.Mkdir(s.place.Next, 0o755); err != nil {
		return nil, err
	}
	st := &staging{Slots: s, manifest: head, dirs: map[string]bool{"": true}, buf: make([]byte, 64<<10)}
	commit, err := fill(func(f release.File) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return st.put(f)
	})
	if err != nil {
		return nil, err
	}
	st.manifest.Commit = commit
	return st.finish()
}

// room refuses to write what the disk cannot hold.
func (s *Slots) room(bytes int64) error {
	free, err := s.disk.Free()
	if err != nil {
		return err
	}
	if bytes+reserve > free {
		return fault.Hint(fmt.Errorf("disk full: got %d bytes free, want %d and %d to spare", free, bytes, reserve),
			"make room on the disk; the running version is untouched")
	}
	return nil
}

type staging struct {
	*Slots
	manifest release.Manifest
	dirs     map[string]bool // the folders made, to be synced at the end
	buf      []byte
}

func (st *staging) put(f release.File) error {
	if release.IsOurs(f.Path) {
		return nil // what a release ships under the updater's own names is not installed
	}
	if err := st.parents(path.Dir(f.Path)); err != nil {
		return err
	}
	name := path.Join(st.place.Next, f.Path)
	if f.Link != "" {
		st.manifest.Files = append(st.manifest.Files, release.Entry{Path: f.Path, Link: f.Link})
		return st.disk.Symlink(f.Link, name)
	}
	if err := st.room(f.Size); err != nil {
		return err
	}
	perm := fs.FileMode(0o644)
	if f.Executable {
		perm = 0o755
	}
	w, err := st.disk.Create(name, perm)
	if err != nil {
		return err
	}
	digest := sha256.New()
	length, err := io.CopyBuffer(onlyWriter{io.MultiWriter(w, digest)}, onlyReader{f.Body}, st.buf)
	if err := disk.Finish(w, err); err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	if length != f.Size {
		return fmt.Errorf("%s: length: got %d, want %d", f.Path, length, f.Size)
	}
	st.manifest.Files = append(st.manifest.Files, release.Entry{
		Path: f.Path, Length: length, SHA256: hex.EncodeToString(digest.Sum(nil)), Executable: f.Executable,
	})
	return nil
}

func (st *staging) parents(dir string) error {
	if dir == "." || st.dirs[dir] {
		return nil
	}
	if err := st.parents(path.Dir(dir)); err != nil {
		return err
	}
	st.dirs[dir] = true
	return st.disk.Mkdir(path.Join(st.place.Next, dir), 0o755)
}

// finish makes all that was put durable, and only then says what it is. The .version is for Switch to write.
func (st *staging) finish() (*release.Manifest, error) {
	data, err := st.manifest.Encode()
	if err != nil {
		return nil, err
	}
	if err := disk.WriteNew(st.disk, path.Join(st.place.Next, ManifestFile), data, 0o644); err != nil {
		return nil, err
	}
	if err := syncDirs(st.disk, st.place.Next, st.dirs); err != nil {
		return nil, err
	}
	return &st.manifest, st.disk.SyncDir(path.Dir(st.place.Next))
}

// syncDirs syncs folders below base, the deepest first.
func syncDirs(d disk.Disk, base string, dirs map[string]bool) error {
	names := make([]string, 0, len(dirs))
	for dir := range dirs {
		names = append(names, path.Join(base, dir))
	}
	slices.Sort(names)
	for _, name := range slices.Backward(names) {
		if err := d.SyncDir(name); err != nil {
			return err
		}
	}
	return nil
}

// onlyReader and onlyWriter keep io.CopyBuffer to the one buffer of the staging.
type onlyReader struct{ io.Reader }

type onlyWriter struct{ io.Writer }
