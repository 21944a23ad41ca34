package trust

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"moult/fault"
	"moult/pack"
	"moult/release"
)

// Fetch streams the files of a release that Latest returned, in the order of its manifest: those that the device has from its running
// version, those in the bundle's pack, and the others by single requests. Each is proven against the signed manifest by its end.
//
// A bundle from a site that turns out bad is a transient error, and is not used again: the next try does without.
func (s *Source) Fetch(ctx context.Context, r release.Release, want release.Want, put func(release.File) error) (fetched release.Fetched, err error) {
	s.opt.Meter.Progress = want.Progress
	defer func() {
		fetched.Requests, fetched.Received = s.opt.Meter.Requests-s.counted.Requests, s.opt.Meter.Received-s.counted.Received
		if !fault.IsTransient(err) && ctx.Err() == nil {
			s.whole = ""
			err = errors.Join(err, s.shelf.drop())
		}
	}()
	c, err := s.walkHeld(ctx)
	if err != nil {
		return fetched, err
	}
	name := s.opt.Module + "/" + r.Version.String()
	target := c.trusted.Targets[s.opt.Module].Signed.Targets[name]
	if target == nil {
		return fetched, release.Refuse(release.Missing, "release %s: the module's role does not have it", r.Version)
	}
	f := &fetching{source: s, ctx: ctx, version: r.Version, length: target.Length, hash: target.Hashes["sha256"].String(), put: put}
	defer func() { err = errors.Join(err, f.close()) }()
	if err := f.open(); err != nil {
		return fetched, err
	}
	if err := f.readManifest(); err != nil {
		return fetched, err
	}
	if err := f.give(); err != nil {
		return fetched, err
	}
	fetched.Commit, fetched.Signed = f.to.Commit, f.to
	return fetched, nil
}

// installed returns the manifest of the running version, and its bytes; nil where there is none that is known.
func (s *Source) installed() (*release.Manifest, []byte, error) {
	data, err := s.opt.Slot.Raw()
	if err != nil || data == nil {
		return nil, nil, err
	}
	m, err := release.ParseManifest(data)
	if err != nil {
		return nil, nil, nil // damaged from outside: then nothing is known to be there
	}
	return m, data, nil
}

// fetching is one Fetch.
type fetching struct {
	source  *Source
	ctx     context.Context
	version release.Version
	length  int64 // of the manifest, and its hash: as they were signed
	hash    string
	put     func(release.File) error

	from     *release.Manifest // of the running version; empty where none is known
	fromData []byte
	have     map[string]string // hash to path of its files
	given    map[string]string // hash to path of the files that put has taken already
	to       *release.Manifest

	closer   io.Closer
	download *download // nil from a stick
	feed     *feed     // nil where no bundle helps
	pack     *pack.Reader
	next     pack.Entry // of the pack; the path is "" where it has no more
}

// open opens the bundle, and looks at what is installed.
func (f *fetching) open() error {
	s := f.source
	from, data, err := s.installed()
	if err != nil {
		return err
	}
	f.from, f.fromData, f.have, f.given = new(release.Manifest), data, map[string]string{}, map[string]string{}
	if from != nil {
		f.from = from
	}
	for _, e := range f.from.Files {
		f.have[e.SHA256] = e.Path
	}
	if s.opt.Bundle != nil {
		r, err := s.opt.Bundle()
		if err != nil {
			return err
		}
		f.closer = r
		f.feed, _, err = openFeed(r, s.opt.Module)
		return err
	}
	d, feed, err := s.openBundle(f.ctx, metadataRoom+f.length, memo{})
	switch {
	case errors.Is(err, release.ErrNotFound):
		return nil
	case err != nil:
		return f.bad(d, err)
	}
	f.closer, f.download, f.feed = d, d, feed
	return nil
}

func (f *fetching) close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

// bad says what an error of the bundle means: from a site, that the next try does without; from a stick, the end.
// An error without a reason is the network's, or the disk's.
func (f *fetching) bad(d *download, err error) error {
	if f.source.opt.Bundle != nil || release.ReasonOf(err) == "" {
		return err
	}
	f.source.spoiled(d)
	return fault.Transient(fmt.Errorf("the bundle is of no use: %w", err))
}

