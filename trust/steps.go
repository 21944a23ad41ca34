package trust

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"moult/pack"
	"moult/release"
	"moult/tuf"
)

// roots walks to the newest root: TUF 5.3.
func (c *chain) roots(ctx context.Context) error {
	if err := c.begin(); err != nil {
		return err
	}
	for n := 0; ; n++ {
		next := c.trusted.Root.Signed.Version + 1
		data, err := c.from.get(ctx, item{pack.Root, uint64(next), fmt.Sprintf("metadata/%d.root.json", next), tuf.MaxRoot})
		if errors.Is(err, release.ErrNotFound) { // 5.3.3
			break
		}
		if err != nil {
			return err
		}
		if n == maxRoots {
			return release.Refuse(release.BadLength, "got more than %d versions in a row", maxRoots)
		}
		if err := c.nextRoot(data, next); err != nil {
			return fmt.Errorf("version %d: %w", next, err)
		}
	}
	root := &c.trusted.Root.Signed
	if root.Version < c.floor.Root {
		return release.Refuse(release.Rollback, "got version %d, want at least %d, which was seen", root.Version, c.floor.Root)
	}
	return c.unexpired(root.Expires) // 5.3.10
}

func (c *chain) nextRoot(data []byte, next int64) error {
	root, err := parse[metadata.RootType](data)
	if err == nil {
		err = checkRoot(root)
	}
	if err != nil {
		return err
	}
	for _, by := range []*rootMetadata{c.trusted.Root, root} { // 5.3.4
		if err := signedBy(by, metadata.ROOT, root); err != nil {
			return err
		}
	}
	switch version := root.Signed.Version; { // 5.3.5
	case version < next:
		return release.Refuse(release.Rollback, "got version %d in its place", version)
	case version > next:
		return release.Refuse(release.Mismatch, "got version %d in its place", version)
	}
	if _, err := c.trusted.UpdateRoot(data); err != nil {
		return reasoned(err, release.BadSignature)
	}
	if err := c.store.save(rootFile, data); err != nil { // 5.3.8
		return err
	}
	return c.raise(func(f *floor) { f.Root = next })
}

// raise changes the floor, and makes it durable where it moved.
func (c *chain) raise(change func(*floor)) error {
	change(&c.floor)
	c.setTime()
	return c.store.saveFloor(c.floor)
}

