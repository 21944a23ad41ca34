package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"moult/archive"
	"moult/fault"
	"moult/release"
)

// walker streams the files of a tree.
type walker struct {
	ctx   context.Context
	store store
	put   func(release.File) error
	left  int64 // entries that may follow: a few trees that hold each other can name billions, without a file among them
	files int
}

// walk gives the files below dir, in git's order.
func walk(ctx context.Context, s store, root plumbing.Hash, want release.Want, put func(release.File) error) error {
	dir, err := archive.CleanDir(want.Dir)
	if err != nil {
		return err
	}
	maxEntries, _ := bounds(want.Limits)
	w := &walker{ctx: ctx, store: s, put: put, left: maxEntries}
	top, err := loadTree(s, root)
	if err != nil {
		return err
	}
	tree := top
	for part := range strings.SplitSeq(dir, "/") {
		if part == "" {
			break
		}
		if tree, err = child(s, tree, part); err != nil {
			return err
		}
		if tree == nil {
			return archive.NoDir(dir, folders(top))
		}
	}
	if err := w.tree(tree, ""); err != nil {
		return err
	}
	if w.files == 0 {
		return archive.NoDir(dir, folders(top))
	}
	return nil
}

// child returns the folder of a name, or nil.
func child(s store, tree *object.Tree, name string) (*object.Tree, error) {
	for _, e := range tree.Entries {
		if e.Name == name && e.Mode == filemode.Dir {
			return loadTree(s, e.Hash)
		}
	}
	return nil, nil
}

func folders(tree *object.Tree) (names []string) {
	for _, e := range tree.Entries {
		if e.Mode == filemode.Dir {
			names = append(names, e.Name)
		}
	}
	return names
}

func (w *walker) tree(tree *object.Tree, prefix string) error {
	for _, e := range tree.Entries {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if w.left--; w.left < 0 {
			return fmt.Errorf("%s%s: got more entries than the limits allow for a whole tree", prefix, e.Name)
		}
		if badName(e.Name) {
			return fault.Hint(fmt.Errorf("tree: got the name %q in %q, which git does not check out", e.Name, prefix),
				"the release is damaged or hostile; nothing of it was installed")
		}
		path := prefix + e.Name
		if archive.IsOwn(path) || e.Mode == filemode.Submodule {
			continue
		}
		var err error
		if e.Mode == filemode.Dir {
			err = w.folder(path, e.Hash)
		} else {
			err = w.file(path, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// badName reports whether a name in a tree is more than one part of a path, or leads somewhere else.
// Joined into a path, a name with a slash would look harmless.
func badName(name string) bool {
	return name == "" || name == "." || name == ".." || strings.EqualFold(name, ".git") || strings.Contains(name, "/")
}

func (w *walker) folder(path string, h plumbing.Hash) error {
	if err := release.CheckPath(path); err != nil { // bounds the depth too
		return err
	}
	tree, err := loadTree(w.store, h)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return w.tree(tree, path+"/")
}

func (w *walker) file(path string, e object.TreeEntry) error {
	c, err := w.store.open(e.Hash)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer c.Close()
	if c.kind != plumbing.BlobObject {
		return fmt.Errorf("%s: got a %s, want a blob", path, c.kind)
	}
	w.files++
	if e.Mode == filemode.Symlink {
		target, err := io.ReadAll(io.LimitReader(c, release.MaxPath+1))
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if len(target) == 0 {
			return fmt.Errorf("%s: got a link without a target", path)
		}
		return w.put(release.File{Path: path, Link: string(target)})
	}
	body := &ctxReader{w.ctx, c}
	if err := w.put(release.File{Path: path, Size: c.size, Executable: e.Mode == filemode.Executable, Body: body}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, body) // to the end, where the hash is checked
	return err
}

// ctxReader ends with its context.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// slack is by how much a tree may exceed a release's limits beside the directory that is wanted, as in an archive.
const slack = 16

// bounds turns limits into the number of objects and of unpacked bytes at which a pack or tree is taken for endless.
func bounds(limits release.Limits) (entries, bytes int64) {
	entries, bytes = int64(limits.Files), limits.Bytes
	if entries == 0 {
		entries = int64(release.DefaultLimits.Files)
	}
	if bytes == 0 {
		bytes = release.DefaultLimits.Bytes
	}
	entries = min(entries, math.MaxInt64/slack>>20) * slack
	// a commit, its tag, and trees of some 40 bytes an entry, come on top
	bytes = min(bytes, math.MaxInt64/slack/2)*slack + 1<<20 + entries*64
	return entries + 64, bytes
}

// isCut reports whether an error says that bytes ended early.
func isCut(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
