// Package fault gives an error the two properties that a caller decides by:
// whether trying again may help, and what a person can do about it.
//
// It stands on nothing, so that every floor can say both in the same words.
package fault

import "errors"

// Hint wraps err with one line that tells a person what to do. The line stands beside the cause, not in it:
// err's text is unchanged. A nil err stays nil.
func Hint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &hinted{err, hint}
}

// HintOf returns the outermost hint in err's chain, or "".
func HintOf(err error) string {
	var h *hinted
	if errors.As(err, &h) {
		return h.hint
	}
	return ""
}

// Transient wraps err as one that may pass by itself: a network that is down, a server that is busy.
// An error not so marked is final: the same call would fail in the same way. A nil err stays nil.
func Transient(err error) error {
	if err == nil {
		return nil
	}
	return &transient{err}
}

// IsTransient reports whether trying again later may help.
func IsTransient(err error) bool {
	var t *transient
	return errors.As(err, &t)
}

type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

type transient struct{ error }

func (t *transient) Unwrap() error { return t.error }
