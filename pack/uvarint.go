package pack

import (
	"io"

	"moult/release"
)

// maxUvarint is the length of the longest number, in bytes: 9 times 7 bits are the 63 that every reader can hold.
const maxUvarint = 9

// readUvarint reads a number of docs/formats.md: at most 9 bytes, in the shortest form.
func readUvarint(r io.ByteReader) (int64, error) {
	var n int64
	for i := range maxUvarint {
		b, err := r.ReadByte()
		if err != nil {
			return 0, early(err)
		}
		n |= int64(b&0x7f) << (7 * i)
		if b < 0x80 {
			if b == 0 && i > 0 {
				return 0, release.Refuse(release.BadFormat, "number: got %d in %d bytes, want the shortest form", n, i+1)
			}
			return n, nil
		}
	}
	return 0, release.Refuse(release.BadFormat, "number: got more than %d bytes", maxUvarint)
}

// early makes the end of a stream, where more must come, a refusal. Other errors are those of the reader below.
func early(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return release.Refuse(release.BadFormat, "it ends early: %w", io.ErrUnexpectedEOF)
	}
	return err
}

func zigzag(d int64) uint64 { return uint64(d<<1) ^ uint64(d>>63) }

func unzigzag(z int64) int64 { return z>>1 ^ -(z & 1) }
