package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"moult/update"
)

// round is one run of the routine.
type round struct {
	modules []string // nil for all
	opt     update.Options
	result  chan<- result // nil where nobody asked
}

// result is what a round came to.
type result struct {
	text string
	err  error
}

// routine runs rounds: the first at the start, then at intervals, after failures, and when a person asks.
// It closes first when the first round is over.
func (a *Agent) routine(ctx context.Context, powerOn bool, first chan<- struct{}) {
	failures := 0
	due := time.Time{}    // of the next round; zero for none
	seen := a.Clock.Now() // up to when the time of the daily restart was looked for
	plan := func(err error) {
		switch {
		case err != nil:
			failures++
			due = a.Clock.Now().Add(retry(failures))
		case a.Schedule.Every > 0:
			failures, due = 0, a.Clock.Now().Add(a.Schedule.Every)
		default:
			failures, due = 0, time.Time{}
		}
	}
	a.Panel.show(working)
	switch {
	case a.Schedule.PowerOnOnly && !powerOn:
		a.Panel.show(settled)
		plan(nil)
	case !a.Schedule.allowed(a.Clock.Now()):
		a.Panel.show(settled)
		due = a.Clock.Now() // the window's next opening
	default:
		plan(a.round(ctx, round{}))
	}
	close(first)
	for ctx.Err() == nil {
		now := a.Clock.Now()
		if a.Schedule.restartCame(seen, now) {
			a.restart(ctx, "it is restarted every day at this time")
		}
		seen = now
		if !due.IsZero() && !now.Before(due) && a.Schedule.allowed(now) {
			plan(a.round(ctx, round{}))
			continue
		}
		a.goesOn(false)
		wait := time.Hour
		if a.Schedule.Restart != nil || !due.IsZero() && a.Schedule.Allowed != nil {
			wait = untilMinute(now)
		}
		if !due.IsZero() && a.Schedule.allowed(now) {
			wait = min(wait, due.Sub(now))
		}
		select {
		case <-ctx.Done():
			return
		case r := <-a.rounds:
			err := a.round(ctx, r)
			if len(r.modules) == 0 || err != nil { // what failed is tried again, whoever began it
				plan(err)
			}
		case <-a.Clock.After(wait):
		}
	}
}

// round brings the device online, and checks and updates the modules. Yellow is on while it runs and after it failed.
func (a *Agent) round(ctx context.Context, r round) error {
	a.goesOn(true)
	a.Panel.show(working)
	text, changed, err := a.doRound(ctx, r)
	if r.result != nil {
		r.result <- result{text, err}
	}
	switch {
	case err != nil: // yellow stays on
	case changed:
		a.Panel.show(settled, updated)
	default:
		a.Panel.show(settled, nothingNew)
	}
	return err
}

func (a *Agent) doRound(ctx context.Context, r round) (text string, changed bool, err error) {
	if a.Board != nil {
		if boot, err := a.Board.Boot(); err == nil {
			if before, err := a.Memory.CheckedBoot(); err != nil || before != boot {
				if err := a.Memory.SetCheckedBoot(boot); err != nil {
					a.tell("", update.Failed, err.Error())
				}
			}
		}
	}
	if a.Wifi != nil {
		if err := a.connect(ctx); err != nil {
			return "", false, err
		}
	}
	var failed []error
	var texts []string
	for _, m := range a.Modules {
		if len(r.modules) > 0 && !slices.Contains(r.modules, m.Name) {
			continue
		}
		a.goesOn(true)
		var plan update.Plan
		err := a.change(ctx, m, func() (err error) {
			plan, err = a.Engine.Update(ctx, m.Module, r.opt)
			return err
		})
		switch {
		case err != nil:
			failed = append(failed, err)
		case plan.Changes():
			changed = true
			texts = append(texts, fmt.Sprintf("%s is now %s", m.Name, plan.Release.Version))
		default:
			texts = append(texts, m.Name+": "+plan.String())
		}
	}
	return strings.Join(texts, "\n"), changed, errors.Join(failed...)
}

// connect brings the device online. The same trouble is told of once, however long it lasts: its events would push all others out of
// the history.
func (a *Agent) connect(ctx context.Context) error {
	err := a.Wifi.Connect(ctx, a.Progress)
	if err != nil {
		err = fmt.Errorf("network: %w", err)
	}
	switch {
	case err == nil && a.trouble != "":
		a.trouble = ""
		a.tell("", Network, "the network is back")
	case err != nil && a.trouble != err.Error():
		a.trouble = err.Error()
		a.tell("", Network, a.trouble)
	}
	return err
}

// change does work that may stop a module's program, and lets the program start again.
func (a *Agent) change(ctx context.Context, m *Module, work func() error) error {
	return a.locked(ctx, m, func() error {
		defer a.keepers[m.Name].release()
		return work()
	})
}

// restart restarts the machine. What is under way is finished or undone at the next start.
func (a *Agent) restart(ctx context.Context, why string) error {
	if a.Board == nil {
		return errors.New("restart: this machine cannot be restarted by the agent")
	}
	a.tell("", Restarting, "the machine is restarted: "+why)
	if err := a.Board.Reboot(ctx); err != nil {
		err = fmt.Errorf("restart: %w", err)
		a.tell("", update.Failed, err.Error())
		return err
	}
	return nil
}
