package update

import (
	"errors"
	"fmt"

	"moult/release"
)

// Recover finishes or undoes what a cut left of an update or a roll back. It needs no network, and comes before
// any of the module's code runs and before every other verb. Where nothing was cut it changes nothing.
func (e *Engine) Recover(m *Module) error {
	s, err := e.Journal.Load(m.Name)
	if err == nil {
		err = e.recover(m, s)
	}
	if err != nil {
		return fmt.Errorf("recover %s: %w", m.Name, err)
	}
	return nil
}

func (e *Engine) recover(m *Module, s State) error {
	look, err := m.Slots.Look()
	if err != nil {
		return err
	}
	switch s.Step {
	case Trial:
		return nil
	case Idle:
		return e.tidy(m, s, look)
	case Fetching:
		e.tell(m, Event{Kind: Recovered, Version: s.To, Text: fmt.Sprintf("the download of %s was cut; it will begin anew", s.To)})
		return e.drop(m, &s)
	case Staged, Switching:
		if !look.Next.There && look.Main.Version.String() != s.To.String() {
			return e.lost(m, s)
		}
		e.tell(m, Event{Kind: Recovered, Version: s.To, Text: fmt.Sprintf("the switch to %s was cut; it is finished now", s.To)})
		return e.doSwitch(m, s, release.Fetched{})
	case RollingBack:
		e.tell(m, Event{Kind: Recovered, Version: s.To, Text: fmt.Sprintf("the way back to %s was cut; it is finished now", s.To)})
		err := e.rollBack(m, s)
		if errors.Is(err, ErrNothingToGoBackTo) { // somebody removed prev: what is main stays
			s.Step = Idle
			err = e.Journal.Save(m.Name, s)
		}
		return err
	}
	return fmt.Errorf("journal: got the step %q, want one of fetching, staged, switching, trial, rolling-back", s.Step)
}

// tidy drops a next that nobody waits for. Where main is missing and next is whole, another updater was cut between
// removing the one and renaming the other, and next is the module.
func (e *Engine) tidy(m *Module, s State, look Look) error {
	switch {
	case !look.Main.There && look.Next.There && !look.Next.Version.IsZero():
		s.Attempt++
		s.Step, s.From, s.To, s.Since = Switching, release.Version{}, look.Next.Version, e.Now()
		e.tell(m, Event{Kind: Recovered, Version: s.To, Text: fmt.Sprintf("main was gone and %s whole beside it: it is taken", s.To)})
		return e.doSwitch(m, s, release.Fetched{})
	case look.Next.There:
		return m.Slots.Discard()
	}
	return nil
}

// lost is for a staged version that somebody removed: the update is undone. Main is as it was.
func (e *Engine) lost(m *Module, s State) error {
	s.Step = Idle
	e.tell(m, Event{Kind: Recovered, Version: s.To, Text: fmt.Sprintf("the staged %s is gone; it will be fetched anew", s.To)})
	return e.Journal.Save(m.Name, s)
}
