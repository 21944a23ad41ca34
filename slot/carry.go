package slot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"moult/disk"
	"moult/release"
)

// carrying brings the device's own files from one slot into another: those that no release put there, and those to keep.
// It links where the disk can, so that it costs no space, and what the application writes meanwhile is not lost.
//
// The two lists decide, old for the slot it comes from, new for the one it goes to:
//
//	kept                         it comes, in place of what the new release has under its name
//	in old                       the old release's: it stays behind
//	not in old, not in new       the device's own: it comes
//	not in old, but in new       the device's own, and its name is taken: it comes as NAME.local
//	old is not known, in new     the old release's, as far as anyone can tell: it stays behind
type carrying struct {
	*Slots
	from, to string
	old, new *release.Manifest // old is nil where it is not known
	touched  map[string]bool   // folders of to, relative to it, whose names changed
}

// carry brings the device's own files from one slot to another. It may be cut and repeated.
func (s *Slots) carry(from, to string) error {
	old, err := s.manifest(from)
	if err != nil {
		return err
	}
	shipped, err := s.manifest(to)
	if err != nil {
		return err
	}
	if shipped == nil {
		shipped = new(release.Manifest)
	}
	c := &carrying{s, from, to, old, shipped, map[string]bool{"": true}}
	if err := c.folder(""); err != nil {
		return fmt.Errorf("carry from %s to %s: %w", from, to, err)
	}
	return syncDirs(s.disk, to, c.touched)
}

// Own lists the files of main that are the device's own and go along to the next version, sorted.
// Where no manifest says what the release put there, all are.
func (s *Slots) Own() ([]string, error) {
	released, err := s.Manifest()
	if err != nil {
		return nil, err
	}
	c := &carrying{s, s.place.Main, "", released, new(release.Manifest), nil}
	var own []string
	var list func(dir string) error
	list = func(dir string) error {
		entries, err := s.disk.ReadDir(path.Join(c.from, dir))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			if e.IsDir() {
				err = errors.Join(err, list(name))
			} else if c.goesAlong(dir, e) {
				own = append(own, name)
			}
		}
		return err
	}
	return own, list("")
}

// goesAlong reports whether a file or link of a folder is the device's own, and one that can be carried.
func (c *carrying) goesAlong(dir string, e fs.DirEntry) bool {
	if dir == "" && (e.Name() == VersionFile || e.Name() == ManifestFile) {
		return false
	}
	if e.Type()&^fs.ModeSymlink != 0 { // a socket, a pipe: they live only as long as who made them
		return false
	}
	return c.isOwn(path.Join(dir, e.Name()))
}

// folder carries what lies in one folder, and gives the folder on the other side the same owner and permissions.
func (c *carrying) folder(dir string) error {
	entries, err := c.disk.ReadDir(path.Join(c.from, dir))
	if err != nil {
		return err
	}
	if len(entries) == 0 && dir != "" && !c.new.HasBelow(dir) {
		if err := c.parents(c.nameFor(dir)); err != nil {
			return err
		}
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case e.Name() == besideFile: // a cut left it
			continue
		case e.IsDir():
			err = c.folder(name)
		case c.goesAlong(dir, e):
			err = c.file(name)
		}
		if err != nil {
			return err
		}
	}
	return c.own(dir)
}

// own gives a folder of the other side owner and permissions, and removes what a cut left in it.
func (c *carrying) own(dir string) error {
	to, err := c.disk.Lstat(path.Join(c.to, dir))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !to.IsDir() {
		return nil
	}
	if err != nil {
		return err
	}
	from, err := c.disk.Lstat(path.Join(c.from, dir))
	if err != nil {
		return err
	}
	if err := disk.Remove(c.disk, path.Join(c.to, dir, besideFile)); err != nil {
		return err
	}
	return c.disk.Own(path.Join(c.to, dir), from)
}

// isOwn reports whether a file is the device's own.
func (c *carrying) isOwn(name string) bool {
	if c.keep(name) {
		return true
	}
	list := c.old
	if list == nil {
		list = c.new
	}
	_, released := list.Find(name)
	return !released
}

// file carries one file or link.
func (c *carrying) file(name string) error {
	as := name
	if !c.keep(name) {
		as = c.nameFor(name)
	}
	if err := c.parents(path.Dir(as)); err != nil {
		return err
	}
	from, to, beside := path.Join(c.from, name), path.Join(c.to, as), path.Join(c.to, path.Dir(as), besideFile)
	if err := disk.Remove(c.disk, beside); err != nil {
		return err
	}
	c.touched[parent(as)] = true
	err := c.disk.Link(from, beside)
	if errors.Is(err, disk.ErrUnsupported) {
		err = c.copy(from, beside)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the application removed it meanwhile
	}
	if err != nil {
		return err
	}
	if info, err := c.disk.Lstat(to); err == nil && info.IsDir() {
		if err := disk.RemoveAll(c.disk, to); err != nil {
			return err
		}
	}
	// Until this moment the release's file of that name stands there: never neither.
	if err := c.disk.Rename(beside, to); err != nil {
		return err
	}
	return disk.Remove(c.disk, beside) // two names of one file are both left by a rename
}

// besideFile is the name under which a file is carried, before it gets its own.
const besideFile = release.BesideFile

// parents makes a folder on the other side. A file that a release put in its way gives way: what is kept goes first,
// and other names were chosen free.
func (c *carrying) parents(dir string) error {
	if dir == "." || dir == "" {
		return nil
	}
	to := path.Join(c.to, dir)
	info, err := c.disk.Lstat(to)
	if err == nil && info.IsDir() {
		return nil
	}
	if err := c.parents(path.Dir(dir)); err != nil {
		return err
	}
	if err := disk.Remove(c.disk, to); err != nil {
		return err
	}
	c.touched[parent(dir)], c.touched[dir] = true, true
	return c.disk.Mkdir(to, 0o755)
}

// nameFor returns the name under which one of the device's own files or folders goes into the new version:
// its own, unless the new release has a file there, or a file where a folder must stand.
func (c *carrying) nameFor(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		prefix := strings.Join(parts[:i+1], "/")
		_, isFile := c.new.Find(prefix)
		isDir := i == len(parts)-1 && c.new.HasBelow(prefix)
		if !isFile && !isDir {
			continue
		}
		parts[i] = c.local(prefix)
		return strings.Join(parts, "/")
	}
	return name
}

// local returns the last part of a path with ".local" behind it, or ".local2" and so on where that is taken in either slot.
func (c *carrying) local(prefix string) string {
	for n := 1; ; n++ {
		suffix := ".local"
		if n > 1 {
			suffix = fmt.Sprintf(".local%d", n)
		}
		_, isFile := c.new.Find(prefix + suffix)
		there, err := disk.Exists(c.disk, path.Join(c.from, prefix+suffix))
		if !isFile && !c.new.HasBelow(prefix+suffix) && !there && err == nil || err != nil {
			return path.Base(prefix) + suffix
		}
	}
}

// copy is for disks without links.
func (c *carrying) copy(from, to string) error {
	info, err := c.disk.Lstat(from)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := c.disk.Readlink(from)
		if err != nil {
			return err
		}
		return c.disk.Symlink(target, to)
	}
	if err := c.room(info.Size()); err != nil {
		return err
	}
	r, err := c.disk.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := c.disk.Create(to, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	if err := disk.Finish(w, err); err != nil {
		return err
	}
	return c.disk.Own(to, info)
}

func parent(name string) string {
	if dir := path.Dir(name); dir != "." {
		return dir
	}
	return ""
}
