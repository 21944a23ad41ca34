package update

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"moult/fault"
	"moult/release"
)

// Engine carries the verbs out, for one module after another. One at a time may work on a module.
type Engine struct {
	Journal Journal
	Now     func() time.Time
	Sleep   func(ctx context.Context, d time.Duration) error // returns early with ctx's error
	Tell    func(Event)                                      // told of every event as it happens; may be nil
}

// Module is what the engine knows of a module.
type Module struct {
	Name       string
	Repository string // the URL that a manifest names, without user or password
	Source     release.Source
	Slots      Slots
	Channel    release.Channel
	Want       release.Want
	AssetFor   func(release.Version) (string, error) // the asset's name in a release; nil where the tree is installed
	Judged     bool                                  // a new version is on trial: something confirms it or rolls it back
	Stop       func(ctx context.Context) error       // ends the module's program before its main changes; may be nil
}

// tries bounds how often one update begins a download, and pause is the longest wait before the second;
// each further wait may be twice as long. The source itself has tried each request several times.
const (
	tries = 3
	pause = 2 * time.Second
)

// load reads the state, and refuses to go on from one that Recover has not ended.
func (e *Engine) load(m *Module) (State, Look, error) {
	s, err := e.Journal.Load(m.Name)
	if err != nil {
		return State{}, Look{}, fmt.Errorf("journal of %s: %w", m.Name, err)
	}
	if s.Step != Idle && s.Step != Trial {
		return State{}, Look{}, fmt.Errorf("%s: was cut while %s and is not recovered", m.Name, s.Step)
	}
	look, err := m.Slots.Look()
	return s, look, err
}

// Update checks, and where there is something to do, fetches, stages and switches. The plan that it returns says what
// it did, or why nothing. After an error main is what it was.
func (e *Engine) Update(ctx context.Context, m *Module, opt Options) (Plan, error) {
	s, look, err := e.load(m)
	if err != nil {
		return Plan{}, err
	}
	plan, err := e.check(ctx, m, &s, look, opt)
	if err == nil && plan.Changes() {
		err = e.install(ctx, m, s, plan)
	}
	if err != nil {
		err = fmt.Errorf("update %s: %w", m.Name, err)
		return plan, e.failed(ctx, m, plan, err)
	}
	if s.Failure != "" && !plan.Changes() { // install saves its own end
		s.Failure = ""
		err = e.Journal.Save(m.Name, s)
	}
	return plan, err
}

func (e *Engine) install(ctx context.Context, m *Module, s State, plan Plan) error {
	s.Attempt++
	s.Step, s.From, s.To, s.Since, s.Reason = Fetching, plan.Installed, plan.Release.Version, e.Now(), ""
	if err := e.Journal.Save(m.Name, s); err != nil {
		return err
	}
	fetched, err := e.stage(ctx, m, plan.Release)
	if err != nil {
		return err
	}
	s.Step = Staged
	if err := e.Journal.Save(m.Name, s); err != nil {
		return err
	}
	if err := m.stop(ctx); err != nil {
		return err
	}
	return e.doSwitch(m, s, fetched)
}

// stop ends the module's program, so that nothing runs from a main that is about to change.
func (m *Module) stop(ctx context.Context) error {
	if m.Stop == nil {
		return nil
	}
	if err := m.Stop(ctx); err != nil {
		return fmt.Errorf("stop the program: %w", err)
	}
	return nil
}

// stage fetches a release into next, and begins anew where a download broke in a way that may pass.
func (e *Engine) stage(ctx context.Context, m *Module, r release.Release) (release.Fetched, error) {
	e.tell(m, Event{Kind: Began, Version: r.Version, Text: fmt.Sprintf("fetching %s", r.Version)})
	for try := 1; ; try++ {
		fetched, err := e.stageOnce(ctx, m, r)
		if err == nil || !fault.IsTransient(err) || try == tries || ctx.Err() != nil {
			return fetched, err
		}
		wait := rand.N(pause << (try - 1))
		e.tell(m, Event{Kind: Retrying, Version: r.Version, Reason: err.Error(), Text: fmt.Sprintf("trying again (%d of %d): %v", try+1, tries, err)})
		if err := e.Sleep(ctx, wait); err != nil {
			return fetched, err
		}
	}
}

