package pack

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"

	"moult/release"
)

// Open opens the content of a file of a manifest.
type Open func(release.Entry) (io.ReadCloser, error)

// MaxDelta is the length of the largest file that becomes a delta, or is a base of one, in bytes: both are held in memory.
// Larger ones go whole, and are not held.
const MaxDelta = 64 << 20

// insertedBits are what an inserted byte may cost after deflate: text that is like what stands around it nearly nothing.
// Each is tried, and the smallest delta is taken.
var insertedBits = [...]int{1, 2, 4}

// Encode writes the pack that leads from base to to; a nil base is a manifest without files. It is not deflated: w is mostly a [Writer]'s Pack.
// Content that is not what its manifest says is an error.
func Encode(w io.Writer, to, base *release.Manifest, openTo, openBase Open) error {
	if base == nil {
		base = new(release.Manifest)
	}
	e := packer{w: w, base: base, kin: newKin(to, base), openTo: openTo, openBase: openBase, has: map[string]bool{}, scale: newScale()}
	for _, f := range base.Files {
		e.has[f.SHA256] = true
	}
	skip := 0
	for _, f := range to.Files {
		if f.Length == 0 || e.has[f.SHA256] {
			skip++
			continue
		}
		if err := e.file(f, skip); err != nil {
			return fmt.Errorf("pack: %s: %w", f.Path, err)
		}
		e.has[f.SHA256] = true
		skip = 0
	}
	_, err := w.Write(binary.AppendUvarint(nil, uint64(skip)))
	return err
}

type packer struct {
	w                io.Writer
	base             *release.Manifest
	kin              *kin
	openTo, openBase Open
	has              map[string]bool // the digests of what the device can find
	scale            scale
}

func (p *packer) file(f release.Entry, skip int) error {
	head := binary.AppendUvarint(nil, uint64(skip))
	if f.Length > MaxDelta {
		if _, err := p.w.Write(append(head, 0)); err != nil {
			return err
		}
		return read(p.w, f, p.openTo)
	}
	target, err := content(f, p.openTo)
	if err != nil {
		return err
	}
	whole := p.scale.weigh(target)
	number, body, size := 0, target, whole
	for i := range p.kin.of(f) {
		base, err := content(p.base.Files[i], p.openBase)
		if err != nil {
			return fmt.Errorf("base %s: %w", p.base.Files[i].Path, err)
		}
		x := newIndex(base)
		for _, bits := range insertedBits {
			delta := appendDelta(nil, base, target, x, bits)
			if n := p.scale.weigh(delta); n < size {
				number, body, size = i+1, delta, n
			}
		}
		if size < whole/2 {
			break // it is of this one's kin
		}
	}
	head = binary.AppendUvarint(head, uint64(number))
	if _, err := p.w.Write(head); err != nil {
		return err
	}
	_, err = p.w.Write(body)
	return err
}

// content returns the content of a file of at most MaxDelta bytes.
func content(f release.Entry, open Open) ([]byte, error) {
	var buf bytes.Buffer
	buf.Grow(int(f.Length) + bytes.MinRead)
	err := read(&buf, f, open)
	return buf.Bytes(), err
}

// read writes the content of a file to w, and holds it to its length and digest.
func read(w io.Writer, f release.Entry, open Open) error {
	r, err := open(f)
	if err != nil {
		return err
	}
	defer r.Close() // nothing was written
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, sum), io.LimitReader(r, f.Length+1))
	if err != nil {
		return err
	}
	if n != f.Length {
		return fmt.Errorf("length: got %d bytes, want %d", n, f.Length)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != f.SHA256 {
		return fmt.Errorf("sha256: got %s, want %s", got, f.SHA256)
	}
	return nil
}

// scale weighs bytes after deflate, quickly and not by the stream's own window: it is for comparing.
type scale struct {
	w *flate.Writer
	n *counter
}

func newScale() scale {
	n := new(counter)
	w, err := flate.NewWriter(n, 6)
	if err != nil {
		panic(err) // the level is one that there is
	}
	return scale{w, n}
}

func (s scale) weigh(p []byte) int {
	*s.n = 0
	s.w.Reset(s.n)
	s.w.Write(p) // a counter has no errors
	s.w.Close()
	return int(*s.n)
}

type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
