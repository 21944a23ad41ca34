package mqtt

import (
	"context"
	"errors"
	"fmt"

	paho "github.com/eclipse/paho.mqtt.golang"
)

const (
	maxQueue   = 16 // commands that wait in a queue; one more is told that the device is busy
	maxReplies = 64 // replies that wait for the link
)

var (
	errBusy   = errors.New("busy: too many commands wait; try again later")
	errEnding = errors.New("not done: the device's agent is ending")
)

// receive takes a message. It is called by the client's own goroutine, which it must not hold up: the message is acknowledged
// when it returns, before its command runs, so that a command that restarts the device does not come again after it.
func (s *session) receive(m paho.Message) {
	switch {
	case m.Topic() == s.topic("cmd") && s.opt.Commands != nil:
		s.take(m.Payload(), m.Retained(), m.Duplicate(), m.MessageID())
	case s.opt.Home != nil && m.Topic() == s.home.birthTopic():
		if string(m.Payload()) == "online" && !m.Retained() { // a retained one is older than what was just announced
			s.born()
		}
	default: // a subscription from before the configuration changed
		go s.link.Unsubscribe(m.Topic())
	}
}

// take queues a command, or answers it at once where it is refused or was done before.
func (c *Client) take(payload []byte, retained, again bool, packet uint16) {
	if retained {
		if len(payload) > 0 {
			c.opt.Log("mqtt: a retained command is ignored: it would come again at every connection; publish commands without retain")
		}
		return
	}
	cmd, err := parse(payload)
	if err != nil {
		c.answer(cmd.answer("", err))
		return
	}
	// The same command is known by its id. One without is known only when the broker itself says that it comes again.
	if cmd.ID != "" {
		cmd.key = string(encode(cmd))
	} else {
		cmd.key = fmt.Sprintf("%d %s", packet, payload)
	}
	c.mu.Lock()
	done, known := c.memory.find(cmd.key)
	c.mu.Unlock()
	if known && (again || cmd.ID != "") {
		if done != nil {
			c.answer(done)
		} // else its answer is still to come
		return
	}
	// It is remembered first, as it may be done at once.
	c.mu.Lock()
	c.memory.add(cmd.key)
	c.mu.Unlock()
	select {
	case c.came <- cmd: // serve is always about to take it
	case <-c.served:
		c.answer(cmd.answer("", errEnding))
	}
}

// serve does commands until ctx ends: those of one queue one at a time, in the order in which they came, beside the other queues'.
func (c *Client) serve(ctx context.Context) {
	defer close(c.served)
	waiting := map[string][]command{} // by queue, where a command of it is being done
	done := make(chan string)
	begin := func(queue string, cmd command) {
		go func() {
			c.do(ctx, cmd)
			done <- queue
		}()
	}
	for ending := ctx.Done(); ending != nil || len(waiting) > 0; {
		select {
		case <-ending:
			ending = nil
		case cmd := <-c.came:
			queue := c.opt.Queue(cmd.Name, cmd.Args)
			rest, busy := waiting[queue]
			switch {
			case !busy:
				waiting[queue] = nil
				begin(queue, cmd)
			case len(rest) == maxQueue:
				c.mu.Lock()
				c.memory.drop(cmd.key)
				c.mu.Unlock()
				c.answer(cmd.answer("", errBusy))
			default:
				waiting[queue] = append(rest, cmd)
			}
		case queue := <-done:
			rest := waiting[queue]
			if len(rest) == 0 {
				delete(waiting, queue)
				continue
			}
			waiting[queue] = rest[1:]
			begin(queue, rest[0])
		}
	}
}

// do does one command; at the end of ctx, when its turn came too late, it says so.
func (c *Client) do(ctx context.Context, cmd command) {
	if ctx.Err() != nil {
		c.answer(cmd.answer("", errEnding))
		return
	}
	text, err := c.opt.Commands(ctx, cmd.Name, cmd.Args)
	answer := cmd.answer(text, err)
	c.mu.Lock()
	c.memory.done(cmd.key, answer)
	c.mu.Unlock()
	c.answer(answer)
}

// answer queues a reply.
func (c *Client) answer(reply []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.replies) == maxReplies {
		if !c.flooded {
			c.opt.Log("mqtt: too many replies wait for the broker: some are dropped")
		}
		c.flooded = true
		return
	}
	c.replies = append(c.replies, reply)
	c.wake()
}

// nextReply sends the next reply; one that was cut off is sent again over the next connection.
func (s *session) nextReply(ctx context.Context) (bool, error) {
	s.mu.Lock()
	if len(s.replies) == 0 {
		s.mu.Unlock()
		return false, nil
	}
	reply := s.replies[0]
	s.mu.Unlock()
	if err := s.publish(ctx, s.topic("reply"), 1, false, reply); err != nil {
		return false, err
	}
	s.mu.Lock()
	if s.replies = s.replies[1:]; len(s.replies) == 0 {
		s.flooded = false
	}
	s.mu.Unlock()
	return true, nil
}

// maxMemory is how many commands are remembered, with their answers; more only where so many are still to be done.
const maxMemory = 64

// memory is the last commands, the oldest first.
type memory []remembered

type remembered struct {
	key    string
	answer []byte // nil while it is not done
}

func (m memory) find(key string) (answer []byte, known bool) {
	for _, r := range m {
		if r.key == key {
			return r.answer, true
		}
	}
	return nil, false
}

func (m *memory) add(key string) {
	m.drop(key)
	if *m = append(*m, remembered{key: key}); len(*m) <= maxMemory {
		return
	}
	for _, r := range *m {
		if r.answer != nil {
			m.drop(r.key)
			return
		}
	}
}

func (m memory) done(key string, answer []byte) {
	for i := range m {
		if m[i].key == key {
			m[i].answer = answer
		}
	}
}

func (m *memory) drop(key string) {
	for i, r := range *m {
		if r.key == key {
			*m = append((*m)[:i:i], (*m)[i+1:]...)
			return
		}
	}
}
