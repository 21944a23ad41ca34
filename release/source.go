package release

import (
	"context"
	"errors"
	"io"
)

// Source is where a module's releases come from. A Source speaks of one repository.
//
// Errors: [ErrNoRelease] where the repository offers none that the channel allows, [ErrNotFound] where the repository,
// the release, its directory or its asset does not exist (or is hidden from who asks). Whether another try may help
// is said by fault.IsTransient, what a person can do by fault.HintOf. A context that ended gives its error.
type Source interface {
	// Latest returns the newest release that q's channel allows, at the cost of one request.
	Latest(ctx context.Context, q Query) (Answer, error)

	// Fetch streams the files of r that want selects into put, in the source's order, and returns once all were given.
	// The files are only to be trusted when Fetch returned nil: a length or digest may fail at the very end.
	// An error of put ends the fetch and is returned as it is. Memory does not grow with the release.
	Fetch(ctx context.Context, r Release, want Want, put func(File) error) (Fetched, error)
}

// ErrNoRelease means that there is nothing to install: the repository has no release that the channel allows.
var ErrNoRelease = errors.New("no release")

// ErrNotFound means that what was asked for does not exist, or is hidden from who asks.
var ErrNotFound = errors.New("not found")

// Query is what a check asks.
type Query struct {
	Channel Channel
	Memo    []byte // the Memo of the last Answer, or nil; one that does not fit the query is ignored
}

// Answer is what a check brought.
type Answer struct {
	Release Release
	Memo    []byte // to be given with the next Query (an ETag and what it stood for); at most MaxMemo bytes, may be nil
}

// MaxMemo bounds an Answer's Memo, in bytes.
const MaxMemo = 64 << 10

// Want selects what of a release a device installs.
type Want struct {
	Dir      string // only files below this directory, with paths relative to it; "" or "." for the whole tree
	Asset    string // the name of the asset to install instead of the repository's tree; "" for the tree
	Limits   Limits
	Progress func(received, total int64) // told of bytes as they arrive; total is -1 where it is unknown; may be nil
}

// Limits bound what a release may unpack to. The zero Limits are DefaultLimits.
type Limits struct {
	Files int   // files, folders and links
	Bytes int64 // of all files together, unpacked
}

// DefaultLimits are generous for a board's software and far below what fills a disk unseen.
var DefaultLimits = Limits{Files: 20_000, Bytes: 2 << 30}

// File is one entry of a release. Body is valid only until put returns.
type File struct {
	Path       string // slash-separated, relative, clean, checked by CheckPath
	Size       int64  // of Body, in bytes
	Executable bool
	Link       string // the target where this is a symbolic link, which never leads out of the tree; Body is then nil
	Body       io.Reader
}

// Fetched is what a fetch cost and learned.
type Fetched struct {
	Commit   string    // in hex, where the bytes told it
	Signed   *Manifest // that the files were held to, and the slot must come to; nil where the source has none that is signed
	Requests int       // HTTP requests made, redirects too; 0 where none is
	Received int64     // bytes of the bodies received, as they were on the wire
}