// keysOf names the keys of timestamp and snapshot. When they change, both are forgotten, with their floor:
// so a repository recovers from a thief who moved the versions, or the time, far ahead (TUF 5.3.11).
func (c *chain) keysOf() string {
	h := sha256.New()
	for _, name := range []string{metadata.TIMESTAMP, metadata.SNAPSHOT} {
		role := c.trusted.Root.Signed.Roles[name]
		fmt.Fprintf(h, "%s %d %q\n", name, role.Threshold, slices.Sorted(slices.Values(role.KeyIDs)))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// timestamp is TUF 5.4.
func (c *chain) timestamp(ctx context.Context) error {
	if keys := c.keysOf(); c.floor.Keys != keys {
		if c.floor.Keys != "" {
			c.floor = floor{Root: c.floor.Root}
			c.setTime()
			if err := c.store.forget(timestampFile, snapshotFile); err != nil {
				return err
			}
		}
		c.floor.Keys = keys
	}
	held, err := c.heldTimestamp()
	if err != nil {
		return err
	}
	it := item{pack.Timestamp, 0, "metadata/timestamp.json", tuf.MaxTimestamp}
	data, err := c.from.get(ctx, it)
	if errors.Is(err, release.ErrNotFound) && release.ReasonOf(err) == "" {
		if held == nil {
			return missing(err)
		}
		data, err = held, nil
	}
	if err != nil {
		return err
	}
	err = c.takeTimestamp(data, held)
	from, isOffer := c.from.(offerer)
	if reason := release.ReasonOf(err); !isOffer || reason != release.Rollback && reason != release.Expired {
		return err
	}
	newer, failed := from.instead(ctx, it)
	switch {
	case errors.Is(failed, release.ErrNotFound) && release.ReasonOf(failed) == "":
		return err
	case failed != nil:
		return failed
	}
	return c.takeTimestamp(newer, held)
}

// takeTimestamp makes a timestamp the one that counts, where it is another than the one held.
func (c *chain) takeTimestamp(data, held []byte) error {
	if string(data) != string(held) {
		if err := c.newTimestamp(data); err != nil {
			return err
		}
	}
	return c.unexpired(c.trusted.Timestamp.Signed.Expires) // the one held may be by now
}

// heldTimestamp makes the held timestamp the one that a new one is measured by; nil where there is none that is good.
func (c *chain) heldTimestamp() ([]byte, error) {
	data, err := c.store.load(timestampFile)
	if err != nil || data == nil {
		return nil, err
	}
	m, err := parse[metadata.TimestampType](data)
	if err != nil {
		return nil, nil
	}
	issued, err := checkTimestamp(m)
	if err != nil {
		return nil, nil
	}
	if _, err := c.trusted.UpdateTimestamp(data); err != nil && !isExpired(err) {
		return nil, nil
	}
	c.floor.Timestamp = max(c.floor.Timestamp, m.Signed.Version)
	c.floor.Snapshot = max(c.floor.Snapshot, m.Signed.Meta["snapshot.json"].Version)
	c.floor.raiseTime(issued)
	c.setTime()
	return data, nil
}

func (c *chain) newTimestamp(data []byte) error {
	m, err := parse[metadata.TimestampType](data)
	if err != nil {
		return err
	}
	issued, err := checkTimestamp(m)
	if err != nil {
		return err
	}
	if err := signedBy(c.trusted.Root, metadata.TIMESTAMP, m); err != nil { // 5.4.2
		return err
	}
	snapshot := m.Signed.Meta["snapshot.json"].Version
	switch { // 5.4.3
	case m.Signed.Version < c.floor.Timestamp:
		return release.Refuse(release.Rollback, "got version %d, want at least %d, which was seen", m.Signed.Version, c.floor.Timestamp)
	case snapshot < c.floor.Snapshot:
		return release.Refuse(release.Rollback, "got version %d of snapshot in it, want at least %d, which was seen", snapshot, c.floor.Snapshot)
	}
	if err := c.unexpired(m.Signed.Expires); err != nil { // 5.4.4
		return err
	}
	if root := c.trusted.Root.Signed.Expires; issued.After(root) { // else a thief of this key could move the time beyond any recovery
		return release.Refuse(release.Expired, "issued at %s, when the root had expired", issued.Format(time.RFC3339))
	}
	_, err = c.trusted.UpdateTimestamp(data)
	if errors.Is(err, &metadata.ErrEqualVersionNumber{}) { // 5.4.3: the one held stays
		return nil
	}
	if err != nil {
		return reasoned(err, release.Rollback)
	}
	if err := c.store.save(timestampFile, data); err != nil { // 5.4.5
		return err
	}
	return c.raise(func(f *floor) {
		f.Timestamp, f.Snapshot = m.Signed.Version, snapshot
		f.raiseTime(issued)
	})
}

// snapshot is TUF 5.5.
func (c *chain) snapshot(ctx context.Context) error {
	want := c.trusted.Timestamp.Signed.Meta["snapshot.json"].Version
	if held, err := c.store.load(snapshotFile); err != nil {
		return err
	} else if m, err := parse[metadata.SnapshotType](held); err == nil && checkSnapshot(m) == nil && c.goodSnapshot(m) == nil {
		_, err := c.trusted.UpdateSnapshot(held, true)
		if err == nil {
			return c.raise(func(f *floor) { f.raise(versions(m)) })
		}
		if m.Signed.Version == want && isExpired(err) { // another copy would be no younger
			return c.unexpired(m.Signed.Expires)
		}
	}
	data, err := c.from.get(ctx, item{pack.Snapshot, uint64(want), fmt.Sprintf("metadata/%d.snapshot.json", want), tuf.MaxMetadata})
	if err != nil {
		return missing(err)
	}
	m, err := parse[metadata.SnapshotType](data)
	if err == nil {
		err = checkSnapshot(m)
	}
	if err == nil {
		err = signedBy(c.trusted.Root, metadata.SNAPSHOT, m) // 5.5.3
	}
	if err != nil {
		return err
	}
	if m.Signed.Version != want { // 5.5.4
		return release.Refuse(release.Mismatch, "got version %d, want %d, which the timestamp names", m.Signed.Version, want)
	}
	if err := c.goodSnapshot(m); err != nil {
		return err
	}
	if err := c.unexpired(m.Signed.Expires); err != nil { // 5.5.6
		return err
	}
	if _, err := c.trusted.UpdateSnapshot(data, false); err != nil {
		return reasoned(err, release.Rollback)
	}
	if err := c.store.save(snapshotFile, data); err != nil { // 5.5.7
		return err
	}
	return c.raise(func(f *floor) { f.raise(versions(m)) })
}

// goodSnapshot holds the versions in a snapshot to the floor: none lower, none gone (TUF 5.5.5).
func (c *chain) goodSnapshot(m *snapshotMetadata) error {
	for name, seen := range c.floor.Roles {
		file := m.Signed.Meta[name]
		switch {
		case file == nil:
			return release.Refuse(release.Rollback, "got no %s in it, which was there", name)
		case file.Version < seen:
			return release.Refuse(release.Rollback, "got version %d of %s in it, want at least %d, which was seen", file.Version, name, seen)
		}
	}
	return nil
}

func versions(m *snapshotMetadata) map[string]int64 {
	all := map[string]int64{}
	for name, file := range m.Signed.Meta {
		all[name] = file.Version
	}
	return all
}

// targets is TUF 5.6 for the list of the modules' roles.
func (c *chain) targets(ctx context.Context) error {
	err := c.delegated(ctx, pack.Targets, metadata.TARGETS, targetsFile, checkTargets,
		func(m *targetsMetadata) error { return signedBy(c.trusted.Root, metadata.TARGETS, m) },
		c.trusted.UpdateTargets)
	if err != nil {
		return err
	}
	for _, role := range c.trusted.Targets[metadata.TARGETS].Signed.Delegations.Roles {
		if role.Name == c.module {
			return nil
		}
	}
	return release.Refuse(release.Missing, "got no role of the module %s", c.module)
}

// role is TUF 5.6.7 for the module's role.
func (c *chain) role(ctx context.Context) error {
	return c.delegated(ctx, pack.Role, c.module, roleFile(c.module),
		func(m *targetsMetadata) error { return checkModule(m, c.module) },
		func(m *targetsMetadata) error { return signedBy(c.trusted.Targets[metadata.TARGETS], c.module, m) },
		func(data []byte) (*targetsMetadata, error) {
			return c.trusted.UpdateDelegatedTargets(data, c.module, metadata.TARGETS)
		})
}

// delegated brings targets or a module's role up to date: the one held where the snapshot names its version.
func (c *chain) delegated(ctx context.Context, kind pack.Kind, name, file string, shape, signed func(*targetsMetadata) error,
	update func([]byte) (*targetsMetadata, error)) error {
	meta := c.trusted.Snapshot.Signed.Meta[name+".json"]
	if meta == nil {
		return release.Refuse(release.Missing, "the snapshot does not name it")
	}
	held, err := c.store.load(file)
	if err != nil {
		return err
	}
	if m, err := parse[metadata.TargetsType](held); err == nil && shape(m) == nil {
		_, err := update(held)
		if err == nil {
			return nil
		}
		if isExpired(err) { // it is of the version that is wanted: another copy would be no younger
			return c.unexpired(m.Signed.Expires)
		}
	}
	data, err := c.from.get(ctx, item{kind, uint64(meta.Version), fmt.Sprintf("metadata/%d.%s.json", meta.Version, name), tuf.MaxMetadata})
	if err != nil {
		return missing(err)
	}
	m, err := parse[metadata.TargetsType](data)
	if err == nil {
		err = shape(m)
	}
	if err == nil {
		err = signed(m) // 5.6.3
	}
	if err != nil {
		return err
	}
	if m.Signed.Version != meta.Version { // 5.6.4
		return release.Refuse(release.Mismatch, "got version %d, want %d, which the snapshot names", m.Signed.Version, meta.Version)
	}
	if err := c.unexpired(m.Signed.Expires); err != nil { // 5.6.5
		return err
	}
	if _, err := update(data); err != nil {
		return reasoned(err, release.Mismatch)
	}
	return c.store.save(file, data) // 5.6.6
}
