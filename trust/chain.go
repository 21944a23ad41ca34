package trust

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"

	"moult/fault"
	"moult/release"
)

type (
	rootMetadata     = metadata.Metadata[metadata.RootType]
	snapshotMetadata = metadata.Metadata[metadata.SnapshotType]
	targetsMetadata  = metadata.Metadata[metadata.TargetsType]
)

// chain is one walk from the root of trust to a module's role, over what is held and what a fetcher brings. Each of its own
// checks gives a refusal its reason; after them go-tuf's trustedmetadata carries the step out by its own rules,
// and has the last word.
type chain struct {
	store   *Store
	from    fetcher
	module  string
	trusted *trustedmetadata.TrustedMetadata
	floor   floor
	clock   time.Time // the device's; the time that counts is trusted.RefTime
}

// nowhere is a fetcher that has nothing: what is held must do.
type nowhere struct{}

func (nowhere) get(context.Context, item) ([]byte, error) { return nil, release.ErrNotFound }

// walk brings the trusted metadata up to date from what the fetcher has, in the order of TUF 5.3 to 5.6, and returns the module's role.
// Each step that was verified is durable before the next is asked for; after a refusal the steps before it stand.
func (s *Store) walk(ctx context.Context, from fetcher, module string, clock time.Time) (*chain, error) {
	c := &chain{store: s, from: from, module: module, clock: clock.UTC()}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{{"root", c.roots}, {"timestamp", c.timestamp}, {"snapshot", c.snapshot}, {"targets", c.targets}, {"role of " + module, c.role}} {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := step.do(ctx); err != nil {
			return nil, explain(fmt.Errorf("%s: %w", step.name, err))
		}
	}
	return c, nil
}

// begin loads the root that is held: the newest that was verified, or the one that a person gave.
func (c *chain) begin() error {
	var err error
	if c.floor, err = c.store.loadFloor(); err != nil {
		return err
	}
	anchor, err := c.store.load(anchorFile)
	if err != nil {
		return err
	}
	if anchor == nil {
		return release.Refuse(release.Untrusted, "got no root of trust")
	}
	held, err := c.store.load(rootFile)
	if err != nil {
		return err
	}
	for _, data := range [][]byte{held, anchor} {
		if data == nil {
			continue
		}
		if _, err = selfSigned(data); err == nil {
			c.trusted, err = trustedmetadata.New(data)
		}
		if err == nil {
			c.setTime()
			return nil
		}
	}
	return reasoned(err, release.Untrusted)
}

// selfSigned reads a root that its own keys signed (TUF 5.3.4), which is all that can be asked of the first.
func selfSigned(data []byte) (*rootMetadata, error) {
	root, err := parse[metadata.RootType](data)
	if err == nil {
		err = checkRoot(root)
	}
	if err == nil {
		err = signedBy(root, metadata.ROOT, root)
	}
	return root, err
}

// setTime makes the greater of the device's clock and the floor the time that counts.
func (c *chain) setTime() {
	c.trusted.RefTime = c.clock
	if c.floor.Time.After(c.clock) {
		c.trusted.RefTime = c.floor.Time
	}
}

// unexpired holds an expiry to the time that counts.
func (c *chain) unexpired(expires time.Time) error {
	if c.trusted.RefTime.After(expires) {
		return release.Refuse(release.Expired, "expired at %s", expires.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	return nil
}

// signedBy checks the signatures of a role by who delegates to it.
func signedBy[T metadata.Roles](by *metadata.Metadata[T], role string, m any) error {
	err := by.VerifyDelegate(role, m)
	return reasoned(err, release.BadSignature)
}

// reasoned gives an error of go-tuf its reason, by its kind; otherwise is for those whose kind does not tell.
func reasoned(err error, otherwise release.Reason) error {
	switch {
	case err == nil || release.ReasonOf(err) != "":
		return err
	case errors.Is(err, &metadata.ErrUnsignedMetadata{}):
		otherwise = release.BadSignature
	case isExpired(err):
		otherwise = release.Expired
	}
	return release.Refuse(otherwise, "%w", err)
}

func isExpired(err error) bool { return errors.Is(err, &metadata.ErrExpiredMetadata{}) }

// missing is the refusal of metadata that must be there.
func missing(err error) error {
	if errors.Is(err, release.ErrNotFound) {
		return release.Refuse(release.Missing, "%w", err)
	}
	return err
}

// explain adds what a person can do about a refusal.
func explain(err error) error {
	hint := map[release.Reason]string{
		release.Untrusted:    "install the repository's root of trust: moult trust FILE",
		release.Expired:      "the repository's publisher must sign it anew; or check the device's clock. The running version is untouched",
		release.Rollback:     "the server or stick has something older than this device has seen: try again later, or another copy",
		release.BadSignature: "the server or stick does not have what this device's root of trust vouches for",
	}[release.ReasonOf(err)]
	if hint == "" {
		return err
	}
	return fault.Hint(err, hint)
}
