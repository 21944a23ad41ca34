package agent

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"moult/update"
)

// hands is a clock whose hands a test moves.
type hands struct {
	mu     sync.Mutex
	now    time.Time
	timers []timer
	waits  chan struct{} // one for each After
}

type timer struct {
	at   time.Time
	rang chan time.Time
}

func clockAt(text string) *hands {
	now, err := time.ParseInLocation("2006-01-02 15:04:05", text, time.UTC)
	if err != nil {
		panic(err)
	}
	return &hands{now: now, waits: make(chan struct{}, 1000)}
}

func (h *hands) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *hands) After(d time.Duration) <-chan time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := timer{h.now.Add(d), make(chan time.Time, 1)}
	if d <= 0 {
		t.rang <- h.now
	} else {
		h.timers = append(h.timers, t)
	}
	h.waits <- struct{}{}
	return t.rang
}

// toNext moves the hands to the next timer, once somebody waits for one.
func (h *hands) toNext() {
	<-h.waits
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.timers) == 0 {
		return
	}
	next := slices.MinFunc(h.timers, func(a, b timer) int { return a.at.Compare(b.at) }).at
	h.now = next
	h.timers = slices.DeleteFunc(h.timers, func(t timer) bool {
		if t.at.After(next) {
			return false
		}
		t.rang <- next
		return true
	})
}

// machine is a board that notes when it was restarted.
type machine struct {
	clock    *hands
	mu       sync.Mutex
	restarts []string
}

func (m *machine) Reboot(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.restarts = append(m.restarts, m.clock.Now().Format("15:04:05"))
	return nil
}
func (m *machine) Boot() (string, error)          { return "boot", nil }
func (m *machine) Uptime() (time.Duration, error) { return time.Hour, nil }

// forgetful is a memory in memory.
type forgetful struct{ boot string }

func (f *forgetful) CheckedBoot() (string, error)                     { return f.boot, nil }
func (f *forgetful) SetCheckedBoot(boot string) error                 { f.boot = boot; return nil }
func (f *forgetful) History(string, int) ([]update.Event, int, error) { return nil, 0, nil }
func (f *forgetful) Load(string) (update.State, error)                { return update.State{}, nil }

// wifi fails as often as it is told to.
type wifi struct {
	clock *hands
	fails int
	at    []string
}

func (w *wifi) Connect(context.Context, func()) error {
	w.at = append(w.at, w.clock.Now().Format("15:04:05"))
	if w.fails > 0 {
		w.fails--
		return errors.New("no network in range")
	}
	return nil
}

func bare(clock *hands) (*Agent, *machine) {
	m := &machine{clock: clock}
	return &Agent{
		Engine: &update.Engine{}, Memory: &forgetful{}, Clock: clock, Board: m, Panel: &Panel{}, Tell: func(update.Event) {},
		Lock:     func(_ context.Context, _ string, work func() error) error { return work() },
		Schedule: Schedule{Zone: time.UTC},
	}, m
}

// at is a time of day, to the minute.
func at(clock string) func(time.Time) bool {
	return func(t time.Time) bool { return t.Format("15:04") == clock }
}

func TestDailyRestart(t *testing.T) {
	tests := []struct {
		name, start string
		moves       int
		want        []string
	}{
		{"at its time, once a day", "2026-01-01 03:58:30", 24*60 + 10, []string{"04:00:00", "04:00:00"}},
		{"not again in the minute in which it came up", "2026-01-01 04:00:20", 3, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			clock := clockAt(test.start)
			a, m := bare(clock)
			a.Schedule.Restart = at("04:00")
			runFor(t, a, clock, test.moves)
			if !slices.Equal(m.restarts, test.want) {
				t.Errorf("got restarts at %v, want %v", m.restarts, test.want)
			}
		})
	}
}

// TestRestartTimeWithinARound lets a long round go on over the time of the daily restart, which comes after it then.
func TestRestartTimeWithinARound(t *testing.T) {
	clock := clockAt("2026-01-01 03:58:30")
	a, m := bare(clock)
	a.Schedule.Restart, a.Schedule.Every = at("04:00"), time.Minute
	rounds := 0
	a.Wifi = tried(func(func()) {
		if rounds++; rounds == 2 {
			clock.mu.Lock()
			clock.now = clock.now.Add(7 * time.Minute)
			clock.mu.Unlock()
		}
	})
	runFor(t, a, clock, 6)
	if len(m.restarts) != 1 {
		t.Errorf("got restarts at %v, want one", m.restarts)
	}
}

func TestRounds(t *testing.T) {
	tests := []struct {
		name, start string
		schedule    Schedule
		fails       int
		moves       int
		want        []string // when rounds began
	}{
		{"at the start only", "2026-01-01 12:00:00", Schedule{}, 0, 3, []string{"12:00:00"}},
		{"at intervals", "2026-01-01 12:00:00", Schedule{Every: 10 * time.Minute}, 0, 2, []string{"12:00:00", "12:10:00", "12:20:00"}},
		{"retried until the network is back, ever more seldom", "2026-01-01 12:00:00", Schedule{}, 3, 4, []string{"12:00:00", "12:00:15", "12:00:45", "12:01:45"}},
		{"in a window only", "2026-01-01 01:58:30", Schedule{Every: time.Hour, Allowed: at("02:00")}, 0, 4, []string{"02:00:00"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			clock := clockAt(test.start)
			a, _ := bare(clock)
			test.schedule.Zone = time.UTC
			w := &wifi{clock: clock, fails: test.fails}
			a.Schedule, a.Wifi = test.schedule, w
			runFor(t, a, clock, test.moves)
			if !slices.Equal(w.at, test.want) {
				t.Errorf("got rounds at %v, want %v", w.at, test.want)
			}
		})
	}
}

