package mqtt_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"moult/agent/mqtt"
	"moult/disk"
	"moult/journal"
	"moult/update"
)

// patience is a safety net: nothing waits for it where all is well.
const patience = 20 * time.Second

const topic = "moult/greenhouse-1"

// device is a client with a journal on a real disk, and what it logged.
type device struct {
	*mqtt.Client
	t       *testing.T
	journal *journal.Journal
	logged  *lines
	end     func() error // ends Run, and returns its error
}

// options are a client's that does not wait long between tries.
func options(t *testing.T, url string, j *journal.Journal, log *lines) mqtt.Options {
	return mqtt.Options{
		URL: url, Topic: topic, Outbox: j, Log: log.add,
		Sleep: func(ctx context.Context, _ time.Duration) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(10 * time.Millisecond):
				return nil
			}
		},
	}
}

func newJournal(t *testing.T) *journal.Journal {
	t.Helper()
	d, err := disk.OpenDir(t.TempDir())
	must(t, err)
	t.Cleanup(func() { d.Close() })
	return journal.New(d)
}

// run starts a client with options of its own.
func run(t *testing.T, url string, j *journal.Journal, change func(*mqtt.Options)) *device {
	t.Helper()
	log := &lines{}
	opt := options(t, url, j, log)
	if change != nil {
		change(&opt)
	}
	c, err := mqtt.New(opt)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	var once sync.Once
	var result error
	d := &device{Client: c, t: t, journal: j, logged: log}
	d.end = func() error {
		once.Do(func() {
			cancel()
			select {
			case result = <-ended:
			case <-time.After(patience):
				t.Fatal("Run does not end")
			}
		})
		return result
	}
	t.Cleanup(func() {
		_ = d.end() // a test that minds ends it itself
		if t.Failed() {
			t.Log("the device's log:\n" + log.String())
		}
	})
	return d
}

// record records events of these ids, and says that they are there.
func (d *device) record(ids ...string) {
	d.t.Helper()
	for _, id := range ids {
		must(d.t, d.journal.Record(event(id)))
		d.Wake()
	}
}

func event(id string) update.Event {
	return update.Event{ID: id, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Kind: update.Updated, Module: "irrigation", Text: "irrigation is <now> 1.10.0"}
}

func numbered(from, to int) (ids []string) {
	for i := from; i <= to; i++ {
		ids = append(ids, fmt.Sprint("e", i))
	}
	return ids
}

// message is one that a reader got.
type message struct {
	topic, payload string
	retained       bool
}

// reader is another client of the broker: it reads everything.
type reader struct {
	t      *testing.T
	link   paho.Client
	mu     sync.Mutex
	all    []message
	change chan struct{}
}

// read connects a reader with a session that outlives a connection.
func read(t *testing.T, host string) *reader { t.Helper(); return readAs(t, host, "reader") }

func readAs(t *testing.T, host, id string) *reader {
	t.Helper()
	r := &reader{t: t, change: make(chan struct{}, 1)}
	r.link = paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + host).SetClientID(id).SetCleanSession(false).
		SetMaxReconnectInterval(50 * time.Millisecond).SetDefaultPublishHandler(r.take))
	r.done(r.link.Connect())
	r.done(r.link.Subscribe("#", 1, nil))
	t.Cleanup(func() { r.link.Disconnect(0) })
	return r
}

func (r *reader) take(_ paho.Client, m paho.Message) {
	r.mu.Lock()
	r.all = append(r.all, message{m.Topic(), string(m.Payload()), m.Retained()})
	r.mu.Unlock()
	select {
	case r.change <- struct{}{}:
	default:
	}
}

// again waits until the reader is back at a broker that was gone, and forgot it.
func (r *reader) again() {
	r.t.Helper()
	for deadline := time.Now().Add(patience); !r.link.IsConnectionOpen(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatal("the reader does not come back")
		}
	}
	r.done(r.link.Subscribe("#", 1, nil))
}

func (r *reader) done(token paho.Token) {
	r.t.Helper()
	if !token.WaitTimeout(patience) || token.Error() != nil {
		r.t.Fatalf("the reader: %v", token.Error())
	}
}

// send publishes below the device's topic.
func (r *reader) send(name, payload string) {
	r.t.Helper()
	r.done(r.link.Publish(topic+"/"+name, 1, false, payload))
}

// wait waits until the payloads under a topic are as they should be, and returns them.
func (r *reader) wait(topic, what string, good func(payloads []string) bool) []string {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		if got := r.payloads(topic); good(got) {
			return got
		}
		select {
		case <-r.change:
		case <-deadline:
			r.t.Fatalf("%s: want %s; got %q", topic, what, r.payloads(topic))
		}
	}
}

func (r *reader) payloads(topic string) (payloads []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.all {
		if m.topic == topic {
			payloads = append(payloads, m.payload)
		}
	}
	return payloads
}

// waitLast waits until the last payload under a topic is this.
func (r *reader) waitLast(topic, want string) {
	r.t.Helper()
	r.wait(topic, want, func(got []string) bool { return len(got) > 0 && got[len(got)-1] == want })
}

// events waits for n different events and returns them as they came.
func (r *reader) events(n int) (events []update.Event) {
	r.t.Helper()
	payloads := r.wait(topic+"/log", fmt.Sprint(n, " different events"), func(got []string) bool {
		ids := map[string]bool{}
		for _, e := range decode(r.t, got) {
			ids[e.ID] = true
		}
		return len(ids) >= n
	})
	return decode(r.t, payloads)
}

func decode(t *testing.T, payloads []string) (events []update.Event) {
	t.Helper()
	for _, payload := range payloads {
		var e update.Event
		if err := json.Unmarshal([]byte(payload), &e); err != nil {
			t.Fatalf("%s: %v", payload, err)
		}
		events = append(events, e)
	}
	return events
}

// shown returns the ids that a reader shows who minds them: each once.
func shown(events []update.Event) (ids []string) {
	for _, e := range events {
		if !slices.Contains(ids, e.ID) {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// lines is a log.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, line)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all, "\n")
}

// wait waits until the log has a text.
func (l *lines) wait(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(patience); !strings.Contains(l.String(), want); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("log: got %q, want %q in it", l.String(), want)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
