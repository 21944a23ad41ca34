package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
)

// Dir is a Disk on a folder of a real file system. Names cannot leave it, not even through links that lead out.
type Dir struct{ root *os.Root }

var _ Disk = (*Dir)(nil)

// OpenDir opens the folder; Close lets it go.
func OpenDir(name string) (*Dir, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return &Dir{root}, nil
}

// Close lets the folder go.
func (d *Dir) Close() error { return d.root.Close() }

// FS returns the folder as a file system that can only be read.
func (d *Dir) FS() fs.FS { return d.root.FS() }

// Open opens a file for reading. A pipe or device does not hold it up.
func (d *Dir) Open(name string) (io.ReadCloser, error) {
	return d.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// Lstat describes a name; of a link, the link itself.
func (d *Dir) Lstat(name string) (fs.FileInfo, error) { return d.root.Lstat(name) }

// Readlink returns a link's target.
func (d *Dir) Readlink(name string) (string, error) { return d.root.Readlink(name) }

// ReadDir lists a folder, sorted by name.
func (d *Dir) ReadDir(name string) ([]fs.DirEntry, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// Create makes a new file with just these permissions, whatever the umask.
func (d *Dir) Create(name string, perm fs.FileMode) (File, error) {
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return nil, err
	}
	return f, exactly(f, perm)
}

// Append opens a file to write at its end.
func (d *Dir) Append(name string, perm fs.FileMode) (File, error) {
	return d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, perm)
}

// exactly gives f its permissions where the umask took some away.
func exactly(f *os.File, perm fs.FileMode) error {
	info, err := f.Stat()
	if err == nil && info.Mode().Perm() != perm {
		err = f.Chmod(perm)
	}
	if err != nil {
		f.Close()
	}
	return err
}

// Mkdir makes a folder.
func (d *Dir) Mkdir(name string, perm fs.FileMode) error { return d.root.Mkdir(name, perm) }

// Symlink makes a symbolic link.
func (d *Dir) Symlink(target, name string) error { return d.root.Symlink(target, name) }

// Link gives a file a second name.
func (d *Dir) Link(name, newName string) error { return unsupported(d.root.Link(name, newName)) }

// Rename gives a file or folder another name.
func (d *Dir) Rename(name, newName string) error { return d.root.Rename(name, newName) }

// Exchange swaps two names in one step.
func (d *Dir) Exchange(a, b string) error {
	dirA, err := d.root.Open(path.Dir(a))
	if err != nil {
		return err
	}
	defer dirA.Close()
	dirB, err := d.root.Open(path.Dir(b))
	if err != nil {
		return err
	}
	defer dirB.Close()
	err = exchange(int(dirA.Fd()), path.Base(a), int(dirB.Fd()), path.Base(b))
	if err != nil {
		return unsupported(&os.LinkError{Op: "exchange", Old: a, New: b, Err: err})
	}
	return nil
}

// Remove removes a file, a link or an empty folder.
func (d *Dir) Remove(name string) error { return d.root.Remove(name) }

// SyncDir makes the names in a folder durable. A file system that cannot sync folders is not an error:
// it offers nothing better.
func (d *Dir) SyncDir(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, ErrUnsupported) {
		return err
	}
	return nil
}

// Own gives name the owner and the permissions of like. Without the right to give files away, only the permissions.
func (d *Dir) Own(name string, like fs.FileInfo) error {
	now, err := d.root.Lstat(name)
	if err != nil {
		return err
	}
	want, haveWant := like.Sys().(*syscall.Stat_t)
	have, haveNow := now.Sys().(*syscall.Stat_t)
	if haveWant && haveNow && (want.Uid != have.Uid || want.Gid != have.Gid) {
		err := d.root.Lchown(name, int(want.Uid), int(want.Gid))
		if err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, ErrUnsupported) {
			return err
		}
	}
	if now.Mode()&fs.ModeSymlink != 0 || now.Mode().Perm() == like.Mode().Perm() {
		return nil
	}
	return d.root.Chmod(name, like.Mode().Perm())
}

// Free returns the bytes that an unprivileged program may still write.
func (d *Dir) Free() (int64, error) {
	f, err := d.root.Open(".")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	free, err := free(int(f.Fd()))
	if err != nil {
		return 0, fmt.Errorf("free space: %w", err)
	}
	return free, nil
}

// unsupported marks what file systems answer where they lack an operation: FAT has no links (EPERM),
// old kernels no exchange (EINVAL, ENOSYS), and neither works across mounts (EXDEV).
func unsupported(err error) error {
	for _, lacking := range []error{syscall.EPERM, syscall.EINVAL, syscall.ENOSYS, syscall.EXDEV, syscall.ENOTSUP, syscall.EMLINK} {
		if errors.Is(err, lacking) {
			return fmt.Errorf("%w: %w", ErrUnsupported, err)
		}
	}
	return err
}