// TestNetworkIsToldOfOnce lets the network be down for days. It is told of when it goes, for another reason, and when it is back:
// the history is bounded, and must not be of nothing else.
func TestNetworkIsToldOfOnce(t *testing.T) {
	a, _ := bare(clockAt("2026-01-01 12:00:00"))
	var told []string
	a.Tell = func(e update.Event) {
		if e.Kind == Network {
			told = append(told, e.Text)
		}
	}
	for _, why := range []string{"", "none in range", "none in range", "none in range", "wrong password", "wrong password", "", "", "none in range"} {
		a.Wifi = fate(why)
		_ = a.round(t.Context(), round{})
	}
	want := []string{"network: none in range", "network: wrong password", "the network is back", "network: none in range"}
	if !slices.Equal(told, want) {
		t.Errorf("got %q, want %q", told, want)
	}
}

// fate is a network that is down for a reason; "" for one that is up.
type fate string

func (f fate) Connect(context.Context, func()) error {
	if f == "" {
		return nil
	}
	return errors.New(string(f))
}

// runFor runs an agent while the clock's hands move from timer to timer.
func runFor(t *testing.T, a *Agent, clock *hands, moves int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	for range moves {
		clock.toNext()
	}
	<-clock.waits // what the last move began has come to its end
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// TestWatchdogIsLeftHungry lets the routine hang: then the agent no longer says that it is alive, and is restarted.
func TestWatchdogIsLeftHungry(t *testing.T) {
	clock := clockAt("2026-01-01 12:00:00")
	a, _ := bare(clock)
	a.Wifi = hangs{}
	a.Beat = time.Minute
	alive := 0
	a.Alive = func() { alive++ }
	runFor(t, a, clock, 60)
	// One each minute until it is taken for stuck, and a few where the clock ran ahead of who looks at it; one that
	// went on would have given 60.
	if want := int(stuck / time.Minute); alive < want || alive > 2*want {
		t.Errorf("got %d signs of life in an hour from an agent that hangs, want some %d and no more", alive, want)
	}
}

// TestIdleAgentLives has nothing to do for a day, which is no reason to be restarted.
func TestIdleAgentLives(t *testing.T) {
	clock := clockAt("2026-01-01 12:00:00")
	a, _ := bare(clock)
	if err := a.round(t.Context(), round{}); err != nil {
		t.Fatal(err)
	}
	a.goesOn(false)
	clock.now = clock.now.Add(24 * time.Hour)
	if !a.isAlive() {
		t.Error("got it taken for stuck")
	}
}

// hangs is a network that never answers.
type hangs struct{}

func (hangs) Connect(ctx context.Context, _ func()) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestManyNetworksAreNotAHang lets Wi-Fi try one network after the other for an hour: that is no reason to be restarted.
func TestManyNetworksAreNotAHang(t *testing.T) {
	clock := clockAt("2026-01-01 12:00:00")
	a, _ := bare(clock)
	tries := 0
	a.Wifi = tried(func(goesOn func()) {
		for range 60 {
			goesOn()
			clock.now = clock.now.Add(time.Minute)
			if tries++; !a.isAlive() {
				t.Fatalf("got it taken for stuck in try %d", tries)
			}
		}
	})
	if err := a.round(t.Context(), round{}); err != nil || tries != 60 {
		t.Errorf("got %v after %d tries, want 60 and no error", err, tries)
	}
}

// tried is a network that a test connects to.
type tried func(goesOn func())

func (f tried) Connect(_ context.Context, goesOn func()) error { f(goesOn); return nil }

// TestRoundForOneModuleIsTriedAgain lets an update fail that a person asked for: it is tried again, as the routine's own is.
func TestRoundForOneModuleIsTriedAgain(t *testing.T) {
	clock := clockAt("2026-01-01 12:00:00")
	a, _ := bare(clock)
	w := &wifi{clock: clock}
	a.Wifi, a.rounds = w, make(chan round)
	ctx, stop := context.WithCancel(t.Context())
	first, ended := make(chan struct{}), make(chan struct{})
	go func() { a.routine(ctx, true, first); close(ended) }()
	<-first
	<-clock.waits
	w.fails = 1
	answer := make(chan result, 1)
	a.rounds <- round{modules: []string{"irrigation"}, result: answer}
	if got := <-answer; got.err == nil {
		t.Error("got no error from a round without a network")
	}
	clock.toNext()
	<-clock.waits
	stop()
	<-ended
	if want := []string{"12:00:00", "12:00:00", "12:00:15"}; !slices.Equal(w.at, want) {
		t.Errorf("got rounds at %v, want %v", w.at, want)
	}
}
