package mqtt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

const (
	pingTime  = 10 * time.Second // for the answer to a ping, and for a write, at most
	ackTime   = 30 * time.Second // for an acknowledgement over a link that answers pings: the protocol knows no other way on than a new connection
	errorByte = 0x80             // what a broker answers to a subscription that it refuses: MQTT 3.1.1, 3.9.3
)

// session is one connection, from the greeting to its end.
type session struct {
	*Client
	link paho.Client
	lost chan error
}

// session connects, and works until the connection or ctx ends. The error says why there is no connection any more;
// farewell, why the device could not take its leave at ctx's end. What is under way when ctx ends may still go on for the grace.
func (c *Client) session(ctx context.Context, served <-chan struct{}) (farewell, err error) {
	s := &session{Client: c, lost: make(chan error, 1)}
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	late, stop := afterGrace(ctx)
	defer stop()
	defer s.link.Disconnect(250)
	defer c.setOnline(false)
	if err := s.greet(late); err != nil {
		return err, err
	}
	if err := s.work(ctx, late); ctx.Err() == nil || err != nil {
		return err, err
	}
	select {
	case <-served: // so that the last command is answered
	case <-late.Done():
	}
	for {
		switch did, err := s.next(late); {
		case err != nil:
			return err, err
		case !did:
			return s.publish(late, c.topic("status"), 1, true, []byte("offline")), nil
		}
	}
}

// afterGrace returns a context that ends a little later.
func afterGrace(ctx context.Context) (late context.Context, stop func()) {
	late, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	forget := context.AfterFunc(ctx, func() {
		time.AfterFunc(grace, func() { cancel(fmt.Errorf("it took more than %v", grace)) })
	})
	return late, func() { forget(); cancel(nil) }
}

func (s *session) connect(ctx context.Context) error {
	if err := s.readSent(); err != nil {
		return err
	}
	opt := paho.NewClientOptions().
		SetProtocolVersion(4). // 3.1.1, and none below it
		SetClientID(s.opt.ClientID).
		SetCleanSession(false). // so that a command that comes while the link is away is kept
		SetAutoReconnect(false).
		SetKeepAlive(s.opt.KeepAlive).
		SetPingTimeout(min(pingTime, s.opt.KeepAlive)).
		SetWriteTimeout(pingTime).
		SetConnectTimeout(connectTime).
		SetBinaryWill(s.topic("status"), []byte("offline"), 1, true).
		SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { s.receive(m) }).
		SetConnectionLostHandler(func(_ paho.Client, err error) { s.lost <- err })
	if s.user != nil {
		password, _ := s.user.Password()
		opt.SetUsername(s.user.Username()).SetPassword(password)
	}
	opt.Servers = []*url.URL{s.broker}
	var dialed error // the client's own words would hide it
	opt.SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) {
		conn, err := s.open(ctx)
		if err != nil {
			dialed = err
			return nil, err
		}
		return bound(conn), nil
	})
	s.link = paho.NewClient(opt)
	token := s.link.Connect()
	select {
	case <-token.Done():
	case <-ctx.Done(): // the connection that may still come is let go
		go func() {
			<-token.Done()
			s.link.Disconnect(0)
		}()
		return ctx.Err()
	}
	err := token.Error()
	if err == nil {
		return nil
	}
	if dialed != nil {
		err = dialed
	}
	return fmt.Errorf("connect: %w", s.explain(err))
}

// greet says that the device is online and subscribes to what it listens to.
func (s *session) greet(ctx context.Context) error {
	topics := map[string]byte{}
	if s.opt.Commands != nil {
		topics[s.topic("cmd")] = 1
	}
	if s.opt.Home != nil {
		topics[s.home.birthTopic()] = 1
	}
	if len(topics) > 0 {
		token := s.link.SubscribeMultiple(topics, nil)
		if err := s.await(ctx, token); err != nil {
			return err
		}
		for topic, answer := range token.(*paho.SubscribeToken).Result() {
			if answer == errorByte {
				s.opt.Log(fmt.Sprintf("mqtt: %s: not authorised to read %s: what comes there is not heard", s.broker.Host, topic))
			}
		}
	}
	if err := s.publish(ctx, s.topic("status"), 1, true, []byte("online")); err != nil {
		return err
	}
	s.said = ""
	s.opt.Log("mqtt: " + s.broker.Host + ": online")
	s.setOnline(true)
	return nil
}

// setOnline begins and ends the time in which events are told.
func (c *Client) setOnline(online bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.online, c.unread, c.live = online, online, nil
	c.home.forget() // a broker may have lost what it retained
}

// work sends whatever there is until ctx ends, which is no error, or the connection does.
func (s *session) work(ctx, late context.Context) error {
	for ctx.Err() == nil {
		did, err := s.next(late)
		if err != nil {
			return err
		}
		if did {
			continue
		}
		select {
		case <-s.woken:
		case err := <-s.lost:
			return &lostError{err}
		case <-ctx.Done():
		}
	}
	return nil
}

// next sends what is most urgent, and reports whether there was anything.
func (s *session) next(ctx context.Context) (did bool, err error) {
	for _, send := range []func(context.Context) (bool, error){s.nextReply, s.nextRetained, s.nextEvent, s.nextLive} {
		if did, err = send(ctx); did || err != nil {
			return did, err
		}
	}
	return false, nil
}

// publish sends a message and, with QoS 1, waits until the broker has it.
func (s *session) publish(ctx context.Context, topic string, qos byte, retained bool, payload []byte) error {
	sent := make(chan paho.Token, 1)
	go func() { sent <- s.link.Publish(topic, qos, retained, payload) }() // it may block until its own time is up
	select {
	case token := <-sent:
		return s.await(ctx, token)
	case err := <-s.lost:
		return &lostError{err}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *session) await(ctx context.Context, token paho.Token) error {
	timeout := time.NewTimer(ackTime)
	defer timeout.Stop()
	select {
	case <-token.Done():
		if err := token.Error(); err != nil {
			if errors.Is(err, paho.ErrNotConnected) {
				err = packets.ErrorNetworkError
			}
			return &lostError{err}
		}
		return nil
	case err := <-s.lost:
		return &lostError{err}
	case <-timeout.C:
		return fmt.Errorf("the broker acknowledged nothing for %v", ackTime)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
