package update

import (
	"fmt"
	"time"
	"unicode/utf8"

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
	Text     string          `json:"text"`             // in plain words
	Action   Action          `json:"action,omitempty"` // of what was checked: what an update would do
	Reason   string          `json:"reason,omitempty"`
	Received int64           `json:"received,omitempty"` // bytes that came over the network
	Total    int64           `json:"total,omitempty"`    // bytes that will come, where that is known
	Requests int             `json:"requests,omitempty"`
	Files    int             `json:"files,omitempty"`
	Bytes    int64           `json:"bytes,omitempty"` // of those files
	Commit   string          `json:"commit,omitempty"`
}

// Plural counts things in plain words, as an event's text does.
func Plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// maxText bounds an event's text and reason, in bytes. What comes from outside, as a server's address or a program's last
// words, must not fill the disk.
const maxText = 3 << 10

// short cuts a text to maxText, at a character.
func short(text string) string {
	if len(text) <= maxText {
		return text
	}
	const more = "…"
	end := maxText - len(more)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + more
}

// tell gives an event to whoever listens.
func (e *Engine) tell(m *Module, event Event) {
	event.Time, event.Module = e.Now(), m.Name
	event.Text, event.Reason = short(event.Text), short(event.Reason)
	if e.Tell != nil {
		e.Tell(event)
	}
}

// record writes an event into the history, then tells it. It comes before the state that makes it true is saved:
// cut between the two, it is recorded again under the same id. Where the history cannot be written the event is told
// without an id, with the reason: what happened to the module is true all the same, and must not be held up.
func (e *Engine) record(m *Module, s State, event Event) {
	event.Time, event.Module = e.Now(), m.Name
	event.Text, event.Reason = short(event.Text), short(event.Reason)
	// An attempt's number begins anew where the state was lost; with the time that it began no two are alike.
	event.ID = fmt.Sprintf("%s-%d-%d-%s", m.Name, s.Attempt, s.Since.Unix(), event.Kind)
	if event.Kind == Failed { // one attempt can fail in several ways
		event.ID += fmt.Sprintf("-%d", event.Time.UnixNano())
	}
	if err := e.Journal.Record(event); err != nil {
		event.ID = ""
		event.Text = short(fmt.Sprintf("%s (not in the history: %v)", event.Text, err))
	}
	if e.Tell != nil {
		e.Tell(event)
	}
}
