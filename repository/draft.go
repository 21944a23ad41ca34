package repository

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"moult/disk"
	"moult/tuf"
)

// draft is a change on its way: metadata that differs from what stands, and which roles are to be signed anew.
type draft struct {
	*Repository
	*generation
	oldRoot  signatory // who signed the root that stands
	oldFiles []string  // what stands, besides the roots and the timestamp
	keys     Keys
	due      map[string]bool
}

// draft begins a change.
func (r *Repository) draft(keys Keys) (*draft, error) {
	g, err := r.View.read()
	if err != nil {
		return nil, err
	}
	return newDraft(r, g, keys), nil
}

func newDraft(r *Repository, g *generation, keys Keys) *draft {
	oldRoot, _ := g.signatoryOf(Root)
	return &draft{r, g, oldRoot, g.files(), keys, map[string]bool{}}
}

// canSign says beforehand whether the keys at hand will do, so that no long download is in vain.
func (d *draft) canSign(roles ...string) error {
	for _, role := range roles {
		if s, there := d.signatoryOf(role); there {
			if _, err := pick(d.keys, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// settle returns the roles that publish will sign anew, those that follow from others too, in the order of signing.
func (d *draft) settle() []string {
	if d.due[Root] { // a role whose keys changed may have too few signatures left
		for role, delegated := range map[string]any{Targets: d.targets, Snapshot: d.snapshot, Timestamp: d.timestamp} {
			d.due[role] = d.due[role] || d.root.VerifyDelegate(role, delegated) != nil
		}
	}
	for _, module := range d.moduleNames() {
		if d.modules[module] == nil {
			d.modules[module] = metadata.Targets()
			d.modules[module].Signed.Version = 0
			if once := d.snapshot.Signed.Meta[module+".json"]; once != nil { // it was there before: versions never go back
				d.modules[module].Signed.Version = once.Version
			}
			d.due[module] = true
		}
		if d.due[Targets] {
			d.due[module] = d.due[module] || d.targets.VerifyDelegate(module, d.modules[module]) != nil
		}
	}
	var order []string
	for _, role := range slices.Concat([]string{Root, Targets}, d.moduleNames()) {
		if d.due[role] {
			order = append(order, role)
			d.due[Snapshot] = d.due[Snapshot] || role != Root
		}
	}
	if d.due[Snapshot] {
		order = append(order, Snapshot)
	}
	if len(order) == 1 && order[0] == Root && !d.due[Timestamp] && d.canSign(Timestamp) != nil {
		return order // nothing names the root: where it is signed, offline, the online key need not be
	}
	if len(order) > 0 || d.due[Timestamp] {
		d.due[Timestamp] = true
		order = append(order, Timestamp)
	}
	return order
}

// publish signs what is due and all that follows from it, and makes it visible in one step. It returns the roles that it signed.
func (d *draft) publish() ([]string, error) {
	roles := d.settle()
	if len(roles) == 0 {
		return nil, nil
	}
	files := map[string][]byte{}
	now := d.now()
	for _, role := range roles {
		name, data, err := d.signRole(role, now)
		if err != nil {
			return nil, err
		}
		files[name] = data
	}
	if err := d.show(files); err != nil {
		return nil, err
	}
	if d.Remember != nil {
		if err := d.Remember(d.floorOf()); err != nil {
			return nil, fmt.Errorf("published, but not remembered: %w", err)
		}
	}
	return roles, nil
}

// signRole signs a role's next version, and returns it as a file.
func (d *draft) signRole(role string, now time.Time) (name string, data []byte, err error) {
	end := expires(now, d.settings.Expires.of(role))
	who, _ := d.signatoryOf(role)
	switch role {
	case Root:
		m := d.root
		m.Signed.Version, m.Signed.Expires = m.Signed.Version+1, end
		name = numbered(m.Signed.Version, role)
		if err = sign(m, d.keys, who, d.oldRoot); err == nil { // by the threshold of the one before and by its own (TUF 6.1)
			data, err = encode(m, tuf.MaxRoot)
		}
	case Timestamp:
		m := d.timestamp
		m.Signed.Version, m.Signed.Expires = m.Signed.Version+1, end
		m.Signed.Meta = map[string]*metadata.MetaFiles{Snapshot + ".json": {Version: d.snapshot.Signed.Version}}
		m.Signed.UnrecognizedFields = map[string]any{issued: now.UTC().Truncate(time.Second).Format(time.RFC3339)}
		name = Timestamp + ".json"
		if err = sign(m, d.keys, who); err == nil {
			data, err = encode(m, tuf.MaxTimestamp)
		}
	case Snapshot:
		m := d.snapshot
		meta := d.versions()
		for name, file := range m.Signed.Meta { // a role that was there is never left out: that would be a rollback (TUF 5.5.5)
			if meta[name] == nil {
				meta[name] = file
			}
		}
		m.Signed.Version, m.Signed.Expires, m.Signed.Meta = m.Signed.Version+1, end, meta
		name = numbered(m.Signed.Version, role)
		if err = sign(m, d.keys, who); err == nil {
			data, err = encode(m, tuf.MaxMetadata)
		}
	default:
		m := d.targets
		if role != Targets {
			m = d.modules[role]
		}
		m.Signed.Version, m.Signed.Expires = m.Signed.Version+1, end
		name = numbered(m.Signed.Version, role)
		if err = sign(m, d.keys, who); err == nil {
			data, err = encode(m, tuf.MaxMetadata)
		}
	}
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", name, err)
	}
	return name, data, nil
}

// show makes new metadata visible beside what stays, in one step.
func (d *draft) show(files map[string][]byte) error {
	stays := map[string]bool{Timestamp + ".json": true} // a new one takes its place
	for _, n := range d.rootVersions {                  // a device of any age walks through all of them
		stays[numbered(n, Root)] = true
	}
	for _, name := range d.oldFiles { // for devices in the middle of a refresh
		stays[name] = true
	}
	for _, name := range d.files() {
		stays[name] = true
	}
	if err := disk.RemoveAll(d.disk, nextDir); err != nil {
		return err
	}
	if err := d.disk.Mkdir(nextDir, 0o755); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		delete(stays, name)
		if err := disk.WriteNew(d.disk, path.Join(nextDir, name), files[name], 0o644); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(stays)) {
		if err := copyFile(d.disk, path.Join(metadataDir, name), path.Join(nextDir, name)); err != nil {
			return err
		}
	}
	if err := d.disk.SyncDir(nextDir); err != nil {
		return err
	}
	return exchange(d.disk)
}
