package repository

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"moult/disk"
	"moult/fault"
	"moult/pack"
	"moult/release"
	"moult/tuf"
)

// Bundle is which bundle is to be made.
type Bundle struct {
	Module string
	To     release.Version // zero: the newest of the channel
	From   release.Version // what the device has; zero: nothing
	// Channel is where the newest is looked for.
	Channel release.Channel
	Window  int // 10 to 15; 0: as the settings say
}

// Bundled says what stands in a bundle.
type Bundled struct {
	Module string          `json:"module"`
	To     release.Version `json:"to"`
	From   release.Version `json:"from,omitzero"`
	Bytes  int64           `json:"bytes"`
}

// WriteBundle writes a bundle that proves itself to whoever trusts any root of the repository: for a stick, or a server.
// The metadata in it is what stands now: it is good until the timestamp expires.
func (v *View) WriteBundle(ctx context.Context, w io.Writer, b Bundle) (Bundled, error) {
	g, err := v.read()
	if err != nil {
		return Bundled{}, err
	}
	targets, err := g.releases(b.Module)
	if err != nil {
		return Bundled{}, err
	}
	to, from := Target{}, (*Target)(nil)
	if b.To.IsZero() {
		newest, found := newestOf(targets, b.Channel)
		if !found {
			return Bundled{}, fmt.Errorf("bundle of %s: %s offers none: %w", b.Module, b.Channel, release.ErrNoRelease)
		}
		to = newest
	} else if to, err = find(targets, b.Module, b.To); err != nil {
		return Bundled{}, err
	}
	if !b.From.IsZero() {
		base, err := find(targets, b.Module, b.From)
		if err != nil {
			return Bundled{}, err
		}
		from = &base
	}
	if b.Window == 0 {
		b.Window = v.settings.Window
	}
	count := &counter{w: w, ctx: ctx}
	if err := v.writeBundle(count, g, to, from, b.Window, true); err != nil {
		return Bundled{}, fmt.Errorf("bundle of %s %s: %w", to.Module, to.Version, err)
	}
	return Bundled{to.Module, to.Version, b.From, count.n}, nil
}

// releases lists the releases of a module, the newest first.
func (g *generation) releases(module string) ([]Target, error) {
	role := g.modules[module]
	if role == nil {
		return nil, fault.Hint(fmt.Errorf("got no module %q: %w", module, release.ErrNotFound), fmt.Sprintf("the modules are %v", g.moduleNames()))
	}
	return targetsIn(module, role)
}

func find(targets []Target, module string, v release.Version) (Target, error) {
	var known []string
	for _, t := range targets {
		if t.Version.String() == v.String() {
			return t, nil
		}
		known = append(known, t.Version.String())
	}
	return Target{}, fault.Hint(fmt.Errorf("%s: got no release %s: %w", module, v, release.ErrNotFound), fmt.Sprintf("its releases are %v", known))
}

func newestOf(targets []Target, c release.Channel) (Target, bool) {
	for _, t := range targets { // the newest first
		if c.Allows(t.Release()) {
			return t, true
		}
	}
	return Target{}, false
}

// writeBundle writes the sections of docs/formats.md, in their order; targets only where withTargets says so.
func (v *View) writeBundle(out io.Writer, g *generation, to Target, from *Target, window int, withTargets bool) error {
	w, err := pack.NewWriter(out, window)
	if err != nil {
		return err
	}
	if err := w.Section(pack.Module, 0, []byte(to.Module)); err != nil {
		return err
	}
	if err := v.writeMetadata(w, g, to.Module, withTargets); err != nil {
		return err
	}
	toBytes, err := v.manifestBytes(to)
	if err != nil {
		return err
	}
	manifest, err := v.manifest(to)
	if err != nil {
		return err
	}
	var base *release.Manifest
	number, body := uint64(0), toBytes
	if from != nil {
		if base, err = v.manifest(*from); err != nil {
			return err
		}
		fromBytes, err := v.manifestBytes(*from)
		if err != nil {
			return err
		}
		hash, err := hexBytes(from.SHA256)
		if err != nil {
			return err
		}
		if err := w.Section(pack.Base, 0, hash[:pack.BaseLength]); err != nil {
			return err
		}
		if delta := pack.AppendDelta(nil, fromBytes, toBytes); len(delta) < len(toBytes) {
			number, body = 1, delta
		}
	}
	if err := w.Section(pack.ManifestKind, number, body); err != nil {
		return err
	}
	if err := pack.Encode(w.Pack(), manifest, base, v.open, v.open); err != nil {
		return err
	}
	return w.Close()
}

