// Package deflate writes raw deflate (RFC 1951) for windows of 1 to 32 KiB, as small as it can within reason: what is written once
// is read by many, over slow links. It looks for the cheapest sequence of literals and matches by their real costs, which the last
// attempt taught, and for where a block should end. Any inflater reads it.
//
// Reading is compress/flate's part.
package deflate

import (
	"errors"
	"fmt"
	"io"
)

// The windows, as powers of two.
const (
	MinWindow = 10
	MaxWindow = 15
)

// chunk is how many bytes are looked at together. Beyond it the statistics of text change anyway.
const chunk = 128 << 10

// Writer deflates. Its memory stays below 32 MiB, whatever the length; a short stream takes 2.
type Writer struct {
	w      io.Writer
	window int    // in bytes
	buf    []byte // the window, and then what is to be written
	start  int    // where the window ends in buf
	total  int64  // bytes taken in
	parser parser
	bits   bitWriter
	err    error
}

// NewWriter returns a writer whose stream never reaches back further than 2^window bytes.
func NewWriter(w io.Writer, window int) (*Writer, error) { return NewWriterDict(w, window, nil) }

// NewWriterDict is NewWriter with a preset dictionary: bytes that stand before the first one, for whoever writes and whoever reads.
func NewWriterDict(w io.Writer, window int, dictionary []byte) (*Writer, error) {
	if window < MinWindow || window > MaxWindow {
		return nil, fmt.Errorf("deflate: window: got 2^%d, want 2^%d to 2^%d", window, MinWindow, MaxWindow)
	}
	out := &Writer{w: w, window: 1 << window}
	out.buf = append(out.buf, dictionary...)
	out.start = len(out.buf)
	return out, nil
}

// Write takes in p. What comes of it may come later.
func (w *Writer) Write(p []byte) (int, error) {
	taken := 0
	for w.err == nil && len(p) > 0 {
		room := chunk - (len(w.buf) - w.start)
		if room == 0 {
			w.flush(false)
			continue
		}
		n := min(room, len(p))
		w.buf = append(w.buf, p[:n]...)
		p = p[n:]
		taken += n
	}
	return taken, w.err
}

// Close ends the stream; it does not close the writer below.
func (w *Writer) Close() error {
	if w.err == nil {
		w.flush(true)
	}
	err := w.err
	if err == nil {
		w.err = errors.New("deflate: it is closed")
	}
	return err
}

// flush writes the chunk.
func (w *Writer) flush(final bool) {
	w.total += int64(len(w.buf) - w.start)
	w.parser.load(w.buf, w.start, w.window)
	blocks := w.parser.blocks(w.rounds())
	for i, b := range blocks {
		b.write(&w.bits, w.buf, final && i == len(blocks)-1)
	}
	if final {
		w.bits.align()
	}
	_, w.err = w.w.Write(w.bits.out)
	w.bits.out = w.bits.out[:0]
	keep := min(w.window, len(w.buf))
	w.start = copy(w.buf, w.buf[len(w.buf)-keep:])
	w.buf = w.buf[:w.start]
}

// rounds is how often a block is tried, at most: a large stream takes a time that is in proportion.
func (w *Writer) rounds() int { return int(min(15, max(2, 4<<20/(w.total+1)))) }

// bitWriter collects bits, the lowest first.
type bitWriter struct {
	out  []byte
	bits uint64
	n    uint
}

func (b *bitWriter) write(bits uint32, n uint) {
	b.bits |= uint64(bits) << b.n
	b.n += n
	for b.n >= 8 {
		b.out = append(b.out, byte(b.bits))
		b.bits >>= 8
		b.n -= 8
	}
}

// align fills the byte up.
func (b *bitWriter) align() {
	if b.n > 0 {
		b.write(0, 8-b.n)
	}
}
