package repository

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"moult/disk"
	"moult/pack"
	"moult/release"
	"moult/tuf"
)

// Finding is something that is wrong with a repository.
type Finding struct {
	Reason  release.Reason `json:"reason,omitempty"` // of docs/formats.md; "" for a failure to look, and of a warning
	Text    string         `json:"text"`
	Warning bool           `json:"warning,omitempty"` // no device minds
}

// Report is what Verify found.
type Report struct {
	Modules  int       `json:"modules"`
	Releases int       `json:"releases"`
	Files    int       `json:"files"` // different ones
	Bytes    int64     `json:"bytes"` // of the files
	Bundles  int       `json:"bundles"`
	Findings []Finding `json:"findings"`
}

// OK reports whether nothing but warnings was found.
func (r *Report) OK() bool {
	return !slices.ContainsFunc(r.Findings, func(f Finding) bool { return !f.Warning })
}

func (r *Report) found(err error) {
	if err != nil {
		r.Findings = append(r.Findings, Finding{Reason: release.ReasonOf(err), Text: err.Error()})
	}
}

func (r *Report) warn(format string, args ...any) {
	r.Findings = append(r.Findings, Finding{Text: fmt.Sprintf(format, args...), Warning: true})
}

// Verify checks a whole repository as a device would, and more: each signature, threshold, version and expiry, each manifest and file,
// each bundle to its last byte; and that nothing else stands there. Progress, which may be nil, is told of each release as it is begun.
// The error is that of ctx, or of a root that there is not.
func (v *View) Verify(ctx context.Context, progress func(Target)) (*Report, error) {
	c := &checker{View: v, ctx: ctx, report: &Report{Findings: []Finding{}}, files: map[string]int64{}, stays: map[string]bool{}}
	g, err := v.read()
	if errors.Is(err, ErrNone) {
		return nil, err
	}
	if err != nil {
		c.report.found(err)
		return c.report, ctx.Err()
	}
	c.expiry(g)
	c.metadataFiles(g)
	for _, module := range g.moduleNames() {
		c.report.Modules++
		c.module(g, module, progress)
	}
	c.strays()
	return c.report, ctx.Err()
}

type checker struct {
	*View
	ctx    context.Context
	report *Report
	files  map[string]int64 // the files of releases, by hash
	stays  map[string]bool  // every path that something names
	before map[string]bool  // what the roles of the generation before name; nil until it is asked for
}

func (c *checker) expiry(g *generation) {
	now := c.now()
	for _, role := range g.roles() {
		if end := g.expiry(role); !now.Before(end) {
			c.report.found(release.Refuse(release.Expired, "%s: expired on %s", numbered(g.version(role), role), end.Format(time.RFC3339)))
		}
	}
}

// metadataFiles holds what was published to its sizes, and says which files of the folder the generation is.
func (c *checker) metadataFiles(g *generation) {
	for _, n := range g.rootVersions {
		c.stays[path.Join(g.dir, numbered(n, Root))] = true
	}
	c.stays[path.Join(g.dir, Timestamp+".json")] = true
	for _, name := range filesOf(g.snapshot) {
		c.stays[path.Join(g.dir, name)] = true
	}
	if before := numbered(g.version(Snapshot)-1, Snapshot); g.version(Snapshot) > 1 {
		if old, err := load[metadata.SnapshotType](c.disk, g.dir, before, tuf.MaxMetadata); err == nil {
			for _, name := range filesOf(old) {
				c.stays[path.Join(g.dir, name)] = true
			}
		}
	}
	for _, d := range g.root.Signed.Roles {
		if d.Threshold < 1 {
			c.report.found(release.Refuse(release.BadFormat, "root: threshold: got %d, want at least 1", d.Threshold))
		}
	}
	if !g.root.Signed.ConsistentSnapshot {
		c.report.found(release.Refuse(release.BadFormat, "root: got no consistent snapshots"))
	}
	if len(g.targets.Signed.Targets) > 0 {
		c.report.found(release.Refuse(release.BadFormat, "targets: got targets of its own, want only modules' roles"))
	}
	for _, module := range g.moduleNames() {
		d := g.delegation(module)
		if !d.Terminating || !slices.Equal(d.Paths, []string{module + "/*"}) || release.CheckModule(module) != nil || d.Threshold < 1 {
			c.report.found(release.Refuse(release.BadFormat, "targets: role %q: got the paths %q, terminating %v, threshold %d, want %q", module, d.Paths, d.Terminating, d.Threshold, module+"/*"))
		}
	}
	if at, there := g.timestamp.Signed.UnrecognizedFields[issued].(string); !there {
		c.report.found(release.Refuse(release.BadFormat, "timestamp: got no %q", issued))
	} else if t, err := time.Parse(time.RFC3339, at); err != nil || t.After(g.timestamp.Signed.Expires) {
		c.report.found(release.Refuse(release.BadFormat, "timestamp: %s: got %q, want a time before it expires", issued, at))
	}
}

func (c *checker) module(g *generation, module string, progress func(Target)) {
	targets, err := g.releases(module)
	if err != nil {
		c.report.found(err)
		return
	}
	if len(targets) == 0 {
		c.report.warn("%s: has no release yet", module)
	}
	manifests := map[string]*release.Manifest{}
	for _, t := range targets {
		if c.ctx.Err() != nil {
			return
		}
		if progress != nil {
			progress(t)
		}
		c.report.Releases++
		c.stays[t.path()] = true
		m, err := c.manifest(t)
		if err != nil {
			c.report.found(err)
			continue
		}
		manifests[t.Version.String()] = m
		for _, f := range m.Files {
			if f.SHA256 != "" {
				c.file(f)
			}
		}
	}
	want := mark(c.settings.Window, g.version(Root), g.version(Targets), g.version(module))
	for _, s := range standingOf(module, targets) {
		if c.ctx.Err() != nil {
			return
		}
		c.stays[s.name] = true
		c.report.Bundles++
		to, from := manifests[s.to.Version.String()], (*release.Manifest)(nil)
		if s.from != nil {
			from = manifests[s.from.Version.String()]
		}
		if to == nil || s.from != nil && from == nil {
			continue // told already
		}
		c.standing(s, want, to, from)
	}
}

