package release

import (
	"errors"
	"fmt"
)

// Reason says why something that came from outside was refused: one word, the same on every device, in events and in the
// vectors (docs/formats.md, Reasons). The zero Reason is none.
type Reason string

// The reasons.
const (
	BadFormat    Reason = "format"       // not what docs/formats.md says
	BadSignature Reason = "signature"    // fewer good signatures of keys of the role than its threshold
	Expired      Reason = "expired"      // older than it may be
	Rollback     Reason = "rollback"     // a version below one that was seen, or one missing that was there
	Mismatch     Reason = "mismatch"     // not the version that what names it names (mix-and-match)
	Missing      Reason = "missing"      // not there: in the bundle, on the server, or in the role
	BadLength    Reason = "length"       // longer or shorter than what was signed, or than the limit
	BadHash      Reason = "hash"         // the bytes are not those that were signed
	WrongModule  Reason = "wrong-module" // for another module
	WrongDevice  Reason = "wrong-device" // for another kind of device
	Downgrade    Reason = "downgrade"    // an older release than the one installed
	BadPath      Reason = "path"         // a path that leaves the slot, or that comes twice
	Untrusted    Reason = "untrusted"    // there is no root of trust, or no key in it
)

// Reasons lists all of them, in the order of docs/formats.md.
func Reasons() []Reason {
	return []Reason{BadFormat, BadSignature, Expired, Rollback, Mismatch, Missing, BadLength, BadHash, WrongModule, WrongDevice, Downgrade, BadPath, Untrusted}
}

// Refuse returns an error with a reason; its text is that of fmt.Errorf, and %w wraps a cause.
func Refuse(reason Reason, format string, args ...any) error {
	return &refusal{reason, fmt.Errorf(format, args...)}
}

// ReasonOf returns the outermost reason in err's chain, or "": then nothing was refused, but something failed.
func ReasonOf(err error) Reason {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.reason
	}
	return ""
}

type refusal struct {
	reason Reason
	error
}

func (r *refusal) Unwrap() error { return r.error }
