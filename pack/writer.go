package pack

import (
	"encoding/binary"
	"fmt"
	"io"

	"moult/pack/deflate"
)

// Writer writes a bundle, section by section. An error is final.
type Writer struct {
	w       *deflate.Writer
	section Section // the last
	err     error
}

// NewWriter begins a bundle on w, for a device that inflates with a window of 2^window bytes.
func NewWriter(w io.Writer, window int) (*Writer, error) {
	stream, err := deflate.NewWriterDict(w, window, []byte(Dictionary))
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	if _, err := w.Write(append([]byte(magic), byte(window))); err != nil {
		return nil, err
	}
	return &Writer{w: stream}, nil
}

// Section writes a section. It refuses what a reader would refuse: one out of order, or with a number that its kind has not.
func (w *Writer) Section(kind Kind, number uint64, body []byte) error {
	s := Section{kind, number, int64(len(body))}
	if w.err == nil {
		w.err = s.check(w.section)
	}
	if w.err != nil {
		return fmt.Errorf("bundle: %w", w.err)
	}
	w.section = s
	head := []byte{byte(kind)}
	head = binary.AppendUvarint(head, number)
	head = binary.AppendUvarint(head, uint64(s.Length))
	w.write(head)
	w.write(body)
	return w.err
}

// Pack begins the pack, the last section, and returns what [Encode] writes it to.
func (w *Writer) Pack() io.Writer {
	w.Section(PackKind, 0, nil) // its error comes with the pack's first byte, and with Close
	return (*packWriter)(w)
}

// Close ends the bundle. It does not close the writer below.
func (w *Writer) Close() error {
	if w.err == nil && w.section.Kind == 0 {
		w.err = fmt.Errorf("bundle: got no section, want the module")
	}
	if w.err == nil {
		w.err = w.w.Close()
	}
	return w.err
}

func (w *Writer) write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.w.Write(p)
	w.err = err
	return n, err
}

type packWriter Writer

func (w *packWriter) Write(p []byte) (int, error) { return (*Writer)(w).write(p) }
