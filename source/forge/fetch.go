package forge

import (
	"context"
	"fmt"
	"io"

	"moult/archive"
	"moult/release"
	"moult/web"
)

// tail is how much may follow an archive's end: tar's padding, which git fills up to 10 KiB, and gzip's own.
const tail = 64 << 10

// Fetch is one fetch of a source, and counts what it costs.
type Fetch struct {
	API   API
	Want  release.Want
	Put   func(release.File) error
	Meter web.Meter

	putErr error
}

// NewFetch begins a fetch.
func NewFetch(api API, want release.Want, put func(release.File) error) *Fetch {
	return &Fetch{API: api, Want: want, Put: put}
}

// Archive streams the tree of r from the archive at address, which has the one top folder that forges put around it.
func (f *Fetch) Archive(ctx context.Context, r release.Release, address string) (release.Fetched, error) {
	info, err := f.stream(ctx, web.Request{URL: address, Want: web.Bytes}, func(body io.Reader, length int64) (archive.Info, error) {
		opt := archive.Options{Dir: f.Want.Dir, StripTop: true, Limits: f.Want.Limits}
		info, err := archive.ReadTarGz(body, opt, f.put(ctx))
		if err == nil && f.putErr == nil {
			err = drain(body)
		}
		return info, err
	})
	return f.fetched(info), f.about(r, err)
}

// about says what was fetched, but leaves an error of Put as it is.
func (f *Fetch) about(r release.Release, err error) error {
	if err == nil || f.putErr != nil {
		return err
	}
	return fmt.Errorf("fetch %s: %w", r.Version, err)
}

// stream makes a request for a file and hands its body over.
func (f *Fetch) stream(ctx context.Context, req web.Request, read func(body io.Reader, length int64) (archive.Info, error)) (archive.Info, error) {
	f.Meter.Progress = f.Want.Progress
	req.Meter = &f.Meter
	resp, err := f.API.Client.Do(ctx, req)
	if err != nil {
		return archive.Info{}, err
	}
	defer resp.Body.Close()
	info, err := read(resp.Body, resp.Length)
	switch {
	case f.putErr != nil:
		return info, f.putErr
	case err != nil && ctx.Err() != nil:
		return info, fmt.Errorf("read %s: %w", web.Redact(resp.URL), ctx.Err())
	case err != nil:
		return info, fmt.Errorf("read %s: %w", web.Redact(resp.URL), err)
	}
	return info, nil
}

// put gives files on that a Guard finds harmless, while the context lasts, and keeps the error of Put as it is.
func (f *Fetch) put(ctx context.Context) func(release.File) error {
	guard := release.NewGuard(f.Want.Limits)
	return func(file release.File) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return guard.Pass(file, func(file release.File) error {
			f.putErr = f.Put(file)
			return f.putErr
		})
	}
}

// fetched sums up.
func (f *Fetch) fetched(info archive.Info) release.Fetched {
	return release.Fetched{Commit: commit(info.Commit), Requests: f.Meter.Requests, Received: f.Meter.Received}
}

// commit returns what an archive's comment says when it is a commit.
func commit(comment string) string {
	r, err := Item{Tag: "x", Commit: comment}.Release()
	if err != nil {
		return ""
	}
	return r.Commit
}

// drain reads what follows an archive's end, so that a cut or an endless answer is seen.
func drain(body io.Reader) error {
	n, err := io.CopyN(io.Discard, body, tail+1)
	if err == io.EOF {
		return nil
	}
	if err == nil {
		return fmt.Errorf("got more than %d bytes after the archive's end", n-1)
	}
	return err
}
