package repository

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"moult/disk"
	"moult/release"
)

// exchange makes metadata.next, which is whole and durable, the metadata.
func exchange(d disk.Disk) error {
	if err := d.SyncDir("."); err != nil {
		return err
	}
	there, err := disk.Exists(d, metadataDir)
	if err != nil {
		return err
	}
	if there {
		err := d.Exchange(metadataDir, nextDir)
		if err == nil {
			if err := d.SyncDir("."); err != nil {
				return err
			}
			return disk.RemoveAll(d, nextDir)
		}
		if !errors.Is(err, disk.ErrUnsupported) {
			return err
		}
		if err := d.Rename(metadataDir, oldDir); err != nil {
			return err
		}
	}
	if err := d.Rename(nextDir, metadataDir); err != nil {
		return err
	}
	if err := d.SyncDir("."); err != nil {
		return err
	}
	return disk.RemoveAll(d, oldDir)
}

// copyFile gives a file, which never changes again, a second name; where there are no links, it is copied.
func copyFile(d disk.Disk, name, newName string) error {
	err := d.Link(name, newName)
	if !errors.Is(err, disk.ErrUnsupported) {
		return err
	}
	r, err := d.Open(name)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := d.Create(newName, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return disk.Finish(w, err)
}

// store puts the files of a release below files/, each under its hash.
type store struct {
	*Repository
	ctx   context.Context
	dirs  map[string]bool // that got a name, to be synced at the end
	buf   []byte
	added Added
}

// put takes a file in, and lists it in the manifest.
func (s *store) put(f release.File) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	s.tell(f.Path)
	m := s.added.Manifest
	if f.Link != "" {
		m.Files = append(m.Files, release.Entry{Path: f.Path, Link: f.Link})
		return nil
	}
	hash, length, err := s.takeIn(f.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	if length != f.Size {
		return fmt.Errorf("%s: length: got %d, want %d", f.Path, length, f.Size)
	}
	m.Files = append(m.Files, release.Entry{Path: f.Path, Length: length, SHA256: hash, Executable: f.Executable})
	return nil
}

// takeIn writes what r gives under another name, until its hash is known.
func (s *store) takeIn(r io.Reader) (hash string, length int64, err error) {
	if err := disk.Remove(s.disk, incoming); err != nil {
		return "", 0, err
	}
	w, err := s.disk.Create(incoming, 0o644)
	if err != nil {
		return "", 0, err
	}
	digest := sha256.New()
	length, err = io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(w, digest)}, struct{ io.Reader }{r}, s.buf)
	if err := disk.Finish(w, err); err != nil {
		return "", 0, err
	}
	hash = hex.EncodeToString(digest.Sum(nil))
	name := FilePath(hash)
	if info, err := s.disk.Lstat(name); err == nil && info.Mode().IsRegular() && info.Size() == length {
		return hash, length, disk.Remove(s.disk, incoming)
	}
	s.added.NewFiles++
	s.added.NewBytes += length
	if err := disk.MkdirAll(s.disk, path.Dir(name), 0o755); err != nil {
		return "", 0, err
	}
	if err := s.name(name); err != nil {
		return "", 0, err
	}
	s.dirs[path.Dir(name)] = true
	return hash, length, disk.Remove(s.disk, incoming)
}

// name gives what came in its name. Its bytes are on the disk by then, so that a name never has a half.
func (s *store) name(name string) error {
	if err := disk.Remove(s.disk, name); err != nil { // of another length: somebody damaged it
		return err
	}
	err := s.disk.Link(incoming, name)
	if !errors.Is(err, disk.ErrUnsupported) {
		return err
	}
	beside := path.Join(path.Dir(name), "."+path.Base(name)+".new")
	if err := disk.Remove(s.disk, beside); err != nil {
		return err
	}
	if err := copyFile(s.disk, incoming, beside); err != nil {
		return err
	}
	return s.disk.Rename(beside, name)
}

// finish makes all that was put durable, with the manifest that names it.
func (s *store) finish() error {
	for dir := range s.dirs {
		if err := s.disk.SyncDir(dir); err != nil {
			return err
		}
	}
	m := s.added.Manifest
	data, err := m.Encode()
	if err != nil {
		return err
	}
	if len(data) > release.MaxManifest {
		return fmt.Errorf("manifest: got %d bytes, want at most %d", len(data), release.MaxManifest)
	}
	digest := sha256.Sum256(data)
	s.added.SHA256, s.added.Length = hex.EncodeToString(digest[:]), int64(len(data))
	name := targetPath(m.Module, m.Version, s.added.SHA256)
	if err := disk.MkdirAll(s.disk, path.Dir(name), 0o755); err != nil {
		return err
	}
	if old, err := disk.ReadFile(s.disk, name, release.MaxManifest); err == nil && sha256.Sum256(old) == digest {
		return nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, disk.ErrTooLarge) {
		return err
	}
	return disk.WriteFile(s.disk, name, data, 0o644)
}
