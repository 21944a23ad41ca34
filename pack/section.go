package pack

import (
	"fmt"

	"moult/release"
)

// Kind says what a section of a bundle is.
type Kind byte

// The kinds, in the order in which they stand; each but Root stands at most once.
const (
	Module       Kind = 1 + iota // the module's name
	Root                         // a newer root; the number is its version, and those of the next kinds are theirs
	Timestamp                    //
	Snapshot                     //
	Targets                      //
	Role                         // the module's role
	Base                         // the first BaseLength bytes of the SHA-256 of the installed manifest
	ManifestKind                 // number 0: the manifest; 1: a delta to it from the base
	PackKind                     // the pack
)

var kindNames = [...]string{"", "module", "root", "timestamp", "snapshot", "targets", "role", "base", "manifest", "pack"}

// String returns the kind's name in docs/formats.md.
func (k Kind) String() string {
	if k < Module || k > PackKind {
		return fmt.Sprintf("kind %d", byte(k))
	}
	return kindNames[k]
}

const magic = "MLT\x01"

// MaxSection is the length of the largest section, in bytes: that of the largest manifest. A pack has its own bounds.
const MaxSection = 32 << 20

// BaseLength is the length of a base section, in bytes. It only says early that a delta does not fit.
const BaseLength = 8

// Section is the head of a section of a bundle.
type Section struct {
	Kind   Kind
	Number uint64
	Length int64 // of the body in bytes; 0 of a pack, which says itself where it ends
}

// check holds a section to what may follow the one before.
func (s Section) check(before Section) error {
	refuse := func(format string, args ...any) error {
		return release.Refuse(release.BadFormat, "%s: "+format, append([]any{s.Kind}, args...)...)
	}
	switch {
	case s.Kind < Module || s.Kind > PackKind:
		return refuse("got a section that there is not")
	case before.Kind == 0 && s.Kind != Module:
		return refuse("got it first, want the module")
	case s.Kind == Root && before.Kind == Root && s.Number <= before.Number:
		return refuse("got version %d after %d", s.Number, before.Number)
	case s.Kind < before.Kind || s.Kind == before.Kind && s.Kind != Root:
		return refuse("got it after %s", before.Kind)
	}
	switch s.Kind {
	case Root, Timestamp, Snapshot, Targets, Role:
		if s.Number == 0 {
			return refuse("number: got 0, want a version")
		}
	case ManifestKind:
		if s.Number > 1 || s.Number == 1 && before.Kind != Base {
			return refuse("number: got %d after %s, want 0, or 1 after base", s.Number, before.Kind)
		}
	default:
		if s.Number != 0 {
			return refuse("number: got %d, want 0", s.Number)
		}
	}
	switch {
	case s.Kind == Base && s.Length != BaseLength:
		return refuse("length: got %d, want %d", s.Length, BaseLength)
	case s.Kind == PackKind && s.Length != 0:
		return refuse("length: got %d, want 0", s.Length)
	case s.Length > MaxSection:
		return release.Refuse(release.BadLength, "%s: length: got %d, want at most %d", s.Kind, s.Length, MaxSection)
	}
	return nil
}
