// Package trust is the device's side of a signed repository (docs/formats.md): it believes nothing but what the root of
// trust that a person gave it leads to.
//
// Parties: the person, who installs the root once; the holders of the root's keys, offline; the publisher, whose machine
// signs timestamp and snapshot; the author of a module, who signs its role; and whoever serves or carries the files, who is
// trusted with nothing. The chain: root → timestamp → snapshot → targets → the module's role → manifest → file. The rules are
// those of TUF 1.0, clause 5, carried out with go-tuf; which file brings a step, a bundle, a server or a folder, makes no difference.
//
// Threats, each a case of attack_test.go: another's software, old software and old metadata, metadata that does not belong
// together, what does not end or does not come, revoked and borrowed keys, files that damage, a clock at 1970.
//
// Files, below .moult/trust/: anchor.json, the root that was given; root.json, timestamp.json, snapshot.json, targets.json and
// role-MODULE.json, the last of each that was verified; floor.json, what none may fall below. Each is whole and durable before the
// next is asked for. Beside them .moult/download/ keeps the bytes of a bundle that was cut.
package trust

import (
	"context"
	"time"

	"moult/pack"
)

// maxRoots is the most roots in a row at one refresh (docs/formats.md, Metadata).
const maxRoots = 256

// item is a part of a repository: a section of a bundle, or a file by its path.
type item struct {
	kind   pack.Kind
	number uint64 // its version; 0 for the one that there is
	path   string // below the repository's URL
	limit  int64  // in bytes
}

// fetcher brings parts of a repository. Items are asked for in the order of a bundle's sections.
//
// Errors: release.ErrNotFound where there is none; one with the reason length where it is longer than the limit.
type fetcher interface {
	get(ctx context.Context, it item) ([]byte, error)
}

// offerer is a fetcher whose timestamp is an offer: a bundle was made some time ago, and its server may have a newer.
type offerer interface {
	fetcher
	// instead asks for an item elsewhere than in the bundle. It is release.ErrNotFound where there is no such place.
	instead(ctx context.Context, it item) ([]byte, error)
}

// Clock tells the device's time, which may be 1970.
type Clock func() time.Time
