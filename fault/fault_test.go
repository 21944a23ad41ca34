package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"moult/fault"
)

func TestFault(t *testing.T) {
	cause := io.ErrUnexpectedEOF
	tests := []struct {
		name, hint string
		in         error
		transient  bool
	}{
		{name: "plain", in: cause},
		{name: "transient", in: fault.Transient(cause), transient: true},
		{name: "hint", in: fault.Hint(cause, "do this"), hint: "do this"},
		{name: "both", in: fault.Hint(fault.Transient(cause), "do this"), hint: "do this", transient: true},
		{name: "both, the other way round", in: fault.Transient(fault.Hint(cause, "do this")), hint: "do this", transient: true},
		{name: "the outer hint is nearer to the person", in: fault.Hint(fmt.Errorf("fetch: %w", fault.Hint(cause, "inner")), "outer"), hint: "outer"},
		{name: "deep in a chain", in: fmt.Errorf("a: %w", fmt.Errorf("b: %w", fault.Hint(fault.Transient(cause), "do this"))), hint: "do this", transient: true},
		{name: "one of several", in: errors.Join(errors.New("x"), fault.Transient(cause)), transient: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := fault.HintOf(test.in); got != test.hint {
				t.Errorf("hint: got %q, want %q", got, test.hint)
			}
			if got := fault.IsTransient(test.in); got != test.transient {
				t.Errorf("transient: got %v, want %v", got, test.transient)
			}
			if !errors.Is(test.in, cause) {
				t.Errorf("got %v, which is no longer %v", test.in, cause)
			}
		})
	}
	if got := fault.Hint(fault.Transient(cause), "do this").Error(); got != cause.Error() {
		t.Errorf("text: got %q, want %q", got, cause)
	}
	if fault.Hint(nil, "x") != nil || fault.Transient(nil) != nil || fault.IsTransient(nil) || fault.HintOf(nil) != "" {
		t.Error("nil: got something, want nothing")
	}
}
