package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"moult/update"
)

// keeper runs one module's program, starts it again when it ends, and judges a version that is on trial.
type keeper struct {
	a       *Agent
	m       *Module
	stops   chan stopping
	work    chan struct{} // holds one token: whoever has it may touch the module
	held    chan struct{} // while the program must not run; closed by release. Owned by whoever is at work
	starts  int           // of the program in the trial that attempt is; kept here as well, for a disk that takes nothing
	attempt int
	own     bool // the keeper itself is at work, and its program does not run. Likewise
}

// stopping asks a keeper to stop its program, and to start it only when resume is closed.
type stopping struct {
	done   chan error
	resume chan struct{}
}

// The waits before a program that ended is started again: doubled each time, up to the last.
const (
	firstRestart = time.Second
	lastRestart  = time.Minute
)

// The waits between two looks: at a trial's health and confirmation, and at what another process did to the module.
const (
	judgeEvery   = time.Second
	lookEvery    = 30 * time.Second
	confirmEvery = 10 * time.Second
)

// steady is how long a health check must hold without a break, or half of the trial's time where that is less:
// a program may answer well and crash a moment later.
const steady = 15 * time.Second

func newKeeper(a *Agent, m *Module) *keeper {
	return &keeper{a: a, m: m, stops: make(chan stopping), work: make(chan struct{}, 1)}
}

// stop is the module's update.Module.Stop: the program ends, and stays so until release.
func (k *keeper) stop(ctx context.Context) error {
	if k.own || k.held != nil {
		return nil
	}
	s := stopping{make(chan error, 1), make(chan struct{})}
	select {
	case k.stops <- s:
	case <-ctx.Done():
		return ctx.Err()
	}
	k.held = s.resume
	return <-s.done
}

// release lets the program start again. It comes after the work that may have stopped it.
func (k *keeper) release() {
	if k.held != nil {
		close(k.held)
		k.held = nil
	}
}

// run keeps the program running until ctx ends. It waits for the first round, but not long.
func (k *keeper) run(ctx context.Context, first <-chan struct{}) {
	select {
	case <-ctx.Done():
		return
	case <-first:
	case <-k.a.Clock.After(hold):
	case s := <-k.stops:
		k.halt(ctx, s)
	}
	failures, last := 0, ""
	for ctx.Err() == nil {
		state, err := k.a.Memory.Load(k.m.Name)
		if err == nil && state.Step == update.Trial && !k.mayStart(ctx, state, last) {
			failures, last = 0, ""
			continue
		}
		text, ended := k.once(ctx, state)
		if !ended {
			failures, last = 0, ""
			continue
		}
		last = text
		if failures < 3 || failures&(failures-1) == 0 { // one that never stays up must not fill the history
			k.a.tell(k.m.Name, Exited, text)
		}
		k.wait(ctx, min(firstRestart<<min(failures, 10), lastRestart))
		failures++
	}
}

// mayStart counts the start of a version on trial. Where it was started often enough it goes back.
func (k *keeper) mayStart(ctx context.Context, state update.State, last string) bool {
	if k.attempt != state.Attempt {
		k.attempt, k.starts = state.Attempt, 0
	}
	before := k.starts
	held, err := k.locked(ctx, func() error {
		starts, err := k.a.Engine.CountStart(k.m.Module)
		k.starts = max(k.starts+1, starts)
		return err
	})
	if held {
		return false
	}
	if k.starts == before {
		k.starts++
	}
	if err != nil { // a disk that takes nothing must keep neither the program from starting, nor the trial from ending
		k.a.tell(k.m.Name, update.Failed, err.Error())
	}
	if k.starts > k.m.Starts {
		reason := fmt.Sprintf("it was started %d times and nothing confirmed it", k.m.Starts)
		if last != "" {
			reason = fmt.Sprintf("it did not stay up in %d starts: %s", k.m.Starts, last)
		}
		return !k.back(ctx, reason)
	}
	return true
}

// once runs the program until it ends by itself, with the text that says how, or until something else ends it.
func (k *keeper) once(ctx context.Context, state update.State) (text string, ended bool) {
	var end <-chan string
	if k.m.Program != nil {
		if state.Step == update.Trial { // what runs may still be the version before, where another process switched
			if err := k.stopProgram(); err != nil {
				return err.Error(), true
			}
		}
		var err error
		if end, err = k.m.Program.Start(ctx); err != nil {
			return err.Error(), true
		}
	}
	judging, done := context.WithCancel(ctx)
	defer done()
	var verdict <-chan error
	if state.Step == update.Trial {
		verdict = k.judge(judging)
	}
	for {
		select {
		case <-ctx.Done():
			k.leave()
			return "", false
		case s := <-k.stops:
			k.halt(ctx, s)
			return "", false
		case text := <-end:
			return text, true
		case err := <-verdict:
			verdict = nil
			if err != nil {
				if !k.back(ctx, err.Error()) {
					continue // there is nothing to go back to: it runs on
				}
				return "", false
			}
			held, err := k.locked(ctx, func() error { return k.a.Engine.Confirm(k.m.Module) })
			if held {
				return "", false
			}
			if err != nil { // as on a full disk: it is tried again until the journal has it
				k.a.tell(k.m.Name, update.Failed, err.Error())
				verdict = k.later(judging)
				continue
			}
			state.Step = update.Idle
		case <-k.a.Clock.After(lookEvery):
			now, err := k.a.Memory.Load(k.m.Name)
			if err == nil && now.Attempt != state.Attempt && (now.Step == update.Idle || now.Step == update.Trial) {
				k.stopProgram() // a person updated or rolled back beside the agent: what runs is not what is installed
				return "", false
			}
		}
	}
}

