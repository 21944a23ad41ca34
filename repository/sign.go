package repository

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// Signed is what Sign did.
type Signed struct {
	Roles []string  `json:"signed"`
	Wait  []Waiting `json:"waiting,omitempty"` // due too, but their keys are not at hand
	Next  time.Time `json:"next"`              // when the next role at hand will be due
}

// Waiting is a role whose metadata has spent more than half its life, and whose keys are not at hand.
type Waiting struct {
	Role    string    `json:"role"`
	Expires time.Time `json:"expires"`
}

// Sign signs anew what has spent more than half its life, of what the keys at hand can sign; the timestamp always, where force says so.
// It also makes the bundles that a cut left behind.
func (r *Repository) Sign(ctx context.Context, keys Keys, force bool) (Signed, error) {
	d, err := r.draft(keys)
	if err != nil {
		return Signed{}, err
	}
	var result Signed
	now := r.now()
	for _, role := range d.roles() {
		end := d.expiry(role)
		half := end.Add(-time.Duration(r.settings.Expires.of(role)) / 2)
		due := !now.Before(half)
		if !due && !(force && role == Timestamp) {
			result.soon(half)
			continue
		}
		err := d.canSign(role)
		if errors.Is(err, ErrNoKey) && role != Timestamp {
			result.Wait = append(result.Wait, Waiting{role, end})
			continue
		}
		if err != nil {
			return Signed{}, err
		}
		d.due[role] = true
		result.soon(now.Add(time.Duration(r.settings.Expires.of(role)) / 2))
	}
	if result.Roles, err = d.publish(); err != nil {
		return Signed{}, err
	}
	return result, r.follow(ctx)
}

func (s *Signed) soon(at time.Time) {
	if s.Next.IsZero() || at.Before(s.Next) {
		s.Next = at
	}
}

// roles lists all roles, what delegates before what it delegates to.
func (g *generation) roles() []string {
	return slices.Concat([]string{Root, Targets}, g.moduleNames(), []string{Snapshot, Timestamp})
}

// head is what every role's metadata has: its version, and when it ends.
func (g *generation) head(role string) (version int64, expires time.Time) {
	switch role {
	case Root:
		return g.root.Signed.Version, g.root.Signed.Expires
	case Timestamp:
		return g.timestamp.Signed.Version, g.timestamp.Signed.Expires
	case Snapshot:
		return g.snapshot.Signed.Version, g.snapshot.Signed.Expires
	}
	t := &g.targetsOf(role).Signed
	return t.Version, t.Expires
}

// expiry is when a role's metadata ends.
func (g *generation) expiry(role string) time.Time {
	_, expires := g.head(role)
	return expires
}

// version is a role's version.
func (g *generation) version(role string) int64 {
	version, _ := g.head(role)
	return version
}

// targetsOf is targets itself, or a module's role.
func (g *generation) targetsOf(role string) *metadata.Metadata[metadata.TargetsType] {
	if role == Targets {
		return g.targets
	}
	return g.modules[role]
}
