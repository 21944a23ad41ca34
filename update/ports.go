// Package update is the update of a device's modules, as verbs: check → plan → fetch → verify → stage → switch →
// trial → confirm | roll back. It keeps the journal: what was begun is written down before it begins,
// so that whatever a power cut leaves is finished or undone by [Engine.Recover] at the next start.
//
// It does no I/O of its own: a release.Source brings the files, Slots hold them, a Journal remembers.
package update

import (
	"context"
	"errors"

	"moult/release"
)

// Slots are where the versions of one module live: main (running), next (being staged), prev (to go back to).
// Every method may be repeated after it was cut, with the same arguments, and comes to the same end.
// There are five because a slot is nothing but these five; what reads a slot's content is not the engine's.
type Slots interface {
	// Look says what stands where.
	Look() (Look, error)

	// Stage makes next anew from the files that fill puts into it, all of them durable when it returns.
	// Head names the release; the manifest returned lists what was written. expect is the size that is known
	// beforehand, in bytes, or 0: with less free than that, nothing is written. Where fill tells of a signed manifest,
	// the one written is that one, byte for byte, or an error.
	Stage(ctx context.Context, head release.Manifest, expect int64, fill Fill) (*release.Manifest, error)

	// Switch carries what is not the release's from main into next, makes next main, and main prev.
	// From and to are the versions of main before and after; the zero from is none.
	Switch(from, to release.Version) error

	// RollBack carries what is not the release's from main into prev, makes prev main, and drops what was main.
	RollBack(from, to release.Version) error

	// Discard drops next.
	Discard() error
}

// Fill gives the files of a release to put, one after the other, and returns what was learned of it: the commit that they
// are of, the signed manifest that they were held to, where these are known.
type Fill func(put func(release.File) error) (release.Fetched, error)

// Look is what stands in the slots.
type Look struct{ Main, Next, Prev Copy }

// Copy is what stands in one slot.
type Copy struct {
	There   bool
	Version release.Version // as its .version says, which is written last; zero where it is not whole or not said
}

// Journal is a device's memory: the state of each module, and what happened.
type Journal interface {
	// Load returns the state of a module; the zero State where there is none yet.
	Load(module string) (State, error)
	// Save makes a state durable, wholly or not at all.
	Save(module string, s State) error
	// Record adds an event to the history. One with the same id as before is the same event.
	Record(e Event) error
}

// ErrNothingToGoBackTo is the answer to a roll back where prev is empty.
var ErrNothingToGoBackTo = errors.New("nothing to go back to")
