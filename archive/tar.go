package archive

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"moult/fault"
	"moult/release"
)

// readArchive reads a tar whole, compressed or not, of size bytes or -1.
func readArchive(r io.Reader, opt Options, size int64, compressed bool, put func(release.File) error) (Info, error) {
	dir, err := CleanDir(opt.Dir)
	if err != nil {
		return Info{}, err
	}
	maxEntries, maxBytes := bounds(opt.Limits)
	// the compressed bytes are bounded too: endless empty gzip members would unpack to nothing
	raw := newStream(r, size, maxBytes)
	if size >= 0 {
		raw.max = min(size, maxBytes)
	}
	a := &tarReader{
		raw: raw, flat: raw, maxEntries: maxEntries, put: put,
		pick: selection{dir: dir, stripTop: opt.StripTop, tops: map[string]bool{}},
	}
	if compressed {
		unzipped, err := unzip(raw)
		if err != nil {
			return Info{}, err
		}
		a.flat = newStream(unzipped, -1, maxBytes)
	}
	a.tar = tar.NewReader(a.flat)
	if err := a.readAll(); err != nil {
		if a.putFailed {
			return a.info, err
		}
		return a.info, damage(err, raw.got)
	}
	if a.info.Files == 0 {
		return a.info, NoDir(dir, slices.Collect(maps.Keys(a.pick.tops)))
	}
	return a.info, nil
}

func unzip(raw *stream) (io.Reader, error) {
	head := bufio.NewReaderSize(raw, 32<<10)
	start, err := head.Peek(512)
	switch {
	case len(start) >= 2 && start[0] == 0x1f && start[1] == 0x8b:
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	case len(start) == 0 || len(start) == 1 && start[0] == 0x1f:
		return nil, damage(io.ErrUnexpectedEOF, raw.got)
	default:
		return nil, fmt.Errorf("got %s, want a gzip archive", looksLike(start))
	}
	z, err := gzip.NewReader(head)
	if errors.Is(err, gzip.ErrHeader) {
		return nil, fmt.Errorf("got a gzip header of an unknown kind: %w", err)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return z, damage(err, raw.got)
}

type tarReader struct {
	raw, flat  *stream // as it came, and unpacked
	tar        *tar.Reader
	pick       selection
	maxEntries int64
	entries    int64
	put        func(release.File) error
	putFailed  bool
	info       Info
}

// readAll reads all entries, the archive's trailer and what follows it.
func (a *tarReader) readAll() error {
	for {
		before := a.flat.got
		header, err := a.tar.Next()
		if err == io.EOF {
			// each body was read whole, so what Next took is its padding, shorter than a block, and the trailer;
			// without a trailer the archive was cut between two entries, which tar does not notice
			if a.flat.got-before < 512 {
				return io.ErrUnexpectedEOF
			}
			return a.onlyZeros()
		}
		if err != nil {
			return fmt.Errorf("entry %d: %w", a.entries+1, err)
		}
		if a.entries++; a.entries > a.maxEntries {
			return fmt.Errorf("got more than %d entries, which the limits allow for a whole archive", a.maxEntries)
		}
		if err := a.entry(header); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, a.tar); err != nil {
			return fmt.Errorf("entry %q: %w", header.Name, err)
		}
	}
}

// onlyZeros reads to the end, so that a checksum is checked and a cut noticed, and refuses all but padding.
func (a *tarReader) onlyZeros() error {
	buf := make([]byte, 4<<10)
	for {
		n, err := a.flat.Read(buf)
		for _, b := range buf[:n] {
			if b != 0 {
				return fmt.Errorf("got data after the archive's end, %d bytes in", a.flat.got)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// hexCommit is a commit's name as git writes it, in SHA-1 or SHA-256.
var hexCommit = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

func (a *tarReader) entry(h *tar.Header) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		if c := h.PAXRecords["comment"]; a.info.Commit == "" && hexCommit.MatchString(c) {
			a.info.Commit = c
		}
		return nil
	}
	f := release.File{Size: h.Size, Executable: h.Mode&0o111 != 0}
	kind := ""
	switch h.Typeflag {
	case tar.TypeReg:
		f.Body = body{a}
	case tar.TypeSymlink:
		if h.Linkname == "" {
			return fmt.Errorf("entry %q: got a link without a target", h.Name)
		}
		f = release.File{Link: h.Linkname}
	case tar.TypeDir:
		_, err := a.pick.path(h.Name)
		return err
	case tar.TypeLink:
		kind = "hard link"
	case tar.TypeChar, tar.TypeBlock:
		kind = "device"
	case tar.TypeFifo:
		kind = "pipe"
	default:
		kind = fmt.Sprintf("entry of type %q", h.Typeflag)
	}
	if h.Typeflag == tar.TypeGNUSparse || isSparse(h) {
		kind = "sparse file"
	}
	if kind != "" {
		return fault.Hint(fmt.Errorf("entry %q: got a %s, want files, links and directories only", h.Name, kind),
			"pack the release anew with plain files")
	}
	var err error
	if f.Path, err = a.pick.path(h.Name); err != nil || f.Path == "" || IsOwn(f.Path) {
		return err
	}
	if err := a.put(f); err != nil {
		a.putFailed = true
		return err
	}
	a.info.Files++
	return nil
}

// isSparse reports whether a pax header makes a file sparse: such a one unpacks to more bytes than the archive holds.
func isSparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// body is the current entry's content. Its errors say whether another try may help, as put hands them on.
type body struct{ a *tarReader }

func (b body) Read(p []byte) (int, error) {
	n, err := b.a.tar.Read(p)
	if err != nil && err != io.EOF {
		err = damage(err, b.a.raw.got)
	}
	return n, err
}