// judge tells once whether the version on trial is good. A trial that someone else ended is good: then there is nothing to do.
func (k *keeper) judge(ctx context.Context) <-chan error {
	verdict := make(chan error, 1)
	deadline := k.a.Clock.Now().Add(k.m.Within)
	go func() {
		var sick error
		var well time.Time // since when the check has held; zero while it does not
		for ctx.Err() == nil {
			if state, err := k.a.Memory.Load(k.m.Name); err == nil && state.Step != update.Trial {
				verdict <- nil
				return
			}
			if k.m.Health != nil {
				now := k.a.Clock.Now()
				if sick = k.m.Health(ctx); sick != nil {
					well = time.Time{}
				} else if well.IsZero() {
					well = now
				}
				if !well.IsZero() && !k.m.Confirm && k.a.Clock.Now().Sub(well) >= min(k.m.Within/2, steady) {
					verdict <- nil
					return
				}
			}
			if left := deadline.Sub(k.a.Clock.Now()); left <= 0 {
				verdict <- k.late(sick)
				return
			}
			select {
			case <-ctx.Done():
			case <-k.a.Clock.After(judgeEvery):
			}
		}
	}()
	return verdict
}

// late is the verdict when the time is over. Where nothing else judges, having stayed alive is good.
func (k *keeper) late(sick error) error {
	switch {
	case sick != nil:
		return fmt.Errorf("its health check failed for %s: %w", k.m.Within, sick)
	case k.m.Confirm:
		return fmt.Errorf("it did not confirm itself within %s", k.m.Within)
	}
	return nil
}

// later says after a while that the version is good, which was found already.
func (k *keeper) later(ctx context.Context) <-chan error {
	verdict := make(chan error, 1)
	go func() {
		select {
		case <-ctx.Done():
		case <-k.a.Clock.After(confirmEvery):
			verdict <- nil
		}
	}()
	return verdict
}

// back returns to the version before. It reports false where there is none, and the program goes on.
func (k *keeper) back(ctx context.Context, reason string) bool {
	if talker, ok := k.m.Program.(Talker); ok && !strings.Contains(reason, "\n") {
		if said := talker.Said(); said != "" && !strings.Contains(reason, said) {
			reason += "; it printed: " + said
		}
	}
	for ctx.Err() == nil {
		k.a.Panel.show(working)
		held, err := k.locked(ctx, func() error {
			k.own = true
			defer func() { k.own = false }()
			state, err := k.a.Memory.Load(k.m.Name)
			if err != nil || state.Step != update.Trial {
				return err // confirmed at the last moment, or ended by somebody else
			}
			if err := k.canGoBack(); err != nil {
				return k.a.Engine.RollBack(ctx, k.m.Module, reason) // which ends the trial, and says so
			}
			k.stopProgram()
			return k.a.Engine.RollBack(ctx, k.m.Module, reason)
		})
		switch {
		case held:
			return true
		case errors.Is(err, update.ErrNothingToGoBackTo):
			return false
		case err == nil:
			k.a.Panel.show(wentBack)
			return true
		}
		k.a.tell(k.m.Name, update.Failed, err.Error())
		k.wait(ctx, lastRestart)
	}
	return true
}

func (k *keeper) canGoBack() error {
	look, err := k.m.Slots.Look()
	if err == nil && !look.Prev.There {
		err = update.ErrNothingToGoBackTo
	}
	return err
}

// locked does work that touches the module, while nobody else does. Where the program is to be stopped for another's work
// first, that is done, and held says that what was to be done may no longer be right.
func (k *keeper) locked(ctx context.Context, work func() error) (held bool, err error) {
	select {
	case <-ctx.Done():
		return true, nil
	case s := <-k.stops:
		k.stopProgram()
		k.halt(ctx, s)
		return true, nil
	case k.work <- struct{}{}:
	}
	defer func() { <-k.work }()
	return false, k.a.Lock(ctx, k.m.Name, work)
}

// halt stops the program for another's work, and waits until that is done.
func (k *keeper) halt(ctx context.Context, s stopping) {
	s.done <- k.stopProgram()
	select {
	case <-s.resume:
	case <-ctx.Done():
	}
}

// leave is the end of the agent: what cannot outlive it is stopped.
func (k *keeper) leave() {
	if lasting, ok := k.m.Program.(Lasting); ok {
		lasting.Leave()
		return
	}
	_ = k.stopProgram() // a program that does not end is killed
}

// stopProgram stops the program even where the agent itself is ending.
func (k *keeper) stopProgram() error {
	if k.m.Program == nil {
		return nil
	}
	return k.m.Program.Stop(context.Background())
}

// wait lets time pass, unless the program is asked to stay away meanwhile.
func (k *keeper) wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-k.a.Clock.After(d):
	case s := <-k.stops:
		k.halt(ctx, s)
	}
}
