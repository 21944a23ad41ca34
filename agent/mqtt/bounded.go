package mqtt

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
)

// maxPacket bounds a packet that is received, in bytes: above the longest topic with the longest command, so that what is cut
// is always a payload that is too long. The protocol allows 256 MB, and the client would take them into memory.
const maxPacket = 96 << 10

// bounded is a connection that cuts off what a received packet has above maxPacket. The client sees a shorter packet,
// which it answers as any other; hanging up instead would make the broker send it again for ever.
type bounded struct {
	net.Conn
	r      *bufio.Reader
	header []byte // of the packet that begins, as it is handed on
	pass   int    // bytes of its rest that are handed on
	drop   int    // and that are not
}

func bound(conn net.Conn) *bounded { return &bounded{Conn: conn, r: bufio.NewReader(conn)} }

func (b *bounded) Read(p []byte) (int, error) {
	if len(b.header) == 0 && b.pass == 0 {
		if err := b.next(); err != nil {
			return 0, err
		}
	}
	if len(b.header) > 0 {
		n := copy(p, b.header)
		b.header = b.header[n:]
		return n, nil
	}
	n, err := b.r.Read(p[:min(len(p), b.pass)])
	b.pass -= n
	return n, err
}

// next reads a packet's fixed header: its type, and its length in up to four bytes (MQTT 3.1.1, 2.2).
func (b *bounded) next() error {
	if _, err := io.CopyN(io.Discard, b.r, int64(b.drop)); err != nil {
		return err
	}
	b.drop = 0
	kind, err := b.r.ReadByte()
	if err != nil {
		return err
	}
	length, shift := 0, 0
	for {
		digit, err := b.r.ReadByte()
		if err != nil {
			return err
		}
		length |= int(digit&127) << shift
		if digit < 128 {
			break
		}
		if shift += 7; shift > 21 {
			return errors.New("the broker sent a packet whose length is malformed")
		}
	}
	b.pass = min(length, maxPacket)
	b.drop = length - b.pass
	b.header = binary.AppendUvarint([]byte{kind}, uint64(b.pass)) // the same code for a length
	return nil
}
