// Package clock is time as a program waits for it. It stands on nothing.
package clock

import (
	"context"
	"time"
)

// Sleep lets d pass. Where ctx ends first it returns at once, with ctx's error.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
