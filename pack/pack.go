// Package pack leads a device from one release to another with few bytes: what changed, as deltas, in one deflated stream,
// together with the metadata that proves it. The formats are those of docs/formats.md: delta, pack, bundle.
//
// What is read here comes from outside and is not proven yet. A reader refuses ([release.ReasonOf]) what does not fit the format,
// gives no more bytes than the manifest says, and takes no memory for a length before the bytes are there. That the bytes are
// the right ones is for whoever hashes them. An error without a reason is that of the reader below, or of a base.
//
// It stands on release, and does no I/O of its own.
package pack

import (
	"fmt"
	"io"

	"moult/release"
)

// ByteReader is what streams are read from. They say themselves where they end, and nothing behind is touched.
type ByteReader interface {
	io.Reader
	io.ByteReader
}

// Entry is a file whose content is in a pack.
type Entry struct {
	File release.Entry
	Base *release.Entry // the file that it is a delta to; nil: it is there whole
}

// Reader reads a pack as it comes. It is not for several goroutines.
type Reader struct {
	r        ByteReader
	to, base *release.Manifest
	at       int // the file of to that the next skip counts from
	ops      ops // of the current entry
	err      error
}

// NewReader reads the pack in r that leads from base to to; a nil base is a manifest without files.
// Both must have been checked (release.ParseManifest does).
func NewReader(r ByteReader, to, base *release.Manifest) *Reader {
	if base == nil {
		base = new(release.Manifest)
	}
	return &Reader{r: r, to: to, base: base}
}

// Next returns the next entry, and io.EOF behind the last; then the byte after the pack is the next in the ByteReader.
// What was not read of the entry before is passed over. An error is final.
func (r *Reader) Next() (Entry, error) {
	if r.err != nil {
		return Entry{}, r.err
	}
	e, err := r.next()
	if err != nil && err != io.EOF {
		err = fmt.Errorf("pack: %w", err)
	}
	r.err = err
	return e, err
}

func (r *Reader) next() (Entry, error) {
	if err := r.ops.drain(); err != nil {
		return Entry{}, err
	}
	skip, err := readUvarint(r.r)
	if err != nil {
		return Entry{}, err
	}
	left := len(r.to.Files) - r.at
	if skip > int64(left) {
		return Entry{}, release.Refuse(release.BadFormat, "got %d files to pass over, want at most %d", skip, left)
	}
	if r.at += int(skip); r.at == len(r.to.Files) {
		return Entry{}, io.EOF
	}
	e := Entry{File: r.to.Files[r.at]}
	r.at++
	if e.File.Length == 0 { // as links are
		return Entry{}, release.Refuse(release.BadFormat, "%s: got content, want none", e.File.Path)
	}
	base, err := readUvarint(r.r)
	switch {
	case err != nil:
		return Entry{}, fmt.Errorf("%s: %w", e.File.Path, err)
	case base > int64(len(r.base.Files)):
		return Entry{}, release.Refuse(release.BadFormat, "%s: got a delta to file %d of %d", e.File.Path, base, len(r.base.Files))
	case base == 0:
		r.ops = wholeOps(r.r, e.File.Length)
	default:
		e.Base = &r.base.Files[base-1]
		r.ops = deltaOps(r.r, e.Base.Length, e.File.Length)
	}
	return e, nil
}

// Body reads the current entry's content: exactly File.Length bytes, or an error. base is the content of Entry.Base, nil for a whole file.
// Where base is not what its manifest says, the bytes are wrong or an error without a reason comes; the entries behind are none the worse,
// and the file is to be asked for whole.
func (r *Reader) Body(base io.ReaderAt) io.Reader { return &body{ops: &r.ops, base: base} }
