package release

import (
	"fmt"
	"io"

	"moult/fault"
)

// Guard stands between a source and a device's disk, and takes a release's files for hostile: it refuses paths and links
// that leave the tree, a path twice, a file below a file or a link, bodies longer or shorter than was said,
// and more files or bytes than its limits. One Guard serves one fetch.
type Guard struct {
	limits Limits
	count  int
	bytes  int64
	seen   map[string]kind
}

type kind byte

const (
	isFile kind = iota + 1 // a link too: nothing may stand below either
	isDir
)

// NewGuard returns a Guard for one fetch; zero limits are [DefaultLimits].
func NewGuard(limits Limits) *Guard {
	if limits.Files == 0 {
		limits.Files = DefaultLimits.Files
	}
	if limits.Bytes == 0 {
		limits.Bytes = DefaultLimits.Bytes
	}
	return &Guard{limits: limits, seen: map[string]kind{}}
}

// Pass gives f to put when it is harmless, and holds its body to its size.
func (g *Guard) Pass(f File, put func(File) error) error {
	if err := g.enter(f); err != nil {
		return fault.Hint(err, "the release is damaged or hostile; nothing of it was installed")
	}
	if f.Link != "" {
		return put(f)
	}
	body := &exactReader{r: f.Body, left: f.Size}
	f.Body = body
	if err := put(f); err != nil {
		return err
	}
	if body.left != 0 {
		return fmt.Errorf("%s: %d of %d bytes were not read", f.Path, body.left, f.Size)
	}
	return nil
}

func (g *Guard) enter(f File) error {
	if err := CheckPath(f.Path); err != nil {
		return err
	}
	if f.Link != "" {
		if err := CheckLink(f.Path, f.Link); err != nil {
			return err
		}
	}
	for dir := range parents(f.Path) {
		if g.seen[dir] == isFile {
			return fmt.Errorf("%s: got a file below %s, which is a file or a link", f.Path, dir)
		}
		if g.seen[dir] == 0 {
			g.seen[dir] = isDir
			g.count++
		}
	}
	switch g.seen[f.Path] {
	case isFile:
		return fmt.Errorf("%s: got it twice", f.Path)
	case isDir:
		return fmt.Errorf("%s: got it as a file and as a folder", f.Path)
	}
	g.seen[f.Path] = isFile
	g.count++
	if g.count > g.limits.Files {
		return Refuse(BadLength, "%s: got more than %d files and folders", f.Path, g.limits.Files)
	}
	if f.Size < 0 || f.Size > g.limits.Bytes-g.bytes {
		return Refuse(BadLength, "%s: got %d bytes after %d, want at most %d for the whole release", f.Path, f.Size, g.bytes, g.limits.Bytes)
	}
	g.bytes += f.Size
	return nil
}

// exactReader gives just the bytes that were announced: more or fewer are errors.
type exactReader struct {
	r    io.Reader
	left int64
}

func (e *exactReader) Read(p []byte) (int, error) {
	if e.left == 0 {
		var one [1]byte
		n, err := e.r.Read(one[:])
		if n > 0 {
			return 0, fmt.Errorf("got more bytes than announced")
		}
		return 0, err
	}
	if int64(len(p)) > e.left {
		p = p[:e.left]
	}
	n, err := e.r.Read(p)
	e.left -= int64(n)
	if err == io.EOF && e.left > 0 {
		err = fault.Transient(fmt.Errorf("body ended %d bytes early: %w", e.left, io.ErrUnexpectedEOF))
	}
	return n, err
}