// standing checks a bundle that stands in the repository. One that was made for older metadata is of little use, and does no harm.
func (c *checker) standing(s standing, want string, to, from *release.Manifest) {
	if there, err := disk.Exists(c.disk, s.name); err == nil && !there {
		c.report.warn("%s: is not there: moult repo sign makes it", s.name)
		return
	}
	of, made := c.madeFor(s.name)
	if of == s.to.Module && made != "" && made != want {
		c.report.warn("%s: was made for older metadata: moult repo sign makes it anew", s.name)
		return
	}
	if err := c.bundle(s, to, from); err != nil {
		c.report.found(fmt.Errorf("%s: %w", s.name, err))
	}
}

// file checks a file of a release once.
func (c *checker) file(e release.Entry) {
	if length, seen := c.files[e.SHA256]; seen {
		if length != e.Length {
			c.report.found(release.Refuse(release.BadLength, "%s: got the lengths %d and %d for one hash", e.Path, length, e.Length))
		}
		return
	}
	c.files[e.SHA256] = e.Length
	name := FilePath(e.SHA256)
	c.stays[name] = true
	c.report.Files++
	c.report.Bytes += e.Length
	f, err := c.open(e)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = release.Refuse(release.Missing, "%s (%s): %w", name, e.Path, err)
		}
		c.report.found(err)
		return
	}
	defer f.Close()
	c.report.found(checkContent(name+" ("+e.Path+")", e, f))
}

func checkContent(name string, e release.Entry, r io.Reader) error {
	digest := sha256.New()
	n, err := io.Copy(digest, io.LimitReader(r, e.Length+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case n != e.Length:
		return release.Refuse(release.BadLength, "%s: length: got %d, want %d", name, n, e.Length)
	case hex.EncodeToString(digest.Sum(nil)) != e.SHA256:
		return release.Refuse(release.BadHash, "%s: got other bytes than were signed", name)
	}
	return nil
}

// bundle reads a bundle to its last byte, and holds what comes out of its pack to the manifest.
func (c *checker) bundle(s standing, to, from *release.Manifest) error {
	f, err := c.disk.Open(s.name)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := pack.OpenBundle(f)
	if err != nil {
		return err
	}
	whole := false
	for {
		section, err := b.Next()
		if err == io.EOF && whole == s.pointer {
			return release.Refuse(release.Missing, "got a pointer %v, want %v", !whole, s.pointer)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		whole = whole || section.Kind == pack.PackKind
		switch section.Kind {
		case pack.ManifestKind:
			err = c.bundledManifest(b, section, s)
		case pack.PackKind:
			err = c.bundledFiles(b, to, from)
		case pack.Module:
			var name []byte
			if name, err = b.Body(release.MaxModule); err == nil && string(name) != s.to.Module {
				err = release.Refuse(release.WrongModule, "module: got %q, want %q", name, s.to.Module)
			}
		}
		if err != nil {
			return err
		}
	}
}

func (c *checker) bundledManifest(b *pack.Bundle, section pack.Section, s standing) error {
	body, err := b.Body(release.MaxManifest)
	if err != nil {
		return err
	}
	if section.Number == 1 {
		if s.from == nil {
			return release.Refuse(release.BadFormat, "manifest: got a delta, and there is no base")
		}
		base, err := c.manifestBytes(*s.from)
		if err != nil {
			return err
		}
		body, err = io.ReadAll(pack.NewDelta(bytes.NewReader(body), bytes.NewReader(base), int64(len(base)), s.to.Length))
		if err != nil {
			return err
		}
	}
	if digest := sha256.Sum256(body); hex.EncodeToString(digest[:]) != s.to.SHA256 {
		return release.Refuse(release.BadHash, "manifest: got another than that of %s", s.to.Version)
	}
	return nil
}

func (c *checker) bundledFiles(b *pack.Bundle, to, from *release.Manifest) error {
	r := pack.NewReader(b.Pack(), to, from)
	for {
		e, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		var base []byte
		if e.Base != nil {
			if base, err = disk.ReadFile(c.disk, FilePath(e.Base.SHA256), e.Base.Length); err != nil {
				return err
			}
		}
		if err := checkContent(e.File.Path, e.File, r.Body(bytes.NewReader(base))); err != nil {
			return err
		}
	}
}

// strays warns of files that nothing names: they do no harm, and take space.
func (c *checker) strays() {
	dir, err := c.metadataDir()
	if err != nil {
		c.report.found(err)
		return
	}
	for _, top := range []string{dir, targetsDir, filesDir, bundlesDir} {
		names, err := c.below(top)
		c.report.found(err)
		for _, name := range names {
			if !c.stays[name] && !c.recent(dir, name) {
				c.report.warn("%s: nothing names it", name)
			}
		}
	}
	for _, left := range []string{nextDir, oldDir} {
		if there, _ := disk.Exists(c.disk, left); there && left != dir {
			c.report.warn("%s/: a command was cut; the next one finishes or undoes it", left)
		}
	}
}

// recent reports whether a role of the generation before names a path of a manifest or file.
func (c *checker) recent(dir, name string) bool {
	if c.before == nil {
		c.before = map[string]bool{}
		if named, err := c.named(dir); err == nil { // else it was told already
			c.before = named
		}
	}
	return c.before[name]
}
