// Package mqtt tells a broker what happens on the device, and takes commands from it.
//
// Below the device's topic there are: log, an event each, none lost and each with its id; status, retained,
// online or offline by the last will; cmd, which takes commands, and reply, which answers them; and update/MODULE,
// retained, what Home Assistant shows of a module, which it discovers by itself.
//
// Parties: the broker, whom TLS proves, and whoever may publish at it. The broker decides who may command the device:
// it is trusted with that, and with nothing else. A command reaches only the Handler, as a name and arguments
// that are short, valid text; what a broker sends is bounded before it is read. Files: certificates, which are read
// anew at every connection. User and password are in no log and no error.
//
// It stands on Eclipse's client, with protocol 3.1.1, and on ports of its own: the history is the Outbox.
package mqtt

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"time"

	"moult/clock"
	"moult/update"
)

// Options are what a Client needs. URL, Topic and Outbox must be given.
type Options struct {
	URL   string // mqtt://user:password@host:1883; or mqtts, ws (path /mqtt where there is none) or wss
	Topic string // what all topics begin with

	CA        string // a file of certificates to trust, in PEM; "" for the system's
	Cert, Key string // files of the device's own certificate and its key, in PEM; both or none

	ClientID  string        // "" for one that follows from the topic; no two clients may have the same
	KeepAlive time.Duration // a link that is silent for so long is asked, and given up 10 s later; 0 for 30 s

	Outbox   Outbox
	Commands Handler // nil where commands are not taken
	// Queue names the queue that a command waits in, where not all wait in one: those of different queues are done at once.
	// Its names must be few. Nil for one queue.
	Queue func(name string, args []string) string
	Home  *Home        // Home Assistant; nil where it is not told
	Log   func(string) // what a person should know, a line each; nil for nobody

	// What a test controls; nil for the real ones.
	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error // returns ctx's error where that ends first
	Rand  func() float64                                   // from 0 to 1
}

// Outbox is where events wait until they are delivered; journal.Journal is one. All methods are called by one goroutine.
type Outbox interface {
	// Since returns at most limit events after seq, the oldest first and without a gap, and how many between seq
	// and the first of them are lost.
	Since(seq uint64, limit int) (events []update.Event, dropped uint64, err error)
	// Sent returns the seq up to which all is delivered.
	Sent() (uint64, error)
	// SetSent keeps it durably.
	SetSent(seq uint64) error
}

// Handler answers a command, its name and arguments as they came, with the reply's text. An error's text, too, is sent as the reply:
// so for an unknown command. ctx ends with the client's Run. It is called from several goroutines where there are several queues.
type Handler func(ctx context.Context, name string, args []string) (reply string, err error)

// Client is the device's link to its broker. Its methods may be called from several goroutines.
type Client struct {
	opt    Options
	broker *url.URL // without user and password
	user   *url.Userinfo

	woken  chan struct{} // something is to be sent
	came   chan command  // commands that are to be done
	served chan struct{} // closed when none is done any more

	mu      sync.Mutex
	online  bool
	unread  bool           // the outbox may have events that were not read
	live    []update.Event // events that are only told
	replies [][]byte
	flooded bool // replies are dropped, and that was said
	memory  memory
	home    home

	// Of the goroutine that sends.
	sent    uint64 // the last event delivered; ahead of the outbox's where that could not keep it
	events  []update.Event
	said    string // the last trouble that was logged
	reading bool   // sent is known
}

// New checks the options. It opens nothing.
func New(opt Options) (*Client, error) {
	broker, user, err := parseURL(opt.URL)
	if err != nil {
		return nil, err
	}
	switch {
	case opt.Topic == "" || strings.ContainsAny(opt.Topic, "+#\x00") || strings.HasPrefix(opt.Topic, "$"):
		return nil, fmt.Errorf("topic: got %q, want one such as moult/greenhouse-1, without + and #", opt.Topic)
	case (opt.Cert == "") != (opt.Key == ""):
		return nil, errors.New("got only one of certificate and key, want both or none")
	case opt.Outbox == nil:
		return nil, errors.New("got no outbox")
	case opt.KeepAlive != 0 && (opt.KeepAlive < time.Second || opt.KeepAlive > time.Hour):
		return nil, fmt.Errorf("keep-alive: got %v, want 1s to 1h", opt.KeepAlive)
	}
	if opt.ClientID == "" {
		sum := sha256.Sum256([]byte(opt.Topic)) // at most 23 letters and digits are good for every broker: MQTT 3.1.1, 3.1.3.1
		opt.ClientID = fmt.Sprintf("moult%x", sum[:8])
	}
	if opt.KeepAlive == 0 {
		opt.KeepAlive = 30 * time.Second
	}
	if opt.Log == nil {
		opt.Log = func(string) {}
	}
	if opt.Queue == nil {
		opt.Queue = func(string, []string) string { return "" }
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Sleep == nil {
		opt.Sleep = clock.Sleep
	}
	if opt.Rand == nil {
		opt.Rand = rand.Float64
	}
	c := &Client{opt: opt, broker: broker, user: user, woken: make(chan struct{}, 1),
		came: make(chan command), served: make(chan struct{})}
	if opt.Home != nil {
		if c.home, err = newHome(*opt.Home, opt.Topic, opt.Commands != nil); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Wake says that there are new events in the outbox.
func (c *Client) Wake() {
	c.mu.Lock()
	c.unread = true
	c.mu.Unlock()
	c.wake()
}

// maxLive bounds the events that wait and are only told: what is late is of no use.
const maxLive = 16

// Tell sends an event that is only told, if the device is online; of an outbox's event, which has an id, it says that it is there.
func (c *Client) Tell(e update.Event) {
	if e.ID != "" {
		c.Wake()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.online {
		return
	}
	if last := len(c.live) - 1; last >= 0 && e.Kind == update.Progress && c.live[last].Kind == e.Kind && c.live[last].Module == e.Module {
		c.live[last] = e
	} else if c.live = append(c.live, e); len(c.live) > maxLive {
		c.live = c.live[1:]
	}
	c.wake()
}

func (c *Client) wake() {
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

func (c *Client) topic(name string) string { return c.opt.Topic + "/" + name }