// writePointer writes a bundle that names the versions of what a device of the newest release holds, and brings nothing.
func writePointer(out io.Writer, g *generation, module string, window int) error {
	w, err := pack.NewWriter(out, window)
	if err != nil {
		return err
	}
	if err := w.Section(pack.Module, 0, []byte(module)); err != nil {
		return err
	}
	for _, s := range []struct {
		kind pack.Kind
		role string
	}{{pack.Root, Root}, {pack.Targets, Targets}, {pack.Role, module}} {
		if err := w.Section(s.kind, uint64(g.version(s.role)), nil); err != nil {
			return err
		}
	}
	return w.Close()
}

// writeMetadata writes what proves a module's releases to a device that has the first root alone, and targets where it is left out.
func (v *View) writeMetadata(w *pack.Writer, g *generation, module string, withTargets bool) error {
	type section struct {
		kind    pack.Kind
		version int64
		name    string
	}
	var all []section
	for _, n := range g.rootVersions[1:] {
		all = append(all, section{pack.Root, n, numbered(n, Root)})
	}
	all = append(all,
		section{pack.Timestamp, g.version(Timestamp), Timestamp + ".json"},
		section{pack.Snapshot, g.version(Snapshot), numbered(g.version(Snapshot), Snapshot)})
	if withTargets {
		all = append(all, section{pack.Targets, g.version(Targets), numbered(g.version(Targets), Targets)})
	}
	all = append(all, section{pack.Role, g.version(module), numbered(g.version(module), module)})
	for _, s := range all {
		data, err := disk.ReadFile(v.disk, g.dir+"/"+s.name, tuf.MaxMetadata)
		if err != nil {
			return err
		}
		if err := w.Section(s.kind, uint64(s.version), data); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// madeFor returns the module that a bundle says it is for, and what the metadata was when it was made, as a mark; "" where it cannot be read.
// A bundle is as good as new while the root, targets and the module's role are the same: the timestamp and the snapshot a device asks for anyway.
func (v *View) madeFor(name string) (module, made string) {
	f, err := v.disk.Open(name)
	if err != nil {
		return "", ""
	}
	defer f.Close()
	b, err := pack.OpenBundle(f)
	if err != nil {
		return "", ""
	}
	root, targets := int64(1), int64(0)
	for {
		s, err := b.Next()
		if err != nil {
			return "", ""
		}
		switch s.Kind {
		case pack.Module:
			body, err := b.Body(release.MaxModule)
			if err != nil {
				return "", ""
			}
			module = string(body)
		case pack.Root:
			root = int64(s.Number)
		case pack.Snapshot: // it names targets, which may be left out
			body, err := b.Body(tuf.MaxMetadata)
			if err != nil {
				return "", ""
			}
			m, err := new(metadata.Metadata[metadata.SnapshotType]).FromBytes(body)
			if err != nil || m.Signed.Meta[Targets+".json"] == nil {
				return "", ""
			}
			targets = m.Signed.Meta[Targets+".json"].Version
		case pack.Targets:
			targets = int64(s.Number)
		case pack.Role:
			return module, mark(b.Window(), root, targets, int64(s.Number))
		}
	}
}

// mark is what a bundle is made for.
func mark(window int, root, targets, role int64) string {
	text := strconv.Itoa(window)
	for _, n := range []int64{root, targets, role} {
		text += "." + strconv.FormatInt(n, 10)
	}
	return text
}

// counter counts what is written, and ends the writing with its context.
type counter struct {
	w   io.Writer
	ctx context.Context
	n   int64
}

func (c *counter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