// useless lets the bundle go where it is not made for this device, and single requests do better.
func (f *fetching) useless() error {
	if f.source.opt.Bundle != nil {
		return fault.Hint(release.Refuse(release.Missing, "bundle: got none that leads from the installed %s to %s", f.from.Version, f.version),
			"take the bundle that is for any device, or the one that leads from the installed version")
	}
	f.feed = nil
	err := f.close()
	f.source.spoiled(nil)
	f.closer, f.download = nil, nil
	return err
}

// readManifest brings the signed manifest, and prepares the pack.
func (f *fetching) readManifest() error {
	var data []byte
	withBase := false
	if f.feed != nil {
		var err error
		if data, withBase, err = f.manifestInBundle(); err != nil {
			return err
		}
	}
	if data == nil {
		it := item{path: "targets/" + f.source.opt.Module + "/" + f.hash + "." + f.version.String(), limit: f.length}
		var err error
		if data, err = (single{f.source.opt.Site}).get(f.ctx, it); err != nil {
			return explain(fmt.Errorf("manifest: %w", missing(err)))
		}
	}
	if err := f.checkManifest(data); err != nil {
		err = fmt.Errorf("manifest of %s: %w", f.version, err)
		if f.feed != nil {
			return f.bad(f.download, err)
		}
		return err
	}
	if f.feed == nil {
		return nil
	}
	if f.download != nil {
		f.download.allow(f.to.Size() + f.to.Size()/1000) // stored blocks of deflate cost 5 bytes each
	}
	_, err := f.feed.seek(pack.PackKind, 0)
	if errors.Is(err, release.ErrNotFound) { // all that changed is known already
		return nil
	}
	if err != nil {
		return f.bad(f.download, err)
	}
	base := f.from
	if !withBase {
		base = nil
	}
	f.pack = pack.NewReader(f.feed.bundle.Pack(), f.to, base)
	return f.nextEntry()
}

// manifestInBundle reads the manifest from the bundle; nil where the bundle is not for this device.
func (f *fetching) manifestInBundle() (data []byte, withBase bool, err error) {
	base, err := f.feed.get(f.ctx, item{kind: pack.Base, limit: pack.BaseLength})
	switch {
	case err == nil:
		withBase = true
		if f.fromData == nil || !strings.HasPrefix(digest(f.fromData), hex.EncodeToString(base)) {
			return nil, false, f.useless()
		}
	case !errors.Is(err, release.ErrNotFound):
		return nil, false, f.bad(f.download, err)
	}
	s, err := f.feed.seek(pack.ManifestKind, 0)
	if errors.Is(err, release.ErrNotFound) {
		return nil, false, f.useless()
	}
	if err == nil {
		data, err = f.feed.get(f.ctx, item{kind: pack.ManifestKind, limit: f.length})
	}
	if err == nil && s.Number == 1 {
		r := bytes.NewReader(data)
		data, err = io.ReadAll(pack.NewDelta(r, bytes.NewReader(f.fromData), int64(len(f.fromData)), f.length))
		if err == nil && r.Len() > 0 {
			err = release.Refuse(release.BadFormat, "manifest: got %d bytes behind the delta", r.Len())
		}
	}
	if err != nil {
		return nil, false, f.bad(f.download, err)
	}
	return data, withBase, nil
}

// checkManifest holds the manifest to what was signed, and to its form.
func (f *fetching) checkManifest(data []byte) error {
	switch {
	case int64(len(data)) != f.length:
		return release.Refuse(release.BadLength, "got %d bytes, want %d", len(data), f.length)
	case digest(data) != f.hash:
		return release.Refuse(release.BadHash, "got SHA-256 %s, want %s", digest(data), f.hash)
	}
	m, err := release.ParseManifest(data)
	if err != nil {
		return err
	}
	again, err := m.Encode()
	switch {
	case err != nil:
		return err
	case !bytes.Equal(again, data):
		return release.Refuse(release.BadFormat, "got another form than docs/formats.md has it")
	case m.Module != f.source.opt.Module:
		return release.Refuse(release.WrongModule, "got the module %s, want %s", m.Module, f.source.opt.Module)
	case m.Version.String() != f.version.String():
		return release.Refuse(release.Mismatch, "got the version %s in it", m.Version)
	}
	for _, e := range m.Files {
		if release.IsOurs(e.Path) {
			return release.Refuse(release.BadPath, "path %q: got a name that is the updater's own", e.Path)
		}
	}
	f.to = m
	return nil
}
