package mqtt

import (
	"context"
	"fmt"
	"time"

	"moult/update"
)

const (
	batch      = 32          // events that are read at once
	againAfter = time.Minute // the outbox is read again when it could not be
	maxEvent   = 48 << 10    // bytes of an event's JSON: see maxText
)

// readSent reads once how far the events were delivered.
func (c *Client) readSent() error {
	if c.reading {
		return nil
	}
	sent, err := c.opt.Outbox.Sent()
	if err != nil {
		return fmt.Errorf("read how far events were sent: %w", err)
	}
	c.sent, c.reading = sent, true
	return nil
}

// nextEvent delivers the next event of the outbox: it is done when the broker has it and the outbox knows.
// Cut between the two, it is sent again with the same id.
func (s *session) nextEvent(ctx context.Context) (bool, error) {
	if len(s.events) == 0 && !s.readEvents(ctx) {
		return false, nil
	}
	e := s.events[0]
	if err := s.publish(ctx, s.topic("log"), 1, false, encodeEvent(e)); err != nil {
		return false, err
	}
	s.events, s.sent = s.events[1:], e.Seq
	if err := s.opt.Outbox.SetSent(e.Seq); err != nil {
		// It goes on: a full disk must not make the same event come again and again.
		s.opt.Log(fmt.Sprintf("mqtt: keep that event %d was sent: %v", e.Seq, err))
	}
	return true, nil
}

// readEvents reads what the outbox has, and reports whether that is anything. Where events are lost, the first tells of them.
func (s *session) readEvents(ctx context.Context) bool {
	s.mu.Lock()
	unread := s.unread
	s.unread = false
	s.mu.Unlock()
	if !unread {
		return false
	}
	events, dropped, err := s.opt.Outbox.Since(s.sent, batch)
	if err != nil {
		s.opt.Log(fmt.Sprintf("mqtt: read the events to be sent: %v", err))
		s.later(ctx, againAfter, s.Wake)
		return false
	}
	if len(events) == 0 {
		return false
	}
	s.mu.Lock()
	s.unread = true // there may be more
	s.mu.Unlock()
	if dropped > 0 {
		events = append([]update.Event{lostEvents(events[0], s.sent, dropped)}, events...)
	}
	s.events = events
	return true
}

// later calls f after a time, unless ctx ends first.
func (c *Client) later(ctx context.Context, d time.Duration, f func()) {
	go func() {
		if c.opt.Sleep(ctx, d) == nil {
			f()
		}
	}()
}

// lostEvents tells of the events between sent and first that the history has no more. It stands where the last of them stood.
func lostEvents(first update.Event, sent, dropped uint64) update.Event {
	what := fmt.Sprintf("%d events are", dropped)
	if dropped == 1 {
		what = "1 event is"
	}
	return update.Event{
		ID: fmt.Sprintf("dropped-%d-%d", sent+1, first.Seq-1), Seq: first.Seq - 1, Time: first.Time, Kind: update.Dropped,
		Text: what + " lost: the history was full before they could be sent",
	}
}

// nextLive sends the next event that is only told. The broker's word is not waited for.
func (s *session) nextLive(ctx context.Context) (bool, error) {
	s.mu.Lock()
	if len(s.live) == 0 {
		s.mu.Unlock()
		return false, nil
	}
	e := s.live[0]
	s.live = s.live[1:]
	s.mu.Unlock()
	return true, s.publish(ctx, s.topic("log"), 0, false, encodeEvent(e))
}

// encodeEvent writes an event, with its texts cut where they are very long.
func encodeEvent(e update.Event) []byte {
	for longest := maxText; ; longest /= 2 {
		e.Text, e.Reason = clip(e.Text, longest), clip(e.Reason, longest)
		if payload := encode(e); len(payload) <= maxEvent || longest < 64 {
			return payload
		}
	}
}
