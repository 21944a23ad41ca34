package repository

import (
	"context"
	"fmt"
	"slices"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"moult/release"
)

// Remove withdraws a release, or with the zero version a whole module, which takes the root's keys. Devices that have it keep it: they
// are led away from it by a newer release. It returns the roles that were signed.
func (r *Repository) Remove(ctx context.Context, keys Keys, module string, v release.Version) ([]string, error) {
	d, err := r.draft(keys)
	if err != nil {
		return nil, err
	}
	targets, err := d.releases(module)
	if err != nil {
		return nil, fmt.Errorf("remove: %w", err)
	}
	if v.IsZero() {
		delegations := d.targets.Signed.Delegations
		delegations.Roles = slices.DeleteFunc(delegations.Roles, func(one metadata.DelegatedRole) bool { return one.Name == module })
		delete(d.modules, module) // the snapshot names its role for ever, as TUF demands
		d.due[Targets] = true
		d.forget()
	} else {
		t, err := find(targets, module, v)
		if err != nil {
			return nil, fmt.Errorf("remove: %w", err)
		}
		delete(d.modules[module].Signed.Targets, module+"/"+t.Version.String())
		d.due[module] = true
	}
	signed, err := d.publish()
	if err != nil {
		return nil, fmt.Errorf("remove %s %s: %w", module, v, err)
	}
	return signed, r.follow(ctx)
}
