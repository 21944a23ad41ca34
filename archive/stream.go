package archive

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"moult/fault"
)

// stream counts the bytes of r, refuses more than max, and says of its errors whether another try may help.
type stream struct {
	r    io.Reader
	size int64 // announced, or -1
	max  int64
	got  int64
	err  error
}

func newStream(r io.Reader, size, max int64) *stream { return &stream{r: r, size: size, max: max} }

func (s *stream) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	// one byte more than allowed is asked for, to tell the end from more
	if room := s.max - s.got; int64(len(p)) > room && room < 1<<20 {
		p = p[:min(int64(len(p)), room+1)]
	}
	n, err := s.r.Read(p)
	s.got += int64(n)
	switch {
	case s.got > s.max && s.max == s.size:
		s.err = fmt.Errorf("got more than the announced %d bytes", s.size)
	case s.got > s.max:
		s.err = fmt.Errorf("got more than %d bytes, which the limits allow for a whole archive", s.max)
	case errors.Is(err, io.EOF) && s.got < s.size:
		s.err = fault.Transient(fmt.Errorf("cut after %d of %d bytes: %w", s.got, s.size, io.ErrUnexpectedEOF))
	default:
		s.err = err
		return n, err
	}
	return min(n, int(max(0, s.max-s.got+int64(n)))), s.err
}

// damage says of an error from reading an archive what it means, and that another try may help against a cut or damaged stream.
func damage(err error, got int64) error {
	var corrupt flate.CorruptInputError
	switch {
	case err == nil || fault.IsTransient(err):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault.Transient(fmt.Errorf("archive cut after %d bytes: %w", got, io.ErrUnexpectedEOF))
	case errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt):
		// on the way or at the source: a wrong guess costs one more download, the other way round an update
		return fault.Transient(fmt.Errorf("archive damaged within the first %d bytes: %w", got, err))
	case errors.Is(err, gzip.ErrHeader):
		return fmt.Errorf("got data after the archive's end, at most %d bytes in", got)
	}
	return err
}

// kinds are what may come where a gzip archive is wanted: a page of an error or a login, or another kind of archive.
var kinds = []struct{ start, name string }{
	{"PK\x03\x04", "a zip archive"}, {"\xfd7zXZ", "an xz archive"}, {"\x28\xb5\x2f\xfd", "a zstd archive"},
	{"BZh", "a bzip2 archive"}, {"7z\xbc\xaf", "a 7z archive"}, {"{", "JSON"}, {"[", "JSON"},
	{"version https://git-lfs", "a Git LFS pointer"},
	{"<!doctype html", "an HTML page"}, {"<html", "an HTML page"}, {"<?xml", "an XML document"}, {"<", "a page of markup"},
}

// looksLike says in words what the first bytes of a stream are.
func looksLike(head []byte) string {
	text := bytes.ToLower(bytes.TrimLeft(head, " \t\r\n\ufeff"))
	for _, k := range kinds {
		if bytes.HasPrefix(head, []byte(k.start)) || bytes.HasPrefix(text, []byte(k.start)) {
			return k.name
		}
	}
	if len(head) >= 262 && string(head[257:262]) == "ustar" {
		return "a tar archive that is not compressed"
	}
	return fmt.Sprintf("bytes that begin with %q", head[:min(len(head), 24)])
}