func (e *Engine) stageOnce(ctx context.Context, m *Module, r release.Release) (release.Fetched, error) {
	want, expect := m.Want, int64(0)
	if m.AssetFor != nil {
		asset, err := m.AssetFor(r.Version)
		if err != nil {
			return release.Fetched{}, err
		}
		want.Asset = asset
		for _, a := range r.Assets {
			if a.Name == asset {
				expect = a.Size
			}
		}
	}
	want.Progress = func(received, total int64) {
		e.tell(m, Event{Kind: Progress, Version: r.Version, Received: received, Total: max(total, 0)})
	}
	var fetched release.Fetched
	head := release.Manifest{Module: m.Name, Version: r.Version, Repository: m.Repository}
	guard := release.NewGuard(want.Limits)
	manifest, err := m.Slots.Stage(ctx, head, expect, func(put func(release.File) error) (string, error) {
		var err error
		fetched, err = m.Source.Fetch(ctx, r, want, func(f release.File) error { return guard.Pass(f, put) })
		if err == nil && r.Commit != "" && fetched.Commit != "" && r.Commit != fetched.Commit {
			err = fault.Transient(fmt.Errorf("tag %s moved: got commit %s, want %s", r.Version, fetched.Commit, r.Commit))
		}
		return cmp.Or(fetched.Commit, r.Commit), err
	})
	if err != nil {
		return fetched, err
	}
	if len(manifest.Files) == 0 {
		return fetched, fmt.Errorf("release %s: got no file in it", r.Version)
	}
	e.tell(m, Event{Kind: StagedAll, Version: r.Version, Files: len(manifest.Files), Bytes: manifest.Size(),
		Received: fetched.Received, Requests: fetched.Requests,
		Text: fmt.Sprintf("%s staged and checked", Plural(len(manifest.Files), "file"))})
	return fetched, nil
}

// doSwitch makes what is staged main. It is where a cut update is taken up again, too.
func (e *Engine) doSwitch(m *Module, s State, fetched release.Fetched) error {
	s.Step = Switching
	if err := e.Journal.Save(m.Name, s); err != nil {
		return err
	}
	if err := m.Slots.Switch(s.From, s.To); err != nil {
		return e.undo(m, s, err)
	}
	kind, text := Updated, fmt.Sprintf("updated from %s to %s", s.From, s.To)
	if s.From.IsZero() {
		text = fmt.Sprintf("%s is installed", s.To)
	}
	if m.Judged {
		kind, text = Switched, text+", on trial"
	}
	event := Event{Kind: kind, Version: s.To, From: s.From, Text: text,
		Received: fetched.Received, Requests: fetched.Requests, Commit: fetched.Commit}
	e.record(m, s, event)
	s.Step, s.Failure, s.Since = Idle, "", time.Time{}
	s.accept(s.To)
	if m.Judged {
		s.Step, s.Since, s.Starts = Trial, e.Now(), 0
	}
	return e.Journal.Save(m.Name, s)
}

// undo drops what was staged where the switch to it failed before main was touched, as on a full disk.
// The cause stays the error.
func (e *Engine) undo(m *Module, s State, cause error) error {
	look, err := m.Slots.Look()
	if err != nil || !look.Main.There || !look.Next.There {
		return cause
	}
	exchanged := look.Main.Version.String() == s.To.String() && s.From.String() != s.To.String()
	if !exchanged {
		_ = e.drop(m, &s) // what is left of it is for Recover
	}
	return cause
}

// drop gives up what was fetched. The journal first says that next is not to be used: a half of it must never be.
func (e *Engine) drop(m *Module, s *State) error {
	if s.Step != Fetching {
		s.Step = Fetching
		if err := e.Journal.Save(m.Name, *s); err != nil {
			return err
		}
	}
	if err := m.Slots.Discard(); err != nil {
		return err
	}
	s.Step = Idle
	return e.Journal.Save(m.Name, *s)
}

// failed undoes what an update began, writes down why it failed, and returns that error. A failure that is the same
// as the last is not written again, so that a network that is down for a week does not wear the disk.
func (e *Engine) failed(ctx context.Context, m *Module, plan Plan, cause error) error {
	s, err := e.Journal.Load(m.Name)
	if err != nil {
		return cause
	}
	switch s.Step {
	case Fetching, Staged:
		if e.drop(m, &s) != nil {
			return cause // Recover will do it
		}
	case Switching: // the disk failed in the middle of the switch, or right after it; Recover goes on with it
		return cause
	}
	if ctx.Err() != nil { // a person stopped it: nothing failed
		return cause
	}
	event := Event{Kind: Failed, Version: plan.Release.Version, From: plan.Installed, Text: cause.Error(), Reason: cause.Error()}
	if s.Failure == short(cause.Error()) {
		e.tell(m, event)
		return cause
	}
	e.record(m, s, event)
	s.Failure = short(cause.Error())
	_ = e.Journal.Save(m.Name, s) // that it failed is what the person must hear
	return cause
}
