package trust

import (
	"context"
	"errors"
	"fmt"
	"io"

	"moult/pack"
	"moult/release"
	"moult/tuf"
)

// feed reads a bundle as it comes, and is asked for its sections in their order.
type feed struct {
	bundle *pack.Bundle
	next   pack.Section // the section that was not taken yet; its kind is 0 where it was not read yet
	roots  int          // sections that came: what is inflated to be passed over is bounded
}

// openFeed reads the beginning of a bundle, and refuses one of another module. An empty module is any; the bundle's is returned.
func openFeed(r io.Reader, module string) (*feed, string, error) {
	b, err := pack.OpenBundle(r)
	if err != nil {
		return nil, "", err
	}
	f := &feed{bundle: b}
	name, err := f.get(context.Background(), item{kind: pack.Module, limit: 64})
	if err != nil {
		return nil, "", err
	}
	if module != "" && string(name) != module {
		return nil, "", release.Refuse(release.WrongModule, "bundle: got the module %.64q, want %s", name, module)
	}
	return f, string(name), nil
}

// get returns the section of an item's kind and number. Those before it are passed over.
func (f *feed) get(_ context.Context, it item) ([]byte, error) {
	if _, err := f.seek(it.kind, it.number); err != nil {
		return nil, err
	}
	f.next = pack.Section{}
	return f.bundle.Body(it.limit)
}

// seek goes to a section, and is at its beginning then. It is release.ErrNotFound where there is none, and the sections behind stay.
func (f *feed) seek(kind pack.Kind, number uint64) (pack.Section, error) {
	for {
		if f.next.Kind == 0 {
			s, err := f.bundle.Next()
			if err == io.EOF {
				return s, fmt.Errorf("bundle: %s: %w", kind, release.ErrNotFound)
			}
			if err != nil {
				return s, err
			}
			if s.Length > maxSection(s.Kind) {
				return s, release.Refuse(release.BadLength, "bundle: %s: got %d bytes, want at most %d", s.Kind, s.Length, maxSection(s.Kind))
			}
			if s.Kind == pack.Root {
				if f.roots++; f.roots > maxRoots {
					return s, release.Refuse(release.BadLength, "bundle: got more than %d roots", maxRoots)
				}
			}
			f.next = s
		}
		switch s := f.next; {
		case s.Kind == kind && (number == 0 || s.Number == number):
			return s, nil
		case s.Kind > kind || s.Kind == kind && s.Number > number:
			return s, fmt.Errorf("bundle: %s: %w", kind, release.ErrNotFound)
		}
		f.next = pack.Section{}
	}
}

// maxSection bounds what is inflated of a section, in bytes, even to pass it over.
func maxSection(kind pack.Kind) int64 {
	switch kind {
	case pack.Root:
		return tuf.MaxRoot
	case pack.Timestamp:
		return tuf.MaxTimestamp
	case pack.ManifestKind:
		return release.MaxManifest
	}
	return tuf.MaxMetadata
}

// versionsNamed are the versions that a pointer names.
type versionsNamed map[pack.Kind]uint64

// pointer reads a pointer (docs/formats.md, Bundle) to its end; nil where the bundle is none. It comes behind the module.
func (f *feed) pointer() (versionsNamed, error) {
	s, err := f.bundle.Next()
	if err == io.EOF {
		return nil, nil
	}
	if err != nil || !onlyNames(s) {
		f.next = s
		return nil, err
	}
	named := versionsNamed{}
	for ; err == nil; s, err = f.bundle.Next() {
		if named[s.Kind] != 0 || !onlyNames(s) {
			return nil, release.Refuse(release.BadFormat, "bundle: pointer: got %s of %d bytes, want root, targets and role once each, without any", s.Kind, s.Length)
		}
		named[s.Kind] = s.Number
	}
	if err != io.EOF {
		return nil, err
	}
	if len(named) != 3 {
		return nil, release.Refuse(release.BadFormat, "bundle: pointer: got %d versions, want those of root, targets and role", len(named))
	}
	return named, nil
}

// onlyNames reports whether a section says a version and brings nothing.
func onlyNames(s pack.Section) bool {
	return s.Length == 0 && (s.Kind == pack.Root || s.Kind == pack.Targets || s.Kind == pack.Role)
}

// layered asks a bundle first, and then a server, where there is one.
type layered struct {
	feed *feed
	site fetcher // nil: from a stick
}

var _ offerer = (*layered)(nil)

func (l *layered) get(ctx context.Context, it item) ([]byte, error) {
	data, err := l.feed.get(ctx, it)
	if errors.Is(err, release.ErrNotFound) && it.kind != pack.Root { // a bundle has all the newer roots
		return l.instead(ctx, it)
	}
	return data, err
}

func (l *layered) instead(ctx context.Context, it item) ([]byte, error) {
	if l.site == nil {
		return nil, fmt.Errorf("bundle: %s: %w", it.kind, release.ErrNotFound)
	}
	data, err := l.site.get(ctx, it)
	return data, missing(err) // neither has it: then what is held does not do either
}

// answered gives the timestamp that a server answered already, and asks it for all else.
type answered struct {
	fetcher
	timestamp []byte
}

func (a *answered) get(ctx context.Context, it item) ([]byte, error) {
	if it.kind == pack.Timestamp {
		return a.timestamp, nil
	}
	return a.fetcher.get(ctx, it)
}
