package update

import (
	"fmt"
	"time"
)

// Confirm keeps the version that is on trial. It is no error where none is.
func (e *Engine) Confirm(m *Module) error {
	s, _, err := e.load(m)
	if err != nil || s.Step != Trial {
		return err
	}
	if err := e.record(m, s, Event{Kind: Confirmed, Version: s.To, From: s.From, Text: fmt.Sprintf("%s is confirmed", s.To)}); err != nil {
		return err
	}
	s.Step, s.Since = Idle, time.Time{}
	return e.Journal.Save(m.Name, s)
}

// RollBack returns to the version in prev, for a reason that the event will give. The version that is left
// is not tried again until a newer one is out. Where prev is empty it is ErrNothingToGoBackTo, and nothing changes.
func (e *Engine) RollBack(m *Module, reason string) error {
	s, look, err := e.load(m)
	if err != nil {
		return err
	}
	if !look.Prev.There || !look.Main.There {
		return fmt.Errorf("%s: %w", m.Name, ErrNothingToGoBackTo)
	}
	s.Attempt++
	s.Step, s.From, s.To, s.Since, s.Reason = RollingBack, look.Main.Version, look.Prev.Version, e.Now(), reason
	if err := e.Journal.Save(m.Name, s); err != nil {
		return err
	}
	return e.rollBack(m, s)
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
	if err := e.record(m, s, Event{Kind: RolledBack, Version: s.To, From: s.From, Text: text, Reason: s.Reason}); err != nil {
		return err
	}
	s.Step, s.Since, s.Reason = Idle, time.Time{}, ""
	if !s.From.IsZero() {
		s.reject(s.From)
	}
	return e.Journal.Save(m.Name, s)
}
