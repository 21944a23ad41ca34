package update

import (
	"time"

	"moult/release"
)

// Step names where in an update a module is. A step is saved before it begins; what each leaves when it is cut,
// and how Recover ends it, stands beside it.
type Step string

// The steps.
const (
	Idle        Step = ""             // nothing is under way; a leftover next is dropped
	Fetching    Step = "fetching"     // next is not whole; it is dropped
	Staged      Step = "staged"       // next is whole and proven; the switch follows
	Switching   Step = "switching"    // the switch is done to its end
	Trial       Step = "trial"        // main is the new version on probation; it is for Confirm or RollBack to end
	RollingBack Step = "rolling-back" // the way back is gone to its end
)

// State is what the journal remembers of a module.
type State struct {
	Step     Step              `json:"step"`
	From     release.Version   `json:"from,omitzero"` // main before the update; while rolling back, the version that is left
	To       release.Version   `json:"to,omitzero"`   // main after it
	Attempt  int               `json:"attempt"`       // counts the updates and roll backs begun; part of an event's id
	Since    time.Time         `json:"since,omitzero"`
	Starts   int               `json:"starts,omitempty"`   // of the program since the trial began
	Reason   string            `json:"reason,omitempty"`   // why it is rolling back
	Rejected []release.Version `json:"rejected,omitempty"` // rolled back; not tried again unasked; the newest last
	Failure  string            `json:"failure,omitempty"`  // why the last try failed; empty after one that did not

	Repository string `json:"repository,omitempty"` // what Memo is of
	Memo       []byte `json:"memo,omitempty"`       // see release.Query
}

// maxRejected bounds the versions that are remembered as bad: older ones are behind every newest release.
const maxRejected = 16

func (s *State) reject(v release.Version) {
	if s.isRejected(v) {
		return
	}
	s.Rejected = append(s.Rejected, v)
	if over := len(s.Rejected) - maxRejected; over > 0 {
		s.Rejected = s.Rejected[over:]
	}
}

func (s *State) accept(v release.Version) {
	for i, r := range s.Rejected {
		if r.String() == v.String() {
			s.Rejected = append(s.Rejected[:i:i], s.Rejected[i+1:]...)
			return
		}
	}
}

func (s *State) isRejected(v release.Version) bool {
	for _, r := range s.Rejected {
		if r.String() == v.String() {
			return true
		}
	}
	return false
}
