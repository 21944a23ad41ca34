package brokertest

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"sync"
)

// Link is the network between one client and a broker, which speak MQTT over plain TCP.
type Link struct {
	Host string // what the client connects to

	broker string
	mu     sync.Mutex
	conns  []net.Conn
	judge  func(fromClient bool, kind byte) Fate
	frozen chan struct{} // closed when it thaws; nil while it is not frozen
}

// Fate is what becomes of a packet.
type Fate int

// The fates.
const (
	Pass  Fate = iota
	Lose       // it never arrives
	Break      // nor does anything after it: both ends see the connection break
)

// The packets' types that tests ask for: MQTT 3.1.1, 2.2.1.
const (
	Publish byte = 3
	Puback  byte = 4
)

// NewLink listens for clients of a broker.
func NewLink(b *Broker) *Link {
	b.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	b.must(err)
	l := &Link{Host: listener.Addr().String(), broker: b.Host}
	var ended sync.WaitGroup
	ended.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			ended.Go(func() { l.join(client) })
		}
	})
	b.t.Cleanup(func() {
		listener.Close()
		l.Thaw()
		ended.Wait()
	})
	return l
}

// Judge sets what decides over each packet from now on. It is called from two goroutines.
func (l *Link) Judge(judge func(fromClient bool, kind byte) Fate) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.judge = judge
}

// Freeze makes the network dead: nothing arrives, not even that the other end is gone. Thaw ends it, and the connections.
func (l *Link) Freeze() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.frozen = make(chan struct{})
}

// Thaw ends a Freeze.
func (l *Link) Thaw() {
	l.Cut()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frozen != nil {
		close(l.frozen)
		l.frozen = nil
	}
}

// Cut breaks the connections that there are.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range l.conns {
		conn.Close()
	}
	l.conns = nil
}

func (l *Link) join(client net.Conn) {
	broker, err := net.Dial("tcp", l.broker)
	if err != nil {
		client.Close()
		return
	}
	l.mu.Lock()
	l.conns = append(l.conns, client, broker)
	l.mu.Unlock()
	var both sync.WaitGroup
	for _, way := range []struct {
		from, to   net.Conn
		fromClient bool
	}{{client, broker, true}, {broker, client, false}} {
		both.Go(func() {
			l.carry(way.from, way.to, way.fromClient)
			l.mu.Lock()
			frozen := l.frozen
			l.mu.Unlock()
			if frozen != nil {
				<-frozen
			}
			way.from.Close()
			way.to.Close()
		})
	}
	both.Wait()
}

// carry hands packets on until one end is gone or a packet is to break it.
func (l *Link) carry(from io.Reader, to io.Writer, fromClient bool) {
	r := bufio.NewReader(from)
	for {
		kind, err := r.ReadByte()
		if err != nil {
			return
		}
		length, err := binary.ReadUvarint(r) // the protocol's code of a length is the same
		if err != nil {
			return
		}
		packet := binary.AppendUvarint([]byte{kind}, length)
		header := len(packet)
		packet = append(packet, make([]byte, length)...)
		if _, err := io.ReadFull(r, packet[header:]); err != nil {
			return
		}
		l.mu.Lock()
		judge, frozen := l.judge, l.frozen != nil
		l.mu.Unlock()
		fate := Pass
		if frozen {
			fate = Lose
		} else if judge != nil {
			fate = judge(fromClient, kind>>4)
		}
		switch fate {
		case Break:
			return
		case Pass:
			if _, err := to.Write(packet); err != nil {
				return
			}
		}
	}
}
