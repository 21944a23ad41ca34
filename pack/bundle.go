package pack

import (
	"bufio"
	"bytes"
	"compress/flate"
	"fmt"
	"io"

	"moult/pack/deflate"
	"moult/release"
)

// Bundle reads a bundle as it comes. It is not for several goroutines.
type Bundle struct {
	src     *source
	r       *bufio.Reader // inflates
	window  int
	section Section
	left    int64 // of the section
	err     error
}

// OpenBundle reads the beginning of a bundle.
func OpenBundle(r io.Reader) (*Bundle, error) {
	b := &Bundle{src: newSource(r)}
	var head [len(magic) + 1]byte
	if _, err := io.ReadFull(b.src, head[:]); err != nil {
		return nil, fmt.Errorf("bundle: %w", b.src.why(err))
	}
	if got := string(head[:len(magic)]); got != magic {
		return nil, release.Refuse(release.BadFormat, "bundle: got %q first, want %q", got, magic)
	}
	if b.window = int(head[len(magic)]); b.window < deflate.MinWindow || b.window > deflate.MaxWindow {
		return nil, release.Refuse(release.BadFormat, "bundle: window: got 2^%d, want 2^%d to 2^%d", b.window, deflate.MinWindow, deflate.MaxWindow)
	}
	b.r = bufio.NewReader(&inflater{flate.NewReaderDict(b.src, []byte(Dictionary)), b.src})
	return b, nil
}

// Window returns the window of the stream: it reaches back 2^Window bytes.
func (b *Bundle) Window() int { return b.window }

// Next returns the next section; what was not read of the one before is passed over, but a pack must have been read to its end.
// It returns io.EOF when the stream has ended as it must, with the bundle's last byte. An error is final.
func (b *Bundle) Next() (Section, error) {
	if b.err != nil {
		return Section{}, b.err
	}
	s, err := b.next()
	if err != nil && err != io.EOF {
		err = fmt.Errorf("bundle: %w", err)
	}
	b.err = err
	return s, err
}

func (b *Bundle) next() (s Section, err error) {
	if _, err := io.CopyN(io.Discard, b.r, b.left); err != nil {
		return s, early(err)
	}
	b.left = 0
	kind, err := b.r.ReadByte()
	switch {
	case err == io.EOF && b.section.Kind == 0:
		return s, release.Refuse(release.BadFormat, "got no section")
	case err == io.EOF:
		return s, b.src.end()
	case err != nil:
		return s, err
	}
	number, err := readUvarint(b.r)
	if err != nil {
		return s, err
	}
	length, err := readUvarint(b.r)
	if err != nil {
		return s, err
	}
	s = Section{Kind(kind), uint64(number), length}
	if err := s.check(b.section); err != nil {
		return s, err
	}
	b.section, b.left = s, length
	return s, nil
}

// Body reads the section, and refuses one of more than limit bytes. It takes memory as the bytes come. An error is final.
func (b *Bundle) Body(limit int64) ([]byte, error) {
	if b.err == nil && b.left > limit {
		b.err = release.Refuse(release.BadLength, "bundle: %s: got %d bytes, want at most %d", b.section.Kind, b.left, limit)
	}
	if b.err != nil {
		return nil, b.err
	}
	var buf bytes.Buffer
	n, err := io.CopyN(&buf, b.r, b.left)
	b.left -= n
	if err != nil {
		b.err = fmt.Errorf("bundle: %s: %w", b.section.Kind, early(err))
		return nil, b.err
	}
	return buf.Bytes(), nil
}

// Pack returns what the pack is read from: by a [Reader], to its end.
func (b *Bundle) Pack() ByteReader { return b.r }

// inflater says of an error of the stream whether it is the stream's fault, and so a refusal, or that of the reader below.
type inflater struct {
	inflate io.Reader
	src     *source
}

func (f *inflater) Read(p []byte) (int, error) {
	n, err := f.inflate.Read(p)
	if err != nil && err != io.EOF {
		err = f.src.why(err)
	}
	return n, err
}

// source reads a bundle's bytes, and knows what became of the reader below.
type source struct {
	*bufio.Reader
	failed *failed
}

// failed remembers the error of a reader, other than io.EOF.
type failed struct {
	r   io.Reader
	err error
}

func (f *failed) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

func newSource(r io.Reader) *source {
	f := &failed{r: r}
	return &source{bufio.NewReader(f), f}
}

// why returns what was wrong when reading ended with err.
func (s *source) why(err error) error {
	switch {
	case s.failed.err != nil:
		return fmt.Errorf("read: %w", s.failed.err)
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return early(err)
	}
	return release.Refuse(release.BadFormat, "deflate: %w", err)
}

// end returns io.EOF when there is no byte more.
func (s *source) end() error {
	_, err := s.ReadByte()
	switch {
	case err == nil:
		return release.Refuse(release.BadFormat, "got more behind the end of the stream")
	case err != io.EOF:
		return s.why(err)
	}
	return io.EOF
}
