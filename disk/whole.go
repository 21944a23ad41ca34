package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
)

// WriteFile makes name hold data, wholly or not at all: a new file is written beside it, synced, renamed over it,
// and the folder synced.
func WriteFile(d Disk, name string, data []byte, perm fs.FileMode) error {
	beside := path.Join(path.Dir(name), "."+path.Base(name)+".new")
	if err := Remove(d, beside); err != nil {
		return err
	}
	if err := WriteNew(d, beside, data, perm); err != nil {
		return err
	}
	if err := d.Rename(beside, name); err != nil {
		return err
	}
	return d.SyncDir(path.Dir(name))
}

// WriteNew writes a file that does not exist yet, and syncs its bytes but not its name.
func WriteNew(d Disk, name string, data []byte, perm fs.FileMode) error {
	f, err := d.Create(name, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return Finish(f, err)
}

// Finish syncs and closes a file that was written, unless writing failed with err; it returns the first error.
func Finish(f File, err error) error {
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// ErrTooLarge means that a file is longer than who reads it takes.
var ErrTooLarge = errors.New("too large")

// ReadFile reads a file of at most max bytes; a longer one is ErrTooLarge.
func ReadFile(d Reader, name string, max int64) ([]byte, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, max+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > max {
		return nil, fmt.Errorf("%s: %w: got more than %d bytes", name, ErrTooLarge, max)
	}
	return data, nil
}

// Describe says in words what a name is that is no folder.
func Describe(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return "a file"
	case mode&fs.ModeSymlink != 0:
		return "a link"
	}
	return "a special file"
}

// Exists reports whether there is anything of that name.
func Exists(d Reader, name string) (bool, error) {
	_, err := d.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// MkdirAll makes a folder and those above it, and makes the names of the new ones durable.
func MkdirAll(d Disk, name string, perm fs.FileMode) error {
	if name == "." || name == "" {
		return nil
	}
	info, err := d.Lstat(name)
	if err == nil {
		if !info.IsDir() {
			return fmt.Errorf("%s: got %s, want a folder", name, Describe(info.Mode()))
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := MkdirAll(d, path.Dir(name), perm); err != nil {
		return err
	}
	if err := d.Mkdir(name, perm); err != nil && !errors.Is(err, fs.ErrExist) { // somebody else may just have made it
		return err
	}
	return d.SyncDir(path.Dir(name))
}

// Remove removes a file, link or empty folder; that there is none is no error.
func Remove(d Disk, name string) error {
	if err := d.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// RemoveAll removes name and all below it; that there is nothing is no error. It does not follow links.
func RemoveAll(d Disk, name string) error {
	info, err := d.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		entries, err := d.ReadDir(name)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := RemoveAll(d, path.Join(name, e.Name())); err != nil {
				return err
			}
		}
	}
	return Remove(d, name)
}
