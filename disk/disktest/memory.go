// Package disktest holds a disk in memory that can lose its power before any operation, and the suite
// that every disk.Disk must pass. It is harsher than a real file system: what was not synced may be lost.
package disktest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"moult/disk"
)

// ErrPowerCut is what every operation answers after the power went.
var ErrPowerCut = errors.New("the power is cut")

// Disk is a disk in memory. It counts the operations that change it, and can be cut before any of them.
// It is for one goroutine.
type Disk struct {
	NoExchange bool  // has no Exchange
	NoLinks    bool  // has no Link, as FAT
	Space      int64 // bytes that files may hold together; 0 for no bound

	root    *node
	ops     int
	cutAt   int // the operation that the power goes before; -1 for never
	failAt  int
	failure error
	trace   []string
}

var _ disk.Disk = (*Disk)(nil)

// node is a file, folder or link. What a power cut leaves of it is kept beside what stands there now.
type node struct {
	mode    fs.FileMode
	data    []byte // a file's bytes, a link's target
	safe    []byte // the bytes at the last sync; nil before the first
	synced  bool
	entries map[string]*node
	// pending are the changes to entries since the last SyncDir, each of which happens wholly or not at all.
	pending []change
	durable map[string]*node
}

// change sets names of one folder; a nil node removes the name.
type change map[string]*node

// New returns an empty disk.
func New() *Disk {
	return &Disk{root: newDir(0o755), cutAt: -1, failAt: -1}
}

func newDir(perm fs.FileMode) *node {
	return &node{mode: fs.ModeDir | perm, entries: map[string]*node{}, durable: map[string]*node{}}
}

// Ops returns how many operations changed the disk.
func (d *Disk) Ops() int { return d.ops }

// Trace lists the operations that changed the disk, in words.
func (d *Disk) Trace() []string { return d.trace }

// CutBefore lets the power go before operation n, counted from 0: it and all after it answer ErrPowerCut.
func (d *Disk) CutBefore(n int) { d.cutAt = n }

// FailAt lets just operation n answer err, as a full or a worn disk does.
func (d *Disk) FailAt(n int, err error) { d.failAt, d.failure = n, err }

// do counts an operation and says whether it may go on.
func (d *Disk) do(op string, names ...string) error {
	if d.cutAt >= 0 && d.ops >= d.cutAt {
		return ErrPowerCut
	}
	d.trace = append(d.trace, op+" "+strings.Join(names, " "))
	d.ops++
	if d.ops-1 == d.failAt {
		return &fs.PathError{Op: op, Path: names[0], Err: d.failure}
	}
	return nil
}

// look returns the node of a name, without following links.
func (d *Disk) look(op, name string) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	n := d.root
	if name == "." {
		return n, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		if !n.mode.IsDir() {
			return nil, &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
		}
		next := n.entries[part]
		if next == nil {
			return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
		n = next
	}
	return n, nil
}

// folder returns the folder of a name and the name's last part.
func (d *Disk) folder(op, name string) (*node, string, error) {
	if name == "." {
		return nil, "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	n, err := d.look(op, path.Dir(name))
	if err != nil {
		return nil, "", err
	}
	if !n.mode.IsDir() {
		return nil, "", &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
	}
	return n, path.Base(name), nil
}

func (n *node) apply(c change) {
	set(n.entries, c)
	n.pending = append(n.pending, c)
}

func set(entries map[string]*node, c change) {
	for name, to := range c {
		if to == nil {
			delete(entries, name)
		} else {
			entries[name] = to
		}
	}
}

func (d *Disk) add(op, name string, n *node) error {
	dir, base, err := d.folder(op, name)
	if err != nil {
		return err
	}
	if dir.entries[base] != nil {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrExist}
	}
	if err := d.do(op, name); err != nil {
		return err
	}
	dir.apply(change{base: n})
	return nil
}

// Open opens a file for reading.
func (d *Disk) Open(name string) (io.ReadCloser, error) {
	n, err := d.look("open", name)
	if err != nil {
		return nil, err
	}
	if n.mode&fs.ModeSymlink != 0 {
		return d.Open(path.Join(path.Dir(name), string(n.data)))
	}
	if n.mode.IsDir() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: syscall.EISDIR}
	}
	return reader{bytes.NewReader(n.data)}, nil
}

// reader is a file being read, from its beginning or at any place.
type reader struct{ *bytes.Reader }

func (reader) Close() error { return nil }

// Lstat describes a name.
func (d *Disk) Lstat(name string) (fs.FileInfo, error) {
	n, err := d.look("lstat", name)
	if err != nil {
		return nil, err
	}
	return info{path.Base(name), n}, nil
}

// Readlink returns a link's target.
func (d *Disk) Readlink(name string) (string, error) {
	n, err := d.look("readlink", name)
	if err != nil {
		return "", err
	}
	if n.mode&fs.ModeSymlink == 0 {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return string(n.data), nil
}

// ReadDir lists a folder.
func (d *Disk) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := d.look("readdir", name)
	if err != nil {
		return nil, err
	}
	if !n.mode.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: syscall.ENOTDIR}
	}
	var entries []fs.DirEntry
	for _, name := range slices.Sorted(maps.Keys(n.entries)) {
		entries = append(entries, fs.FileInfoToDirEntry(info{name, n.entries[name]}))
	}
	return entries, nil
}

// Create makes a new file.
func (d *Disk) Create(name string, perm fs.FileMode) (disk.File, error) {
	n := &node{mode: perm}
	if err := d.add("create", name, n); err != nil {
		return nil, err
	}
	return &file{d, name, n}, nil
}

