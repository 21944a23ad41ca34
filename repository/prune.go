package repository

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"moult/disk"
	"moult/release"
	"moult/tuf"
)

// Pruned is what Prune did.
type Pruned struct {
	Releases []string `json:"releases"` // as MODULE/VERSION
	Files    int      `json:"files"`    // of the folder, of all kinds but metadata
	Bytes    int64    `json:"bytes"`
	Signed   []string `json:"signed"`
}

// Prune takes the releases of each module beyond keep out of its role, and removes what nothing names any more. What the
// generation of metadata before the last names stays until the next, for devices in the middle of a refresh.
func (r *Repository) Prune(ctx context.Context, keys Keys, keep int) (Pruned, error) {
	if keep < 1 {
		return Pruned{}, fmt.Errorf("keep: got %d, want at least 1", keep)
	}
	d, err := r.draft(keys)
	if err != nil {
		return Pruned{}, err
	}
	var pruned Pruned
	for _, module := range d.moduleNames() {
		if gone := d.keep(module, keep); len(gone) > 0 {
			pruned.Releases = append(pruned.Releases, gone...)
			d.due[module] = true
		}
	}
	if pruned.Signed, err = d.publish(); err != nil {
		return Pruned{}, err
	}
	if err := r.bundle(ctx); err != nil {
		return pruned, err
	}
	return pruned, r.sweep(ctx, &pruned)
}

// follow brings up to date what follows from the metadata: the bundles, and the files that nothing names any more.
func (r *Repository) follow(ctx context.Context) error {
	if err := r.bundle(ctx); err != nil {
		return fmt.Errorf("the metadata is published, the bundles not yet: %w", err)
	}
	if err := r.sweep(ctx, new(Pruned)); err != nil {
		return fmt.Errorf("the metadata is published, what is old is not yet removed: %w", err)
	}
	return nil
}

// Target is a release as a module's role names it.
type Target struct {
	Module     string          `json:"module"`
	Version    release.Version `json:"version"`
	Prerelease bool            `json:"prerelease,omitempty"`
	Devices    []string        `json:"devices,omitempty"`
	Length     int64           `json:"length"` // of the manifest
	SHA256     string          `json:"sha256"` // of the manifest
}

// targets lists what a role names, the newest first.
func targetsIn(module string, role *metadata.Metadata[metadata.TargetsType]) ([]Target, error) {
	var all []Target
	for name, file := range role.Signed.Targets {
		text, below := strings.CutPrefix(name, module+"/")
		v, err := release.ParseVersion(text)
		if err == nil {
			err = release.CheckPublished(v)
		}
		if !below || err != nil {
			return nil, release.Refuse(release.WrongModule, "role %s: got the target %q, want %s/VERSION", module, name, module)
		}
		c, err := parseCustom(file)
		if err != nil {
			return nil, fmt.Errorf("target %s: %w", name, err)
		}
		hash := file.Hashes["sha256"]
		if len(hash) != 32 || len(file.Hashes) != 1 || file.Length < 1 || file.Length > release.MaxManifest {
			return nil, release.Refuse(release.BadFormat, "target %s: got the length %d and hashes %v, want up to %d and one sha256", name, file.Length, file.Hashes, release.MaxManifest)
		}
		all = append(all, Target{module, v, c.Prerelease, c.Devices, file.Length, hex.EncodeToString(hash)})
	}
	slices.SortFunc(all, func(a, b Target) int { return newestFirst(a.Version, b.Version) })
	return all, nil
}

// newestFirst orders versions; names that are none come after, in the order of their letters, as dated ones sort.
func newestFirst(a, b release.Version) int {
	if order, known := release.Compare(a, b); known && order != 0 {
		return -order
	}
	if a.IsNumeric() != b.IsNumeric() {
		if a.IsNumeric() {
			return -1
		}
		return 1
	}
	return strings.Compare(b.String(), a.String())
}

