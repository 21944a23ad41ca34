package mqtt_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"moult/agent/mqtt"
	"moult/agent/mqtt/brokertest"
	"moult/update"
)

func TestEvents(t *testing.T) {
	b := brokertest.Start(t, brokertest.Config{})
	r := read(t, b.Host)
	d := run(t, "mqtt://"+b.Host, newJournal(t), nil)
	r.waitLast(topic+"/status", "online")
	d.record(numbered(1, 100)...)
	events := r.events(100)
	for i, e := range events {
		if want := fmt.Sprint("e", i+1); e.ID != want || e.Seq != uint64(i+1) {
			t.Fatalf("event %d: got %s with the number %d, want %s", i, e.ID, e.Seq, want)
		}
	}
	want := `{"id":"e1","seq":1,"time":"2026-01-02T03:04:05Z","event":"updated","module":"irrigation","text":"irrigation is <now> 1.10.0"}`
	if got := r.payloads(topic + "/log")[0]; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	must(t, d.end())
	r.waitLast(topic+"/status", "offline")
	if sent, err := d.journal.Sent(); err != nil || sent != 100 {
		t.Errorf("sent: got %d, %v; want 100", sent, err)
	}
	if got := d.logged.String(); got != "mqtt: "+b.Host+": online" {
		t.Errorf("log: got %q", got)
	}
}

// TestWhileOffline: what happened while there was no broker comes when there is one.
func TestWhileOffline(t *testing.T) {
	b := brokertest.Start(t, brokertest.Config{})
	b.Stop()
	d := run(t, "mqtt://"+b.Host, newJournal(t), nil)
	d.record(numbered(1, 40)...)
	d.logged.wait(t, "connection refused")
	b.Restart()
	d.logged.wait(t, "online")
	r := read(t, b.Host)
	d.record(numbered(41, 60)...)
	r.events(1) // the first 40 came when nobody read
	must(t, d.end())
	if sent, err := d.journal.Sent(); err != nil || sent != 60 {
		t.Errorf("sent: got %d, %v; want 60", sent, err)
	}
	if n := strings.Count(d.logged.String(), "connection refused"); n != 1 {
		t.Errorf("the same trouble is logged %d times, want once:\n%s", n, d.logged)
	}
}

// TestBrokerKilled kills the broker in the middle of many events, several times. The reader has a session that the broker
// kept before; it is connected whenever the broker is killed, as mosquitto forgets what it holds for others then.
func TestBrokerKilled(t *testing.T) {
	b := brokertest.Start(t, brokertest.Config{Persistence: true, Lines: []string{"max_queued_messages 0"}})
	r := read(t, b.Host)
	b.Stop() // which keeps the reader's session
	b.Restart()
	d := run(t, "mqtt://"+b.Host, newJournal(t), nil)
	const n, rounds = 600, 4
	var recorded sync.WaitGroup
	recorded.Go(func() { d.record(numbered(1, n)...) })
	for round := 1; round <= rounds; round++ {
		r.events(n / (rounds + 1) * round)
		b.Kill()
		b.Restart()
		r.again()
	}
	recorded.Wait()
	events := r.events(n)
	if got, want := shown(events), numbered(1, n); !slices.Equal(got, want) {
		t.Errorf("shown: got %d events, want %d in order: %q", len(got), len(want), got)
	}
	t.Logf("%d events came as %d messages", n, len(events))
	must(t, d.end())
}

// forgetful is an outbox of a device whose power goes before it keeps what was sent.
type forgetful struct {
	mqtt.Outbox
	from uint64
}

func (f *forgetful) SetSent(seq uint64) error {
	if seq >= f.from {
		return errors.New("the power is cut")
	}
	return f.Outbox.SetSent(seq)
}

