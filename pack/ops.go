package pack

import (
	"cmp"
	"fmt"
	"io"

	"moult/release"
)

// ops reads the operations of a delta, and the bytes to be inserted.
// A whole file is read as if it was a delta of one insertion.
type ops struct {
	r          ByteReader
	baseLength int64
	left       int64 // of the target, this operation's too
	n          int64 // of this operation
	copies     bool
	from       int64 // in the base, where this copy goes on; after it, where it ended
	err        error // of r, or what it had; final
}

func wholeOps(r ByteReader, length int64) ops { return ops{r: r, left: length, n: length} }

func deltaOps(r ByteReader, baseLength, length int64) ops {
	return ops{r: r, baseLength: baseLength, left: length}
}

// next reads an operation, where the one before has ended.
func (o *ops) next() error {
	if o.n == 0 && o.err == nil {
		o.err = o.read()
	}
	return o.err
}

func (o *ops) read() error {
	head, err := readUvarint(o.r)
	if err != nil {
		return err
	}
	n := head >> 1
	switch {
	case n == 0:
		return release.Refuse(release.BadFormat, "delta: got an operation of no bytes")
	case n > o.left:
		return release.Refuse(release.BadLength, "delta: got an operation of %d bytes, want at most %d", n, o.left)
	}
	o.n, o.copies = n, head&1 == 1
	if !o.copies {
		return nil
	}
	z, err := readUvarint(o.r)
	if err != nil {
		return err
	}
	from := o.from + unzigzag(z) // below zero, where it passes 2^63
	if from < 0 || from > o.baseLength-n {
		return release.Refuse(release.BadFormat, "delta: got a copy of %d bytes at %d of %d", n, from, o.baseLength)
	}
	o.from = from
	return nil
}

// drain passes over what is left.
func (o *ops) drain() error {
	for o.left > 0 {
		if err := o.next(); err != nil {
			return err
		}
		if o.copies {
			o.took(o.n)
			continue
		}
		n, err := io.CopyN(io.Discard, o.r, o.n)
		o.took(n)
		o.err = early(err)
	}
	return o.err
}

// insert reads bytes to be inserted.
func (o *ops) insert(p []byte) (int, error) {
	n, err := o.r.Read(p)
	if n == 0 || err != io.EOF { // if it was early, the next read says so
		o.err = early(err)
	}
	return n, o.err
}

func (o *ops) took(n int64) {
	o.left -= n
	o.n -= n
	if o.copies {
		o.from += n
	}
}

// body gives what the operations make of a base.
type body struct {
	*ops
	base io.ReaderAt
	err  error // of this reader; that of the base leaves the operations as they are
}

// NewDelta reads what the operations in r make of a base of baseLength bytes: exactly length bytes, then io.EOF; r is then at the byte
// behind the last operation. It holds no more than the caller's buffer. A base that is shorter is an error without a reason.
func NewDelta(r ByteReader, base io.ReaderAt, baseLength, length int64) io.Reader {
	o := deltaOps(r, baseLength, length)
	return &body{ops: &o, base: base}
}

func (b *body) Read(p []byte) (int, error) {
	switch {
	case b.err != nil:
		return 0, b.err
	case b.left == 0:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	n, err := b.read(p)
	b.took(int64(n))
	b.err = err
	return n, err
}

func (b *body) read(p []byte) (int, error) {
	if err := b.next(); err != nil {
		return 0, err
	}
	p = p[:min(int64(len(p)), b.n)]
	if !b.copies {
		return b.insert(p)
	}
	n, err := b.base.ReadAt(p, b.from)
	if n == len(p) {
		return n, nil
	}
	return n, fmt.Errorf("base: got %d bytes at %d, want %d: %w", n, b.from, len(p), cmp.Or(err, io.ErrUnexpectedEOF))
}
