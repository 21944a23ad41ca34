package update

import (
	"fmt"
	"time"

	"moult/release"
)

// Kind names what happened.
type Kind string

// The kinds of events. Those up to Failed go into the history, the others are only told.
const (
	Switched   Kind = "switched"    // a new version is main, on trial
	Updated    Kind = "updated"     // a new version is main and kept
	Confirmed  Kind = "confirmed"   // the trial ended well
	RolledBack Kind = "rolled-back" // the old version is main again
	Recovered  Kind = "recovered"   // what a cut left was finished or undone
	Failed     Kind = "failed"      // an update could not be done; main is as it was

	Dropped Kind = "dropped" // events are lost, as the history is bounded; it stands in their place where events are sent

	Checked   Kind = "checked"  // what the source has, and what follows
	Began     Kind = "fetching" // the download begins
	Progress  Kind = "progress" // bytes received so far
	Retrying  Kind = "retrying" // a try failed in a way that may pass
	StagedAll Kind = "staged"   // all files are there and proven
)

// Event is something that happened to a module.
type Event struct {
	ID       string          `json:"id,omitempty"`  // the same for the same event told twice, as after a cut
	Seq      uint64          `json:"seq,omitempty"` // its number in the history, which gives it; 0 where it is only told
	Time     time.Time       `json:"time"`
	Kind     Kind            `json:"event"`
	Module   string          `json:"module"`
	Version  release.Version `json:"version,omitzero"`
	From     release.Version `json:"from,omitzero"`
	Text     string          `json:"text"` // in plain words
	Reason   string          `json:"reason,omitempty"`
	Received int64           `json:"received,omitempty"` // bytes that came over the network
	Total    int64           `json:"total,omitempty"`    // bytes that will come, where that is known
	Requests int             `json:"requests,omitempty"`
	Files    int             `json:"files,omitempty"`
	Bytes    int64           `json:"bytes,omitempty"` // of those files
	Commit   string          `json:"commit,omitempty"`
}

// plural counts things in plain words.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// tell gives an event to whoever listens.
func (e *Engine) tell(m *Module, event Event) {
	event.Time, event.Module = e.Now(), m.Name
	if e.Tell != nil {
		e.Tell(event)
	}
}

// record writes an event into the history, then tells it. It comes before the state that makes it true is saved:
// cut between the two, it is recorded again under the same id.
func (e *Engine) record(m *Module, s State, event Event) error {
	event.Time, event.Module = e.Now(), m.Name
	event.ID = fmt.Sprintf("%s-%d-%s", m.Name, s.Attempt, event.Kind)
	if event.Kind == Failed { // one attempt can fail in several ways
		event.ID += fmt.Sprintf("-%d", event.Time.Unix())
	}
	if err := e.Journal.Record(event); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	if e.Tell != nil {
		e.Tell(event)
	}
	return nil
}