// Append opens a file to write at its end.
func (d *Disk) Append(name string, perm fs.FileMode) (disk.File, error) {
	n, err := d.look("append", name)
	if errors.Is(err, fs.ErrNotExist) {
		return d.Create(name, perm)
	}
	if err != nil {
		return nil, err
	}
	return &file{d, name, n}, nil
}

// Mkdir makes a folder.
func (d *Disk) Mkdir(name string, perm fs.FileMode) error { return d.add("mkdir", name, newDir(perm)) }

// Symlink makes a link. Its target is as durable as its name.
func (d *Disk) Symlink(target, name string) error {
	data := []byte(target)
	return d.add("symlink", name, &node{mode: fs.ModeSymlink | 0o777, data: data, safe: data, synced: true})
}

// Link gives a file a second name.
func (d *Disk) Link(name, newName string) error {
	if d.NoLinks {
		return disk.ErrUnsupported
	}
	n, err := d.look("link", name)
	if err != nil {
		return err
	}
	return d.add("link", newName, n)
}

// Rename gives a file or folder another name in the same folder. Between two folders it is refused:
// a cut could leave both names or neither, so that nothing of ours may rely on it.
func (d *Disk) Rename(name, newName string) error {
	dir, from, err := d.folder("rename", name)
	if err != nil {
		return err
	}
	other, to, err := d.folder("rename", newName)
	if err != nil {
		return err
	}
	n := dir.entries[from]
	if n == nil {
		return &fs.PathError{Op: "rename", Path: name, Err: fs.ErrNotExist}
	}
	if dir != other {
		return fmt.Errorf("rename %s %s: not in one folder", name, newName)
	}
	if old := dir.entries[to]; old != nil && old.mode.IsDir() && len(old.entries) > 0 {
		return &fs.PathError{Op: "rename", Path: newName, Err: syscall.ENOTEMPTY}
	}
	if err := d.do("rename", name, newName); err != nil {
		return err
	}
	if dir.entries[to] == n { // two names of one file: POSIX keeps both
		return nil
	}
	dir.apply(change{from: nil, to: n})
	return nil
}

// Exchange swaps two names of one folder.
func (d *Disk) Exchange(a, b string) error {
	if d.NoExchange {
		return disk.ErrUnsupported
	}
	dir, nameA, err := d.folder("exchange", a)
	if err != nil {
		return err
	}
	other, nameB, err := d.folder("exchange", b)
	if err != nil {
		return err
	}
	if dir != other {
		return fmt.Errorf("exchange %s %s: not in one folder", a, b)
	}
	if dir.entries[nameA] == nil || dir.entries[nameB] == nil {
		return &fs.PathError{Op: "exchange", Path: a, Err: fs.ErrNotExist}
	}
	if err := d.do("exchange", a, b); err != nil {
		return err
	}
	dir.apply(change{nameA: dir.entries[nameB], nameB: dir.entries[nameA]})
	return nil
}

// Remove removes a file, a link or an empty folder.
func (d *Disk) Remove(name string) error {
	dir, base, err := d.folder("remove", name)
	if err != nil {
		return err
	}
	n := dir.entries[base]
	if n == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	if len(n.entries) > 0 {
		return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
	}
	if err := d.do("remove", name); err != nil {
		return err
	}
	dir.apply(change{base: nil})
	return nil
}

// SyncDir makes a folder's names durable.
func (d *Disk) SyncDir(name string) error {
	n, err := d.look("syncdir", name)
	if err != nil {
		return err
	}
	if err := d.do("syncdir", name); err != nil {
		return err
	}
	n.durable, n.pending = maps.Clone(n.entries), nil
	return nil
}

// Own gives a name the permissions of like.
func (d *Disk) Own(name string, like fs.FileInfo) error {
	n, err := d.look("own", name)
	if err != nil {
		return err
	}
	if n.mode.Perm() == like.Mode().Perm() {
		return nil
	}
	if err := d.do("own", name); err != nil {
		return err
	}
	n.mode = n.mode.Type() | like.Mode().Perm()
	return nil
}

// Free returns the space that is left, or a terabyte.
func (d *Disk) Free() (int64, error) {
	if d.Space == 0 {
		return 1 << 40, nil
	}
	return d.Space - used(d.root, map[*node]bool{}), nil
}

func used(n *node, seen map[*node]bool) int64 {
	if seen[n] {
		return 0
	}
	seen[n] = true
	sum := int64(len(n.data))
	for _, below := range n.entries {
		sum += used(below, seen)
	}
	return sum
}

type file struct {
	d    *Disk
	name string
	n    *node
}

func (f *file) Write(p []byte) (int, error) {
	if err := f.d.do("write", f.name); err != nil {
		return 0, err
	}
	if free, _ := f.d.Free(); int64(len(p)) > free {
		f.n.data = append(slices.Clip(f.n.data), p[:max(free, 0)]...)
		return int(max(free, 0)), &fs.PathError{Op: "write", Path: f.name, Err: syscall.ENOSPC}
	}
	f.n.data = append(slices.Clip(f.n.data), p...)
	return len(p), nil
}

func (f *file) Sync() error {
	if err := f.d.do("sync", f.name); err != nil {
		return err
	}
	f.n.safe, f.n.synced = f.n.data, true
	return nil
}

func (f *file) Close() error { return nil }

type info struct {
	name string
	n    *node
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return int64(len(i.n.data)) }
func (i info) Mode() fs.FileMode  { return i.n.mode }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.n.mode.IsDir() }
func (i info) Sys() any           { return nil }