// TestCutBeforeSent: an event that the broker has, but the device does not know that, comes again as the same.
func TestCutBeforeSent(t *testing.T) {
	b := brokertest.Start(t, brokertest.Config{})
	r := read(t, b.Host)
	j := newJournal(t)
	first := run(t, "mqtt://"+b.Host, j, func(opt *mqtt.Options) { opt.Outbox = &forgetful{j, 3} })
	first.record(numbered(1, 3)...)
	r.events(3)
	must(t, first.end())
	second := run(t, "mqtt://"+b.Host, j, nil)
	second.record("e4")
	events := r.events(4)
	if len(events) != 5 || events[2] != events[3] || events[3].ID != "e3" {
		t.Errorf("got %v, want the third event twice, with the same id and number", events)
	}
	if got := shown(events); !slices.Equal(got, numbered(1, 4)) {
		t.Errorf("shown: got %q", got)
	}
	must(t, second.end())
}

// TestCutBeforeDelivered: what the broker does not have was not sent, however the device ends; nor is anything forgotten
// that was announced, or may have been.
func TestCutBeforeDelivered(t *testing.T) {
	b := brokertest.Start(t, brokertest.Config{})
	r := read(t, b.Host)
	l := brokertest.NewLink(b)
	j := newJournal(t)
	d := run(t, "mqtt://"+l.Host, j, nil)
	d.logged.wait(t, "online")
	l.Freeze()
	d.record("e1")
	if err := d.end(); err == nil || !strings.Contains(err.Error(), "say goodbye to the broker: it took more than 3s") {
		t.Errorf("end: got %v", err)
	}
	if sent, err := j.Sent(); err != nil || sent != 0 {
		t.Errorf("sent: got %d, %v; want none", sent, err)
	}
	l.Thaw()

	second := run(t, "mqtt://"+l.Host, j, atHome(j, &done{}))
	r.events(1)
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) { // the link is frozen once nothing is on its way
		if sent, err := j.Sent(); err != nil || time.Now().After(deadline) {
			t.Fatalf("sent: got %d, %v; want 1", sent, err)
		} else if sent == 1 {
			break
		}
	}
	l.Freeze()
	second.Announce([]mqtt.Module{{Name: "irrigation"}})
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if announced, err := j.Announced(); err != nil || time.Now().After(deadline) {
			t.Fatalf("what may have been announced is not remembered: %v", err)
		} else if len(announced) > 0 {
			break
		}
	}
	l.Thaw()
	r.wait(configTopic, "the configuration", func(got []string) bool { return len(got) == 1 })
}

// TestAcknowledgementLost breaks the link where the broker has an event and the device does not know.
func TestAcknowledgementLost(t *testing.T) {
	b := brokertest.Start(t, brokertest.Config{})
	r := read(t, b.Host)
	l := brokertest.NewLink(b)
	var acks atomic.Int32
	l.Judge(func(fromClient bool, kind byte) brokertest.Fate {
		if !fromClient && kind == brokertest.Puback && acks.Add(1)%5 == 0 {
			return brokertest.Break
		}
		return brokertest.Pass
	})
	d := run(t, "mqtt://"+l.Host, newJournal(t), nil)
	d.record(numbered(1, 30)...)
	events := r.events(30)
	if got := shown(events); !slices.Equal(got, numbered(1, 30)) {
		t.Errorf("shown: got %q", got)
	}
	if len(events) == 30 {
		t.Error("nothing came twice: the acknowledgements were not lost")
	}
	l.Judge(nil)
	must(t, d.end())
}

// TestDeadLink: a link over which nothing comes any more is given up.
func TestDeadLink(t *testing.T) {
	b := brokertest.Start(t, brokertest.Config{})
	r := read(t, b.Host)
	l := brokertest.NewLink(b)
	thawed := make(chan struct{})
	d := run(t, "mqtt://"+l.Host, newJournal(t), func(opt *mqtt.Options) {
		opt.KeepAlive = time.Second
		opt.Sleep = func(context.Context, time.Duration) error {
			<-thawed
			return nil
		}
	})
	d.logged.wait(t, "online")
	l.Freeze()
	d.record("e1")
	d.logged.wait(t, "connection lost: pingresp not received")
	l.Thaw()
	close(thawed)
	if got := shown(r.events(1)); !slices.Equal(got, []string{"e1"}) {
		t.Errorf("shown: got %q", got)
	}
	r.waitLast(topic+"/status", "online")
}