// keep takes out of a module's role what is beyond the newest n, versions and names apart. The newest of each channel stays for
// every kind of devices that a release is for.
func (d *draft) keep(module string, n int) (gone []string) {
	role := d.modules[module]
	all, err := targetsIn(module, role)
	if err != nil {
		return nil
	}
	count := map[bool]int{}
	newest := map[string]bool{}
	for _, t := range all {
		stays := false
		if count[t.Version.IsNumeric()]++; count[t.Version.IsNumeric()] <= n {
			stays = true
		}
		for _, kind := range append(slices.Clone(t.Devices), "") {
			if kind == "" && len(t.Devices) > 0 {
				continue
			}
			for _, channel := range []release.Channel{release.Stable, release.Beta} {
				key := kind + " " + channel.String()
				if channel.Allows(t.Release()) && !newest[key] {
					newest[key], stays = true, true
				}
			}
		}
		if !stays {
			name := module + "/" + t.Version.String()
			delete(role.Signed.Targets, name)
			gone = append(gone, name)
		}
	}
	return gone
}

// Release is the target as a channel sees it.
func (t Target) Release() release.Release {
	return release.Release{Version: t.Version, Prerelease: t.Prerelease}
}

// sweep removes the files and manifests that no metadata in the folder names.
func (r *Repository) sweep(ctx context.Context, pruned *Pruned) error {
	named, err := r.named(metadataDir)
	if err != nil {
		return err
	}
	for _, top := range []string{targetsDir, filesDir} {
		if err := r.sweepBelow(ctx, top, named, pruned); err != nil {
			return err
		}
	}
	return nil
}

// named lists the manifests and files that any role in a folder of metadata names, by their paths.
func (v *View) named(dir string) (map[string]bool, error) {
	entries, err := v.disk.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	g, err := read(v.disk, dir, v.trusted)
	if err != nil {
		return nil, err
	}
	named, delegated := map[string]bool{}, map[string]bool{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), "."+Targets+".json") {
			continue
		}
		targets, err := load[metadata.TargetsType](v.disk, dir, e.Name(), tuf.MaxMetadata)
		if err != nil {
			return nil, err
		}
		for _, module := range (&generation{targets: targets}).moduleNames() {
			delegated[module] = true
		}
	}
	for _, e := range entries {
		module, isRole := roleInFile(e.Name())
		if !isRole || !delegated[module] {
			continue
		}
		role, err := load[metadata.TargetsType](v.disk, dir, e.Name(), tuf.MaxMetadata)
		if err != nil {
			return nil, err
		}
		targets, err := targetsIn(module, role)
		if err != nil {
			return nil, err
		}
		for _, t := range targets {
			if named[t.path()] {
				continue
			}
			m, err := v.manifest(t)
			if release.ReasonOf(err) == release.Missing && !g.isCurrent(module, e.Name()) {
				continue // of a module that was away, and came back
			}
			if err != nil {
				return nil, err
			}
			named[t.path()] = true
			for _, f := range m.Files {
				if f.SHA256 != "" {
					named[FilePath(f.SHA256)] = true
				}
			}
		}
	}
	return named, nil
}

// isCurrent reports whether a file is the role of a module as it stands.
func (g *generation) isCurrent(module, file string) bool {
	return g.modules[module] != nil && file == numbered(g.version(module), module)
}

// roleInFile returns the module whose role a metadata file is; false for the repository's own roles.
func roleInFile(name string) (module string, is bool) {
	_, rest, _ := strings.Cut(name, ".")
	module, is = strings.CutSuffix(rest, ".json")
	return module, is && release.CheckModule(module) == nil
}

func (t Target) path() string { return targetPath(t.Module, t.Version, t.SHA256) }

func (r *Repository) sweepBelow(ctx context.Context, dir string, named map[string]bool, pruned *Pruned) error {
	entries, err := r.disk.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	left := len(entries)
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		name := path.Join(dir, e.Name())
		if e.IsDir() {
			if err := r.sweepBelow(ctx, name, named, pruned); err != nil {
				return err
			}
			if there, err := disk.Exists(r.disk, name); err != nil {
				return err
			} else if !there {
				left--
			}
			continue
		}
		if named[name] {
			continue
		}
		if info, err := e.Info(); err == nil {
			pruned.Files++
			pruned.Bytes += info.Size()
		}
		if err := r.disk.Remove(name); err != nil {
			return err
		}
		left--
	}
	if left == 0 && strings.Contains(dir, "/") {
		return r.disk.Remove(dir)
	}
	return nil
}
