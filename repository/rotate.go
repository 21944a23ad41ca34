package repository

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"moult/fault"
	"moult/release"
)

// What Rotate takes for several roles at once: every role that the online key signs (timestamp, snapshot, and the modules
// that it signs), and those that the root's keys sign (root and targets).
const (
	Online  = "online"
	Offline = "offline"
)

// Rotation is a change of a role's keys.
type Rotation struct {
	Role      string // root, targets, timestamp, snapshot, a module, Online or Offline
	Add       []crypto.PublicKey
	Remove    []string // ids, or the beginnings of ids that no other key of the role has
	Threshold int      // 0: as it is
}

// ErrNoSuchKey means that a role has no key, or not just one, whose id begins as was said.
var ErrNoSuchKey = errors.New("there is no such key")

// Rotate changes keys as TUF prescribes: a new root is signed by the threshold of the one before and by its own, and what has
// too few good signatures then is signed anew. It returns the roles that were signed.
func (r *Repository) Rotate(ctx context.Context, keys Keys, change Rotation) ([]string, error) {
	signed, err := r.rotate(keys, change)
	if err != nil {
		return nil, fmt.Errorf("rotate the keys of %s: %w", change.Role, err)
	}
	return signed, r.follow(ctx)
}

func (r *Repository) rotate(keys Keys, change Rotation) ([]string, error) {
	d, err := r.draft(keys)
	if err != nil {
		return nil, err
	}
	roles := []string{change.Role}
	switch change.Role {
	case Online:
		roles = d.online()
	case Offline:
		roles = []string{Root, Targets}
	}
	for _, role := range roles {
		if err := d.change(role, change); err != nil {
			return nil, fmt.Errorf("%s: %w", role, err)
		}
	}
	d.settle()
	var due []string
	for _, role := range d.roles() {
		if d.due[role] {
			due = append(due, role)
		}
	}
	if err := d.canSign(due...); err != nil {
		return nil, err
	}
	return d.publish()
}

// online lists the roles that have a key of the timestamp's.
func (d *draft) online() []string {
	roles := []string{Snapshot, Timestamp}
	keys := d.root.Signed.Roles[Timestamp].KeyIDs
	for _, module := range d.moduleNames() {
		if slices.ContainsFunc(d.delegation(module).KeyIDs, func(id string) bool { return slices.Contains(keys, id) }) {
			roles = append(roles, module)
		}
	}
	return roles
}

// change gives a role other keys. The order stays, with new keys first: what is at hand from now on is asked first.
func (d *draft) change(role string, change Rotation) error {
	ids, threshold, list, by := (*[]string)(nil), (*int)(nil), map[string]*metadata.Key(nil), Root
	if top := d.root.Signed.Roles[role]; top != nil {
		ids, threshold, list = &top.KeyIDs, &top.Threshold, d.root.Signed.Keys
	} else if module := d.delegation(role); module != nil {
		ids, threshold, list, by = &module.KeyIDs, &module.Threshold, d.targets.Signed.Delegations.Keys, Targets
	} else {
		return fault.Hint(fmt.Errorf("got no such role"), "the roles are "+strings.Join(append(d.roles(), Online, Offline), ", "))
	}
	added, err := addKeys(list, change.Add)
	if err != nil {
		return err
	}
	after := slices.Clone(*ids)
	for _, start := range change.Remove {
		id, err := onlyID(start, *ids)
		if err != nil {
			return err
		}
		after = slices.DeleteFunc(after, func(one string) bool { return one == id })
	}
	for _, id := range added {
		if !slices.Contains(after, id) {
			after = append([]string{id}, after...)
		}
	}
	need := *threshold
	if change.Threshold > 0 {
		need = change.Threshold
	}
	if len(after) < need {
		return release.Refuse(release.Untrusted, "got %d keys, want at least the threshold of %d", len(after), need)
	}
	if slices.Equal(after, *ids) && need == *threshold {
		return nil
	}
	*ids, *threshold = after, need
	d.due[by] = true
	d.forget()
	return nil
}

// onlyID returns the one id that begins so.
func onlyID(start string, ids []string) (string, error) {
	var found []string
	for _, id := range ids {
		if strings.HasPrefix(id, strings.ToLower(start)) {
			found = append(found, id)
		}
	}
	if len(found) != 1 || len(start) < 4 {
		short := make([]string, len(ids))
		for i, id := range ids {
			short[i] = Short(id)
		}
		return "", fault.Hint(fmt.Errorf("%w: got %q, which begins %d of the role's, want one", ErrNoSuchKey, start, len(found)), "its keys are "+strings.Join(short, ", "))
	}
	return found[0], nil
}

// forget takes the keys out of the lists that no role has any more.
func (d *draft) forget() {
	used := map[string]bool{}
	for _, role := range d.root.Signed.Roles {
		for _, id := range role.KeyIDs {
			used[id] = true
		}
	}
	forgetIn(d.root.Signed.Keys, used)
	if d.targets.Signed.Delegations == nil {
		return
	}
	clear(used)
	for _, role := range d.targets.Signed.Delegations.Roles {
		for _, id := range role.KeyIDs {
			used[id] = true
		}
	}
	forgetIn(d.targets.Signed.Delegations.Keys, used)
}

func forgetIn(list map[string]*metadata.Key, used map[string]bool) {
	for id := range list {
		if !used[id] {
			delete(list, id)
		}
	}
}
