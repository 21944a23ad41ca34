package agent

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"moult/disk/disktest"
	"moult/journal"
	"moult/release"
	"moult/update"
)

// bells is a clock that rings at once for the waits that a test names, and never for the others. It notes what was waited for.
type bells struct {
	mu    sync.Mutex
	now   time.Time
	rings func(time.Duration) bool
	asked []time.Duration
}

func (b *bells) Now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bells) After(d time.Duration) <-chan time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, d)
	rang := make(chan time.Time, 1)
	if b.rings(d) {
		b.now = b.now.Add(d)
		rang <- b.now
	}
	return rang
}

// waits returns what was waited for, but for the looks that a keeper takes all the time.
func (b *bells) waits() []time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(b.asked), func(d time.Duration) bool { return d == lookEvery })
}

func never(time.Duration) bool { return false }

// actor is a program that ends by itself as often as it is told to, and then stays up until it is stopped.
type actor struct {
	mu     sync.Mutex
	ends   int
	starts int
	stops  int
	up     chan struct{} // one for each start that stays up
}

func (p *actor) Start(context.Context) (<-chan string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starts++
	ended := make(chan string, 1)
	if p.ends > 0 {
		p.ends--
		ended <- "exit status 1"
	} else {
		p.up <- struct{}{}
	}
	return ended, nil
}

func (p *actor) Stop(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stops++
	return nil
}

func (p *actor) counts() (starts, stops int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.starts, p.stops
}

// shelf is the slots of a module, of which only the versions matter.
type shelf struct {
	update.Slots
	mu         sync.Mutex
	main, prev string
}

func (s *shelf) Look() (update.Look, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := func(version string) update.Copy {
		v, err := release.ParseVersion(version)
		return update.Copy{There: err == nil, Version: v}
	}
	return update.Look{Main: at(s.main), Prev: at(s.prev)}, nil
}

func (s *shelf) RollBack(release.Version, release.Version) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.main, s.prev = s.prev, ""
	return nil
}

// keeperRig is an agent of one module, whose keeper a test runs.
type keeperRig struct {
	t       *testing.T
	a       *Agent
	k       *keeper
	clock   *bells
	program *actor
	slots   *shelf
	journal *journal.Journal
}

// newKeeperRig makes one. What stands in prev is "" for none.
func newKeeperRig(t *testing.T, step update.Step, prev string) *keeperRig {
	r := &keeperRig{t: t, clock: &bells{now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), rings: never},
		program: &actor{up: make(chan struct{}, 10)}, slots: &shelf{main: "1.1", prev: prev}, journal: journal.New(disktest.New())}
	v, err := release.ParseVersion("1.1")
	if err == nil {
		err = r.journal.Save("m", update.State{Step: step, To: v, Attempt: 1})
	}
	if err != nil {
		t.Fatal(err)
	}
	r.a = &Agent{Engine: &update.Engine{Journal: r.journal, Now: r.clock.Now}, Memory: r.journal, Clock: r.clock, Tell: func(update.Event) {},
		Panel: &Panel{}, Lock: func(_ context.Context, _ string, work func() error) error { return work() }}
	m := &Module{Module: &update.Module{Name: "m", Slots: r.slots, Judged: true}, Program: r.program, Within: time.Minute, Starts: 3}
	r.k = newKeeper(r.a, m)
	m.Stop = r.k.stop
	r.a.Modules, r.a.keepers = []*Module{m}, map[string]*keeper{"m": r.k}
	return r
}

// run runs the keeper until the test ends.
func (r *keeperRig) run(first <-chan struct{}) {
	ctx, stop := context.WithCancel(r.t.Context())
	var all sync.WaitGroup
	all.Go(func() { r.k.run(ctx, first) })
	r.t.Cleanup(func() { stop(); all.Wait() })
}

// isUp waits until the program was started and stays up. The time is a net under a keeper that hangs.
func (r *keeperRig) isUp() {
	r.t.Helper()
	select {
	case <-r.program.up:
	case <-time.After(20 * time.Second):
		starts, stops := r.program.counts()
		r.t.Fatalf("the program is not up, after %d starts and %d stops", starts, stops)
	}
}

// step returns the module's.
func (r *keeperRig) step() update.Step {
	r.t.Helper()
	s, err := r.journal.Load("m")
	if err != nil {
		r.t.Fatal(err)
	}
	return s.Step
}

// over is a first round that is over.
func over() <-chan struct{} {
	first := make(chan struct{})
	close(first)
	return first
}

// TestRestartsAreEverMoreSeldom lets a program end again and again.
func TestRestartsAreEverMoreSeldom(t *testing.T) {
	r := newKeeperRig(t, update.Idle, "")
	r.program.ends = 9
	r.clock.rings = func(d time.Duration) bool { return d <= lastRestart && d != lookEvery && d != hold }
	r.run(over())
	r.isUp()
	want := []time.Duration{}
	for _, seconds := range []int{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		want = append(want, time.Duration(seconds)*time.Second)
	}
	if got := r.clock.waits(); !slices.Equal(got, want) {
		t.Errorf("got waits of %v, want %v", got, want)
	}
}

// TestProgramWaitsForTheFirstRoundAWhile lets the first round hang.
func TestProgramWaitsForTheFirstRoundAWhile(t *testing.T) {
	r := newKeeperRig(t, update.Idle, "")
	r.clock.rings = func(d time.Duration) bool { return d == 30*time.Second }
	r.run(nil)
	r.isUp()
}