// TestLostEvents: events that the history could not hold until the broker was back are told of.
func TestLostEvents(t *testing.T) {
	b := brokertest.Start(t, brokertest.Config{})
	r := read(t, b.Host)
	j := newJournal(t)
	must(t, j.Record(event("e1")))
	must(t, j.SetSent(1))
	for _, id := range numbered(2, 60) {
		e := event(id)
		e.Reason = strings.Repeat("x", 30<<10)
		must(t, j.Record(e))
	}
	_, dropped, err := j.Since(1, 1)
	must(t, err)
	d := run(t, "mqtt://"+b.Host, j, nil)
	events := r.events(60 - int(dropped))
	e := events[0]
	want := update.Event{
		ID: fmt.Sprintf("dropped-2-%d", dropped+1), Seq: dropped + 1, Time: e.Time, Kind: update.Dropped,
		Text: fmt.Sprintf("%d events are lost: the history was full before they could be sent", dropped),
	}
	if e != want {
		t.Errorf("got  %+v\nwant %+v", e, want)
	}
	if next := events[1]; next.ID != fmt.Sprint("e", dropped+2) || len(next.Reason) > 10<<10 {
		t.Errorf("got %s with a reason of %d bytes, want the first that is kept, cut", next.ID, len(next.Reason))
	}
	must(t, d.end())
	if n := len(decode(t, r.payloads(topic+"/log"))); n != 60-int(dropped) {
		t.Errorf("got %d messages, want the notice and %d events", n, 59-dropped)
	}
}

// TestTell: events that are not kept are sent while the device is online, and not later.
func TestTell(t *testing.T) {
	b := brokertest.Start(t, brokertest.Config{})
	r := read(t, b.Host)
	b.Stop()
	d := run(t, "mqtt://"+b.Host, newJournal(t), nil)
	d.logged.wait(t, "connection refused")
	d.Tell(update.Event{Kind: update.Checked, Module: "irrigation", Text: "while offline"})
	b.Restart()
	d.logged.wait(t, "online")
	r.again()
	d.Tell(update.Event{Kind: update.Progress, Module: "irrigation", Text: "half", Received: 1, Total: 2})
	must(t, d.journal.Record(event("e1")))
	d.Tell(event("e1")) // of the outbox: it is there, and comes once, with its number
	events := r.wait(topic+"/log", "two events", func(got []string) bool { return len(got) == 2 })
	must(t, d.end())
	slices.Sort(events)
	if e := decode(t, events); e[0].Seq != 1 || e[1].Text != "half" || len(r.payloads(topic+"/log")) != 2 {
		t.Errorf("got %q, want the two from after the connection", r.payloads(topic+"/log"))
	}
}

// TestLastWill: a device that is gone is offline by the broker's word.
func TestLastWill(t *testing.T) {
	b := brokertest.Start(t, brokertest.Config{})
	r := read(t, b.Host)
	l := brokertest.NewLink(b)
	d := run(t, "mqtt://"+l.Host, newJournal(t), nil)
	r.waitLast(topic+"/status", "online")
	l.Judge(func(fromClient bool, _ byte) brokertest.Fate {
		if fromClient {
			return brokertest.Break // it cannot come back, nor say goodbye
		}
		return brokertest.Pass
	})
	l.Cut()
	r.waitLast(topic+"/status", "offline")
	_ = d.end() // whether it noticed in the middle of its farewell that the link is gone is chance

	late := readAs(t, b.Host, "late")
	late.waitLast(topic+"/status", "offline")
	if late.mu.Lock(); !late.all[0].retained {
		t.Error("the status is not retained")
	}
	late.mu.Unlock()
}
