package trust

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"moult/disk"
	"moult/fault"
	"moult/pack"
	"moult/release"
	"moult/web"
)

// Options are what a source of signed releases is made of.
type Options struct {
	Disk   disk.Disk // the device's, for the store and for what is kept of a download
	Module string
	Kinds  []string // of the device (docs/formats.md, Kinds of devices)
	Clock  Clock
	Slot   Slot

	// Lock keeps other modules and other runs from the store until unlock: two that walk at once could take a floor back.
	// Nil where there are none.
	Lock func(ctx context.Context) (unlock func(), err error)

	// Either a site,
	Site  Site
	Meter *web.Meter // that the site counts with; may be nil
	// or one bundle, as on a stick, and nothing else.
	Bundle func() (io.ReadCloser, error)
}

// Slot is what the device has of the module: where unchanged files, and those that deltas are made to, are read from.
// Files that are opened are io.ReaderAt, too.
type Slot interface {
	Raw() ([]byte, error)                          // the running version's manifest, in bytes; nil where there is none
	Open(path string) (io.ReadCloser, error)       // of the running version
	OpenStaged(path string) (io.ReadCloser, error) // of the one that is being staged
}

// Source is a module of a signed repository. It is not for several goroutines.
type Source struct {
	opt   Options
	store *Store
	shelf shelf

	bundles  []string  // that may suit the device, the best first; those that turned out to be of no use are taken out
	whole    string    // the bundle that this run has read to its end
	doubtful bool      // a part of it was kept of an earlier run
	counted  web.Meter // as it stood when the check began that a fetch follows: what a check received of a bundle is a part of the fetch
}

var _ release.Source = (*Source)(nil)

// NewSource returns the source of a module.
func NewSource(opt Options) *Source {
	if opt.Meter == nil {
		opt.Meter = new(web.Meter)
	}
	return &Source{opt: opt, store: NewStore(opt.Disk), shelf: shelf{opt.Disk, opt.Module}}
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Latest brings the trusted metadata up to date and returns the newest release that the channel allows among those for the device's
// kinds. A refusal has a reason (release.ReasonOf); after it the held metadata is what it was, or newer and as good.
func (s *Source) Latest(ctx context.Context, q release.Query) (release.Answer, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return release.Answer{}, err
	}
	defer unlock()
	if s.opt.Bundle != nil {
		return s.fromBundle(ctx, q)
	}
	s.counted = *s.opt.Meter
	s.bundles, s.whole = s.suitable(q.Channel), ""
	c, remember, err := s.check(ctx, q.Memo)
	if err != nil {
		return release.Answer{}, err
	}
	return s.answer(c, q, remember)
}

// lock keeps others from the store.
func (s *Source) lock(ctx context.Context) (unlock func(), err error) {
	if s.opt.Lock == nil {
		return func() {}, nil
	}
	return s.opt.Lock(ctx)
}

// walkHeld walks over what Latest left. Another module may be in the middle of its own walk.
func (s *Source) walkHeld(ctx context.Context) (*chain, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return s.walk(ctx, nowhere{})
}

func (s *Source) walk(ctx context.Context, from fetcher) (*chain, error) {
	return s.store.walk(ctx, from, s.opt.Module, s.opt.Clock())
}

func (s *Source) answer(c *chain, q release.Query, memo []byte) (release.Answer, error) {
	r, err := choose(c.trusted.Targets[s.opt.Module], s.opt.Module, s.opt.Kinds, q.Channel)
	if err != nil {
		return release.Answer{}, err
	}
	return release.Answer{Release: r, Memo: memo}, nil
}

// suitable lists the bundles that may bring this device to a channel's newest release.
func (s *Source) suitable(channel release.Channel) []string {
	channels := map[string][]string{"stable": {"stable"}, "beta": {"beta", "stable"}}[channel.String()]
	var all []string
	for _, name := range channels {
		if installed, _, err := s.installed(); err == nil && installed != nil {
			all = append(all, fmt.Sprintf("bundles/%s/%s/%s.bundle", s.opt.Module, name, installed.Version))
		} else {
			all = append(all, fmt.Sprintf("bundles/%s/%s.bundle", s.opt.Module, name))
		}
	}
	return all
}

// setAside ends reading a bundle at its manifest. A check may be all that is wanted: no connection is left open for a fetch.
func (s *Source) setAside(d *download, f *feed) error {
	_, err := f.seek(pack.ManifestKind, 0)
	switch {
	case errors.Is(err, release.ErrNotFound): // it says that nothing is new
		return errors.Join(d.Close(), s.shelf.drop())
	case err == nil:
		var whole bool
		if whole, err = d.finish(); whole {
			s.whole, s.doubtful = s.bundles[0], d.resumed
		}
	default:
		err = errors.Join(err, d.Close())
	}
	if err != nil && !fault.IsTransient(err) {
		s.spoiled(d)
	}
	return nil // the metadata is good: what became of the rest is for a fetch to find out
}

// openBundle opens the first suitable bundle that there is; release.ErrNotFound where there is none, errUnchanged where it is the one
// that was seen.
func (s *Source) openBundle(ctx context.Context, limit int64, seen memo) (*download, *feed, error) {
	for len(s.bundles) > 0 {
		name, etag := s.bundles[0], ""
		if name == seen.Bundle {
			etag = seen.BundleETag
		}
		d, err := openDownload(ctx, s.opt.Site, s.shelf, name, s.whole == name, limit, etag)
		if errors.Is(err, release.ErrNotFound) {
			s.bundles = s.bundles[1:]
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if s.whole == name {
			d.resumed = s.doubtful
		}
		f, _, err := openFeed(d, s.opt.Module)
		if err != nil {
			return d, nil, errors.Join(err, d.Close())
		}
		return d, f, nil
	}
	return nil, nil, release.ErrNotFound
}

// spoiled drops a bundle that did not help. Where a part of it was kept from before, the rest of the world may be
// innocent, and it is begun anew; else none is taken any more.
func (s *Source) spoiled(d *download) {
	s.whole = ""
	_ = s.shelf.drop()
	if d == nil || !d.resumed {
		s.bundles = nil
	}
}

// fromBundle is Latest from a stick.
func (s *Source) fromBundle(ctx context.Context, q release.Query) (release.Answer, error) {
	r, err := s.opt.Bundle()
	if err != nil {
		return release.Answer{}, err
	}
	defer r.Close()
	f, _, err := openFeed(r, s.opt.Module)
	if err != nil {
		return release.Answer{}, err
	}
	c, err := s.walk(ctx, &layered{feed: f})
	if err != nil {
		return release.Answer{}, err
	}
	return s.answer(c, q, nil)
}

// ModuleOf returns the module that a bundle is for, by its own word.
func ModuleOf(bundle io.Reader) (string, error) {
	_, name, err := openFeed(bundle, "")
	return name, err
}