// TestStoppedWhileItWaits asks for a program to stay away that has ended, and is about to be started again.
func TestStoppedWhileItWaits(t *testing.T) {
	r := newKeeperRig(t, update.Idle, "")
	r.program.ends = 1
	waits := make(chan struct{}, 1)
	r.clock.rings = func(d time.Duration) bool {
		if d == firstRestart {
			waits <- struct{}{}
		}
		return false
	}
	r.run(over())
	<-waits
	ctx, enough := context.WithTimeout(t.Context(), 20*time.Second) // a net under a keeper that is deaf
	defer enough()
	if err := r.k.stop(ctx); err != nil {
		t.Fatalf("got %v, want it stopped", err)
	}
	if starts, _ := r.program.counts(); starts != 1 {
		t.Errorf("got %d starts while it was to stay away, want the one before", starts)
	}
	r.k.release()
	r.isUp()
}

// TestWayBack is a verdict that the version on trial is bad, and what may have happened before it is carried out.
func TestWayBack(t *testing.T) {
	tests := []struct {
		name, prev string
		before     func(r *keeperRig) error // when the module's turn has come
		want       bool                     // something else runs from now on
		stops      int
		main       string
	}{
		{"there is a version before", "1.0", nil, true, 1, "1.0"},
		{"there is none: the program runs on", "", nil, false, 0, "1.1"},
		{"it was confirmed at the last moment", "1.0", func(r *keeperRig) error { return r.a.Engine.Confirm(r.k.m.Module) }, true, 0, "1.1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newKeeperRig(t, update.Trial, test.prev)
			r.a.Lock = func(_ context.Context, _ string, work func() error) error {
				if test.before != nil {
					if err := test.before(r); err != nil {
						return err
					}
				}
				return work()
			}
			if got := r.k.back(t.Context(), "it is sick"); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if _, stops := r.program.counts(); stops != test.stops {
				t.Errorf("got %d stops, want %d", stops, test.stops)
			}
			if look, _ := r.slots.Look(); look.Main.Version.String() != test.main {
				t.Errorf("got version %s, want %s", look.Main.Version, test.main)
			}
			if got := r.step(); got != update.Idle {
				t.Errorf("got step %q, want idle", got)
			}
		})
	}
}

// TestFirstVersionThatFailsRunsOn lets the health check of a first version fail to the end.
func TestFirstVersionThatFailsRunsOn(t *testing.T) {
	r := newKeeperRig(t, update.Trial, "")
	r.k.m.Health = func(context.Context) error { return errors.New("sick") }
	done := make(chan struct{})
	r.a.Engine.Tell = func(e update.Event) {
		if e.Kind == update.Failed {
			close(done)
		}
	}
	r.clock.rings = func(d time.Duration) bool { return d == judgeEvery }
	r.run(over())
	r.isUp()
	<-done
	if starts, stops := r.program.counts(); starts != 1 || stops > 1 { // one before the start: what ran may be the version before
		t.Errorf("got %d starts and %d stops, want that it runs on", starts, stops)
	}
}

// TestConfirmIsTriedAgain lets the disk be full just when a version is found good.
func TestConfirmIsTriedAgain(t *testing.T) {
	r := newKeeperRig(t, update.Trial, "1.0")
	r.clock.rings = func(d time.Duration) bool { return d == judgeEvery || d == confirmEvery }
	calls := 0
	r.a.Lock = func(_ context.Context, _ string, work func() error) error {
		if calls++; calls == 2 { // after the start that is counted
			return errors.New("no space left on device")
		}
		return work()
	}
	confirmed := make(chan struct{})
	r.a.Engine.Tell = func(e update.Event) {
		if e.Kind == update.Confirmed {
			close(confirmed)
		}
	}
	r.run(over())
	r.isUp()
	select {
	case <-confirmed:
	case <-time.After(20 * time.Second): // a net under a keeper that gave up
		t.Fatal("it was not confirmed when the disk took it again")
	}
}

// TestStoppedTwice asks for a program to stay away that does so already, as two steps of one update may.
func TestStoppedTwice(t *testing.T) {
	r := newKeeperRig(t, update.Idle, "")
	r.run(over())
	r.isUp()
	ctx, enough := context.WithTimeout(t.Context(), 20*time.Second) // a net under a keeper that waits for itself
	defer enough()
	for range 2 {
		if err := r.k.stop(ctx); err != nil {
			t.Fatalf("got %v, want it stopped", err)
		}
	}
	r.k.release()
	r.isUp()
	if _, stops := r.program.counts(); stops != 1 {
		t.Errorf("got %d stops, want one", stops)
	}
}

// TestOneAtAModule does work on a module, and tries to do other work on it meanwhile.
func TestOneAtAModule(t *testing.T) {
	r := newKeeperRig(t, update.Idle, "")
	gone, leave := context.WithCancel(t.Context())
	leave()
	beside := 0
	err := r.a.locked(t.Context(), r.k.m, func() error {
		for range 50 { // whoever finds the way free and its own end at once takes either
			_ = r.a.locked(gone, r.k.m, func() error { beside++; return nil })
		}
		return nil
	})
	if err != nil || beside > 0 {
		t.Errorf("got %v, and %d times other work beside it, want none", err, beside)
	}
	if err := r.a.locked(t.Context(), r.k.m, func() error { return nil }); err != nil {
		t.Errorf("afterwards: got %v", err)
	}
}
