package mqtt

import (
	"context"
	"errors"
	"fmt"
	"time"

	"moult/fault"
)

const (
	firstWait = time.Second     // before the second try
	longest   = 2 * time.Minute // between two tries: a broker that is back is found soon, and not by all devices at once
	settled   = time.Minute     // a connection that held for so long begins the waits anew
	grace     = 3 * time.Second // for the last messages at the end
)

// Run connects to the broker, sends what there is and takes commands, and connects again when the link is lost, until ctx ends.
// Then it says that the device is offline and disconnects; the error is that of this farewell. It is called once.
func (c *Client) Run(ctx context.Context) error {
	go c.serve(ctx)
	for short := 0; ; short++ {
		began := c.opt.Now()
		farewell, err := c.session(ctx, c.served)
		if ctx.Err() != nil {
			if farewell != nil {
				return fmt.Errorf("say goodbye to the broker: %w", farewell)
			}
			return nil
		}
		if c.opt.Now().Sub(began) >= settled {
			short = 0
		}
		wait := c.wait(short)
		c.trouble(err, short)
		if c.opt.Sleep(ctx, wait) != nil {
			return nil // it was offline, and the broker said so
		}
	}
}

// wait returns how long to wait after so many failures in a row: twice as long each time, half of it by chance.
func (c *Client) wait(failures int) time.Duration {
	d := longest
	if failures < 7 { // 2^7 seconds are more
		d = min(firstWait<<failures, longest)
	}
	return d/2 + time.Duration(c.opt.Rand()*float64(d/2))
}

// trouble logs what is wrong with the connection, once while it stays the same.
func (c *Client) trouble(err error, times int) {
	hint := fault.HintOf(err)
	var l *lostError
	if errors.As(err, &l) && times >= 3 {
		hint = fmt.Sprintf("does another client have the id %s? Devices need topics of their own", c.opt.ClientID)
	}
	text := fmt.Sprintf("mqtt: %s: %v", c.broker.Host, err)
	if hint != "" {
		text += " (" + hint + ")"
	}
	if text != c.said {
		c.said = text
		c.opt.Log(text)
	}
}

// lostError is the end of a connection that had been open.
type lostError struct{ cause error }

func (l *lostError) Error() string { return fmt.Sprintf("connection lost: %v", plain(l.cause)) }
func (l *lostError) Unwrap() error { return l.cause }
