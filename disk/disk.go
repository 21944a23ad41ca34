// Package disk is what a device's directory can do: the few operations of which every change to it is made.
// A power cut falls between two of them; so everything that changes a device goes through a [Disk],
// and a test can cut it at each (see disktest).
//
// Names are slash-separated, relative to the device's root and never leave it, through links neither.
// It stands on the ground floor.
package disk

import (
	"errors"
	"io"
	"io/fs"
)

// Disk is a device's directory. It has more methods than an interface of ours should, because a power cut can fall
// between any two of them, and one recorder must see them all; whoever only reads takes a [Reader].
//
// Errors are those of io/fs: fs.ErrNotExist, fs.ErrExist; [ErrUnsupported] for what the file system cannot do.
type Disk interface {
	Reader
	Writer
}

// Reader looks and changes nothing.
type Reader interface {
	Open(name string) (io.ReadCloser, error)    // a regular file, or where a link leads within the root; an io.ReaderAt too
	Lstat(name string) (fs.FileInfo, error)     // of a link, the link itself
	ReadDir(name string) ([]fs.DirEntry, error) // sorted by name
	Readlink(name string) (target string, err error)
}

// Writer changes one thing a call. A change is durable after Sync of the file, for its bytes,
// and SyncDir of the directory, for its name.
type Writer interface {
	Create(name string, perm fs.FileMode) (File, error) // a new file; fs.ErrExist where the name is taken
	Append(name string, perm fs.FileMode) (File, error) // at a file's end; a new one where there is none
	Mkdir(name string, perm fs.FileMode) error
	Symlink(target, name string) error
	Link(name, newName string) error   // a second name for a file; ErrUnsupported where there is no such thing
	Rename(name, newName string) error // replaces a file, and an empty directory, whole
	Exchange(a, b string) error        // swaps two names in one step; ErrUnsupported where there is no such thing
	Remove(name string) error          // a file, a link or an empty directory
	SyncDir(name string) error
	Own(name string, like fs.FileInfo) error // gives owner and permissions of another file, where the system lets it
	Free() (bytes int64, err error)          // what an unprivileged program may still write
}

// File is a file being written.
type File interface {
	io.Writer
	Sync() error
	Close() error
}

// ErrUnsupported means that the file system cannot do it; another way may.
var ErrUnsupported = errors.ErrUnsupported
