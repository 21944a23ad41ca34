package update

import (
	"context"
	"fmt"
	"slices"

	"moult/release"
)

// Action is what a plan comes to.
type Action string

// The actions.
const (
	Nothing   Action = "nothing"   // main is the newest already
	Install   Action = "install"   // there was no version that is known
	Upgrade   Action = "update"    // a newer version
	Downgrade Action = "downgrade" // an older one, because it was asked for
	Reinstall Action = "reinstall" // the same one, because it was asked for
	Refuse    Action = "refuse"    // there is another version, and a reason not to take it
)

// Changes reports whether carrying the action out changes the device.
func (a Action) Changes() bool { return a != Nothing && a != Refuse }

// Plan is what an update would do.
type Plan struct {
	Module    string          `json:"module"`
	Action    Action          `json:"action"`
	Installed release.Version `json:"installed,omitzero"`
	Release   release.Release `json:"release,omitzero"`
	Reason    string          `json:"reason,omitempty"` // why nothing is done, or it is refused
}

// Changes reports whether carrying the plan out changes the device.
func (p Plan) Changes() bool { return p.Action.Changes() }

// Options say what a person asks for beyond the ordinary.
type Options struct {
	To        release.Version // this version and no other; the zero version is the channel's newest
	Downgrade bool            // an older version is taken
	Again     bool            // a version that was rolled back is tried again
	Reinstall bool            // the installed version is installed anew
}

// Check asks the source, and plans. It changes nothing but the journal's memo. A module on trial is refused unasked.
func (e *Engine) Check(ctx context.Context, m *Module, opt Options) (Plan, error) {
	s, look, err := e.load(m)
	if err != nil {
		return Plan{}, err
	}
	plan, err := e.check(ctx, m, &s, look, opt)
	if err != nil {
		return Plan{}, fmt.Errorf("check %s: %w", m.Name, err)
	}
	return plan, nil
}

func (e *Engine) check(ctx context.Context, m *Module, s *State, look Look, opt Options) (Plan, error) {
	if s.Step == Trial { // whatever is out: the trial's verdict must not wait for a server that is slow to answer
		plan := Plan{Module: m.Name, Action: Refuse, Installed: look.Main.Version, Release: release.Release{Version: s.To},
			Reason: fmt.Sprintf("%s is on trial; confirm it or roll it back first", s.To)}
		e.tell(m, Event{Kind: Checked, Version: s.To, From: plan.Installed, Action: plan.Action, Text: plan.String()})
		return plan, nil
	}
	query := release.Query{Channel: m.Channel}
	if !opt.To.IsZero() {
		query.Channel = release.Pin(opt.To)
	} else if s.Repository == m.Repository {
		query.Memo = s.Memo
	}
	answer, err := m.Source.Latest(ctx, query)
	if err != nil {
		return Plan{}, err
	}
	if opt.To.IsZero() && (!slices.Equal(answer.Memo, s.Memo) || s.Repository != m.Repository) {
		s.Memo, s.Repository = answer.Memo, m.Repository
		if err := e.Journal.Save(m.Name, *s); err != nil {
			return Plan{}, err
		}
	}
	plan := decide(*s, look.Main, answer.Release, opt)
	plan.Module = m.Name
	e.tell(m, Event{Kind: Checked, Version: plan.Release.Version, From: plan.Installed, Action: plan.Action, Text: plan.String()})
	return plan, nil
}

// decide is the whole law of what is installed, and what not.
func decide(s State, main Copy, r release.Release, opt Options) Plan {
	p := Plan{Installed: main.Version, Release: r}
	order, known := release.Compare(r.Version, main.Version)
	switch {
	case main.Version.IsZero():
		p.Action = Install
	case known && order == 0 && opt.Reinstall:
		p.Action = Reinstall
	case known && order == 0:
		p.Action, p.Reason = Nothing, fmt.Sprintf("%s is the newest", main.Version)
	case known && order < 0 && opt.Downgrade:
		p.Action = Downgrade
	case known && order < 0 && opt.To.IsZero():
		p.Action, p.Reason = Nothing, fmt.Sprintf("the source offers %s, which is older than %s", r.Version, main.Version)
	case known && order < 0:
		p.Action, p.Reason = Refuse, fmt.Sprintf("%s is older than the installed %s", r.Version, main.Version)
	default: // newer; or one of the two is no version, and the source offers it as its newest
		p.Action = Upgrade
	}
	if p.Changes() && s.isRejected(r.Version) && !opt.Again {
		p.Action, p.Reason = Refuse, fmt.Sprintf("%s was rolled back; a newer release is waited for", r.Version)
	}
	return p
}

// String says the plan in plain words.
func (p Plan) String() string {
	switch p.Action {
	case Install:
		return fmt.Sprintf("%s can be installed", p.Release.Version)
	case Upgrade:
		return fmt.Sprintf("%s is installed, %s is new", p.Installed, p.Release.Version)
	case Downgrade:
		return fmt.Sprintf("%s is installed, to go down to %s", p.Installed, p.Release.Version)
	case Reinstall:
		return fmt.Sprintf("%s is installed, to be installed again", p.Installed)
	case Nothing:
		return "nothing new: " + p.Reason
	}
	return "refused: " + p.Reason
}
