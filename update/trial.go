package update

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Confirm keeps the version that is on trial. It is no error where none is.
func (e *Engine) Confirm(m *Module) error {
	s, _, err := e.load(m)
	if err != nil || s.Step != Trial {
		return err
	}
	e.record(m, s, Event{Kind: Confirmed, Version: s.To, From: s.From, Text: fmt.Sprintf("%s is confirmed", s.To)})
	s.Step, s.Since = Idle, time.Time{}
	return e.Journal.Save(m.Name, s)
}

// CountStart notes that the program of a version on trial is about to be started, and returns how often it was,
// this time too. It is written down first, so that a version that takes the board down with it is counted as well.
// Without a trial it is 0.
func (e *Engine) CountStart(m *Module) (starts int, err error) {
	s, _, err := e.load(m)
	if err != nil || s.Step != Trial {
		return 0, err
	}
	s.Starts++
	return s.Starts, e.Journal.Save(m.Name, s)
}

// RollBack returns to the version in prev, for a reason that the event will give. The version that is left
// is not tried again until a newer one is out. Where prev is empty it is ErrNothingToGoBackTo, and nothing changes,
// except that a trial ends: what nothing can replace stays.
func (e *Engine) RollBack(ctx context.Context, m *Module, reason string) error {
	s, look, err := e.load(m)
	if err != nil {
		return err
	}
	if !look.Prev.There {
		return errors.Join(fmt.Errorf("%s: %w", m.Name, ErrNothingToGoBackTo), e.stay(m, s, reason))
	}
	if err := m.stop(ctx); err != nil {
		return err
	}
	from := look.Main.Version
	if from.IsZero() && s.Step == Trial { // the version on trial removed what says its name
		from = s.To
	}
	s.Attempt++
	s.Step, s.From, s.To, s.Since, s.Reason = RollingBack, from, look.Prev.Version, e.Now(), short(reason)
	if err := e.Journal.Save(m.Name, s); err != nil {
		return err
	}
	return e.rollBack(m, s)
}

// stay ends the trial of a first version, which failed and has none before it.
func (e *Engine) stay(m *Module, s State, reason string) error {
	if s.Step != Trial {
		return nil
	}
	text := fmt.Sprintf("%s failed its trial and stays, as there is %v: %s", s.To, ErrNothingToGoBackTo, reason)
	e.record(m, s, Event{Kind: Failed, Version: s.To, Text: text, Reason: reason})
	s.Step, s.Since, s.Failure = Idle, time.Time{}, short(text)
	return e.Journal.Save(m.Name, s)
}

// rollBack goes the way back to its end. It is where a cut roll back is taken up again, too.
func (e *Engine) rollBack(m *Module, s State) error {
	if err := m.Slots.RollBack(s.From, s.To); err != nil {
		return err
	}
	text := fmt.Sprintf("rolled back from %s to %s", s.From, s.To)
	if s.To.IsZero() {
		text = fmt.Sprintf("rolled back from %s to what was there before", s.From)
	}
	if s.Reason != "" {
		text += ": " + s.Reason
	}
	e.record(m, s, Event{Kind: RolledBack, Version: s.To, From: s.From, Text: text, Reason: s.Reason})
	s.Step, s.Since, s.Reason = Idle, time.Time{}, ""
	if !s.From.IsZero() && s.From.String() != s.To.String() { // a version installed again is not the worse for it
		s.reject(s.From)
	}
	return e.Journal.Save(m.Name, s)
}
