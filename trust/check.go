package trust

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"moult/fault"
	"moult/pack"
	"moult/release"
	"moult/tuf"
)

// This file is a check at a site (docs/formats.md, A check): one request where nothing changed, and where something did: for the
// module's bundle, which is the update's, too.

// memo is what a check remembers of its server: the bundle that it saw last, and the timestamp.
type memo struct {
	Bundle     string `json:"bundle,omitempty"` // its path
	BundleETag string `json:"bundleETag,omitempty"`
	ETag       string `json:"etag,omitempty"`      // of the timestamp
	Timestamp  string `json:"timestamp,omitempty"` // its SHA-256
}

// check brings the trusted metadata up to date from the site, and returns what is to be remembered.
func (s *Source) check(ctx context.Context, remembered []byte) (*chain, []byte, error) {
	var m memo
	if json.Unmarshal(remembered, &m) != nil {
		m = memo{}
	}
	c, err := s.byBundle(ctx, &m)
	if c == nil && err == nil {
		c, err = s.bySingle(ctx, &m)
	}
	if err != nil || m == (memo{}) {
		return c, nil, err
	}
	data, err := json.Marshal(m)
	return c, data, err
}

// byBundle walks by the first suitable bundle. It returns nil where single requests must do.
func (s *Source) byBundle(ctx context.Context, m *memo) (*chain, error) {
	for {
		d, f, err := s.openBundle(ctx, metadataRoom, *m)
		switch {
		case errors.Is(err, release.ErrNotFound):
			return nil, nil
		case errors.Is(err, errUnchanged):
			return s.byHeld(ctx)
		}
		var c *chain
		var named versionsNamed
		if err == nil {
			named, err = f.pointer()
		}
		if err == nil && named == nil {
			c, err = s.walk(ctx, &layered{f, single{s.opt.Site}})
		}
		if err == nil {
			before := *m
			if m.Bundle, m.BundleETag = "", ""; d.etag != "" && len(d.etag) < maxETag {
				m.Bundle, m.BundleETag = s.bundles[0], d.etag
			}
			if named == nil {
				return c, s.setAside(d, f)
			}
			if c, err = s.byPointer(ctx, d, named); c == nil { // what it names may not be there yet: then it must say so again
				*m = before
			}
			return c, err
		}
		if d != nil {
			err = errors.Join(err, d.Close())
		}
		if fault.IsTransient(err) || ctx.Err() != nil {
			return nil, err
		}
		s.spoiled(d)
	}
}

// byHeld walks over what is held; nil where that will not do.
func (s *Source) byHeld(ctx context.Context) (*chain, error) {
	c, err := s.walk(ctx, nowhere{})
	if err != nil {
		return nil, ctx.Err()
	}
	return c, nil
}

// byPointer walks over what is held, where a pointer names nothing newer; nil where it does.
func (s *Source) byPointer(ctx context.Context, d *download, named versionsNamed) (*chain, error) {
	s.bundles = nil // there is nothing in it for a fetch
	if err := errors.Join(d.Close(), s.shelf.drop()); err != nil {
		return nil, err
	}
	for kind, files := range map[pack.Kind][]string{pack.Root: {rootFile, anchorFile}, pack.Targets: {targetsFile}, pack.Role: {roleFile(s.opt.Module)}} {
		var held uint64
		for _, file := range files {
			data, err := s.store.load(file)
			if err != nil {
				return nil, err
			}
			held = max(held, peek(data))
		}
		if held < named[kind] {
			return nil, nil
		}
	}
	return s.byHeld(ctx)
}

// bySingle walks by single requests.
func (s *Source) bySingle(ctx context.Context, m *memo) (*chain, error) {
	timestamp, etag, err := s.askTimestamp(ctx, *m)
	if err != nil {
		return nil, explain(missing(err))
	}
	if timestamp == nil { // not modified
		if c, err := s.byHeld(ctx); c != nil || err != nil {
			return c, err
		}
		if timestamp, etag, err = s.askTimestamp(ctx, memo{}); err != nil {
			return nil, explain(missing(err))
		}
	}
	c, err := s.walk(ctx, &answered{single{s.opt.Site}, timestamp})
	if err != nil {
		return nil, err
	}
	m.ETag, m.Timestamp = "", ""
	if now, err := s.store.load(timestampFile); err == nil && bytes.Equal(now, timestamp) && etag != "" && len(etag) < maxETag {
		m.ETag, m.Timestamp = etag, digest(timestamp)
	}
	return c, nil
}

// askTimestamp asks for the timestamp; nil where it is the one that the memo is of, and that is held.
func (s *Source) askTimestamp(ctx context.Context, m memo) (timestamp []byte, etag string, err error) {
	var ask Ask
	if held, err := s.store.load(timestampFile); err == nil && held != nil && digest(held) == m.Timestamp {
		ask.ETag = m.ETag
	}
	it := item{kind: pack.Timestamp, path: "metadata/timestamp.json", limit: tuf.MaxTimestamp}
	answer, err := s.opt.Site.Open(ctx, it.path, ask)
	if err != nil || answer.Unchanged {
		return nil, "", err
	}
	timestamp, err = readAll(answer, it)
	return timestamp, answer.ETag, err
}

// peek returns the version that metadata says it has, before anything of it is proven; 0 where it says none.
func peek(data []byte) uint64 {
	var m struct{ Signed struct{ Version uint64 } }
	if json.Unmarshal(data, &m) != nil {
		return 0
	}
	return m.Signed.Version
}
