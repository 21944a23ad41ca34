package mqtt

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func TestNew(t *testing.T) {
	good := func() Options {
		return Options{URL: "mqtt://user:hunter2@broker", Topic: "moult/greenhouse-1", Outbox: noOutbox{}}
	}
	tests := []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"good", func(*Options) {}, ""},
		{"no URL", func(o *Options) { o.URL = "" }, "got what is no broker's URL"},
		{"a broken URL", func(o *Options) { o.URL = "mqtt://user:hunter2@bro ker" }, "got what is no broker's URL"},
		{"another scheme", func(o *Options) { o.URL = "http://user:hunter2@broker" }, "want one that begins with mqtt://"},
		{"no topic", func(o *Options) { o.Topic = "" }, "topic: got \"\""},
		{"a topic with a wildcard", func(o *Options) { o.Topic = "moult/#" }, "topic: got \"moult/#\""},
		{"a certificate without a key", func(o *Options) { o.Cert = "c.pem" }, "want both or none"},
		{"no outbox", func(o *Options) { o.Outbox = nil }, "got no outbox"},
		{"a short keep-alive", func(o *Options) { o.KeepAlive = time.Millisecond }, "keep-alive: got 1ms, want 1s to 1h"},
		{"Home Assistant without a memory", func(o *Options) { o.Home = &Home{} }, "got no memory"},
		{"Home Assistant's prefix", func(o *Options) { o.Home = &Home{Prefix: "+"} }, "got \"+\""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			opt := good()
			test.change(&opt)
			c, err := New(opt)
			if test.want == "" {
				if err != nil || c.broker.String() != "mqtt://broker:1883" || len(c.opt.ClientID) > 23 {
					t.Errorf("got %v, %v, %q", c.broker, err, c.opt.ClientID)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

type noOutbox struct{ Outbox }

// TestWait: the waits double up to two minutes, and chance takes at most a half.
func TestWait(t *testing.T) {
	for _, test := range []struct {
		failures int
		rand     float64
		want     time.Duration
	}{
		{0, 1, time.Second}, {0, 0, time.Second / 2}, {1, 1, 2 * time.Second}, {6, 1, 64 * time.Second},
		{7, 1, 2 * time.Minute}, {7, 0, time.Minute}, {1000, 0.5, 90 * time.Second},
	} {
		c := &Client{opt: Options{Rand: func() float64 { return test.rand }}}
		if got := c.wait(test.failures); got != test.want {
			t.Errorf("after %d failures, chance %v: got %v, want %v", test.failures, test.rand, got, test.want)
		}
	}
}

// conn is a connection that only reads.
type conn struct {
	net.Conn
	io.Reader
}

func (c conn) Read(p []byte) (int, error) { return c.Reader.Read(p) }

func packet(kind byte, length int) []byte {
	p := binary.AppendUvarint([]byte{kind << 4}, uint64(length))
	return append(p, bytes.Repeat([]byte{kind}, length)...)
}

func TestBounded(t *testing.T) {
	tests := []struct {
		name     string
		in, want []byte
		wantErr  bool
	}{
		{name: "short ones", in: append(packet(13, 0), packet(3, 300)...), want: append(packet(13, 0), packet(3, 300)...)},
		{name: "at the bound", in: packet(3, maxPacket), want: packet(3, maxPacket)},
		{name: "a long one between two", in: append(append(packet(3, 5), packet(3, 5<<20)...), packet(4, 2)...), want: append(append(packet(3, 5), packet(3, maxPacket)...), packet(4, 2)...)},
		{name: "a length that is malformed", in: []byte{0x30, 0xff, 0xff, 0xff, 0xff, 1}, wantErr: true},
		{name: "cut", in: packet(3, 300)[:100], want: packet(3, 300)[:100]},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := io.ReadAll(bound(conn{Reader: bytes.NewReader(test.in)}))
			if !bytes.Equal(got, test.want) || (err != nil) != test.wantErr {
				t.Errorf("got %d bytes, %v; want %d", len(got), err, len(test.want))
			}
		})
	}
}

// FuzzBounded: whatever a broker sends, no packet that comes through is longer than the bound, and short ones come unchanged.
func FuzzBounded(f *testing.F) {
	f.Add(packet(3, 10))
	f.Add(append(packet(13, 0), packet(3, maxPacket+10)[:20]...))
	f.Add([]byte{0x30, 0x80, 0x80, 0x80, 0x80})
	f.Fuzz(func(t *testing.T, in []byte) {
		got, _ := io.ReadAll(bound(conn{Reader: bytes.NewReader(in)})) // a length may be malformed
		for rest := got; len(rest) > 1; {
			length, n := binary.Uvarint(rest[1:])
			if n <= 0 {
				t.Fatalf("%x became %x", in, got)
			}
			if length > maxPacket {
				t.Fatalf("a packet of %d bytes came through", length)
			}
			rest = rest[min(len(rest), 1+n+int(length)):]
		}
		if len(got) > len(in) {
			t.Fatalf("%d bytes became %d", len(in), len(got))
		}
	})
}
