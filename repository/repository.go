// Package repository holds the signed store of releases that any static web server can host: it makes it, adds releases,
// signs, changes keys, checks and prunes. The layout and the bytes are those of docs/formats.md, the rules those of TUF 1.0.
//
// Parties: who holds the root's keys, offline, says which keys may do what (root, targets: which key signs which module).
// Who publishes holds the online key (timestamp, snapshot) and the modules' keys, or leaves a module's to its author.
// Whoever carries the files (a web server, a mirror, a stick) holds nothing, and is not trusted.
//
// Threats: a stolen online key can publish for the modules that it signs, until the root takes it away, and for no other;
// without it nothing can be forged, and what is old is noticed when it expires. What stands in the
// folder is proven again, from a root that the publisher keeps elsewhere (Trust), before anything is signed on top of it: without such
// a root, somebody else's chain of roots that names the publisher's keys would be taken for his. Who can only write to the folder
// forges nothing. An older state that he puts back is refused by a publisher who remembers what was published (Hold, Remember); one who
// remembers nothing goes on from it. And he can lengthen the lifetimes in settings.json up to their bounds.
//
// A change becomes visible in one step, whatever cuts it short:
//
//	files/, targets/   are only added to, each under the hash of its content, before anything names it
//	metadata.next/     is made whole beside metadata/: what is new, and links to what stays
//	metadata           changes places with metadata.next, in one step; where the file system has no such step, in two renames:
//
//	metadata   metadata.next   metadata.old   what it means                    what Open does
//	there      any             any            before, or after the exchange    drops the other two
//	–          whole           there          cut between the two renames      metadata.next → metadata
//
//	bundles/           follow, each replaced whole; those that a cut left behind are made by the next command
//
// It stands on release, disk, pack and go-tuf's metadata, and does no I/O but through a disk.Disk. One Repository at a time
// may change a folder: who opens it holds a lock.
package repository

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"moult/disk"
	"moult/fault"
	"moult/release"
	"moult/tuf"
)

// The names in a repository's folder.
const (
	metadataDir  = "metadata"
	nextDir      = "metadata.next"
	oldDir       = "metadata.old"
	filesDir     = "files"
	targetsDir   = "targets"
	settingsFile = "settings.json"
	incoming     = filesDir + "/.incoming" // a file on its way in, whose hash is not known yet
)

// maxSettings bounds settings.json, in bytes.
const maxSettings = 16 << 10

// Settings are a repository's own, in its settings.json. They are not signed: no device reads them.
type Settings struct {
	Expires Lifetimes `json:"expires"`
	Keep    int       `json:"keep"`   // releases of a module that stay
	Window  int       `json:"window"` // of bundles: the deflate stream reaches back 2^Window bytes, 10 to 15
}

// Lifetimes say how long each role's metadata is good for.
type Lifetimes struct {
	Root      Lifetime `json:"root"`
	Targets   Lifetime `json:"targets"`
	Module    Lifetime `json:"module"`
	Snapshot  Lifetime `json:"snapshot"`
	Timestamp Lifetime `json:"timestamp"`
}

const day = Lifetime(24 * time.Hour)

// DefaultSettings suit a maker at home: the offline key is needed once a year, and a device that was fed old metadata
// notices within a week. A window of 2^12 costs a board 4 KB of RAM.
var DefaultSettings = Settings{
	Expires: Lifetimes{Root: 365 * day, Targets: 365 * day, Module: 365 * day, Snapshot: 30 * day, Timestamp: 7 * day},
	Keep:    5,
	Window:  12,
}

// of returns the lifetime of a role.
func (l Lifetimes) of(role string) Lifetime {
	switch role {
	case Root:
		return l.Root
	case Targets:
		return l.Targets
	case Snapshot:
		return l.Snapshot
	case Timestamp:
		return l.Timestamp
	}
	return l.Module
}

func (s Settings) check() error {
	for role, life := range map[string]Lifetime{Root: s.Expires.Root, Targets: s.Expires.Targets, "module": s.Expires.Module, Snapshot: s.Expires.Snapshot, Timestamp: s.Expires.Timestamp} {
		most := 10 * 365 * day
		if role == Timestamp { // who can write to the folder could else have a freeze signed that lasts for years
			most = 90 * day
		}
		if life < Lifetime(time.Minute) || life > most {
			return fmt.Errorf("expires.%s: got %s, want 1m to %s", role, life, most)
		}
	}
	if s.Keep < 1 {
		return fmt.Errorf("keep: got %d, want at least 1", s.Keep)
	}
	if s.Window < 10 || s.Window > 15 {
		return fmt.Errorf("window: got %d, want 10 to 15", s.Window)
	}
	return nil
}

// ErrNone means that there is no repository in the folder.
var ErrNone = errors.New("there is no repository")

// View is a repository that is only looked at.
type View struct {
	disk     disk.Reader
	now      func() time.Time
	settings Settings
	trusted  string // the SHA-256 of a root that must be in the chain; "" for none
	floor    Floor  // the versions below which nothing is believed
}

// Repository is one that may be changed.
type Repository struct {
	*View
	Tell     func(path string) // told of each file that is taken in or made, as it is begun; may be nil
	Remember func(Floor) error // given what was published, once it is visible for good; may be nil
	disk     disk.Disk
}

func (r *Repository) tell(path string) {
	if r.Tell != nil {
		r.Tell(path)
	}
}

// Look opens a repository to look at it. Where there is none, the error is ErrNone.
func Look(d disk.Reader, now func() time.Time) (*View, error) {
	v := &View{disk: d, now: now, settings: DefaultSettings}
	if _, err := v.metadataDir(); err != nil {
		return nil, err
	}
	data, err := disk.ReadFile(d, settingsFile, maxSettings)
	if errors.Is(err, fs.ErrNotExist) {
		return v, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &v.settings)
	}
	if err == nil {
		err = v.settings.check()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", settingsFile, err)
	}
	return v, nil
}

// Open opens a repository to change it, and finishes or undoes what a cut left.
func Open(d disk.Disk, now func() time.Time) (*Repository, error) {
	if err := recoverCut(d); err != nil {
		return nil, err
	}
	v, err := Look(d, now)
	if err != nil {
		return nil, err
	}
	return &Repository{View: v, disk: d}, nil
}

// Trust says which root the chain of roots must hold, by the SHA-256 of its file in hex: one that the publisher has seen, the newest at best,
// and keeps where nobody writes who can write to the folder.
func (v *View) Trust(sha256 string) { v.trusted = sha256 }

// NewestRoot returns the newest root as its file stands: what to trust from now on, and what devices are given.
func (v *View) NewestRoot() ([]byte, error) {
	g, err := v.read()
	if err != nil {
		return nil, err
	}
	return disk.ReadFile(v.disk, g.dir+"/"+numbered(g.version(Root), Root), tuf.MaxRoot)
}

// Settings returns the repository's settings.
func (v *View) Settings() Settings { return v.settings }

// metadataDir is where the metadata stands: between the two renames of a change it has another name.
func (v *View) metadataDir() (string, error) {
	for _, dir := range []string{metadataDir, oldDir} {
		if there, err := disk.Exists(v.disk, dir); err != nil || there {
			return dir, err
		}
	}
	return "", fault.Hint(fmt.Errorf("%w: got no %s/", ErrNone, metadataDir), "name its folder with -C, or make one: moult repo init FOLDER")
}

// read reads the metadata as it stands, which must not be below the floor.
func (v *View) read() (*generation, error) {
	g, err := v.readAny()
	if err != nil {
		return nil, err
	}
	return g, v.floor.check(g)
}

// readAny reads the metadata as it stands, however old it is.
func (v *View) readAny() (*generation, error) {
	dir, err := v.metadataDir()
	if err != nil {
		return nil, err
	}
	return read(v.disk, dir, v.trusted)
}

// recoverCut ends a change that was cut, by the table at the package's head.
func recoverCut(d disk.Disk) error {
	there := map[string]bool{}
	for _, name := range []string{metadataDir, nextDir, oldDir} {
		var err error
		if there[name], err = disk.Exists(d, name); err != nil {
			return err
		}
	}
	if !there[metadataDir] && there[oldDir] {
		if !there[nextDir] {
			return fmt.Errorf("got %s/ without %s/ and %s/: somebody else removed them", oldDir, metadataDir, nextDir)
		}
		if err := d.Rename(nextDir, metadataDir); err != nil {
			return err
		}
		if err := d.SyncDir("."); err != nil {
			return err
		}
		there[metadataDir] = true
	}
	if !there[metadataDir] {
		return nil // a first metadata.next is made again
	}
	for _, name := range []string{nextDir, oldDir, incoming} {
		if err := disk.RemoveAll(d, name); err != nil {
			return err
		}
	}
	return nil
}

// targetPath is where a release's manifest stands: its hash in the name, as consistent snapshots have it (TUF 6.2).
func targetPath(module string, v release.Version, hash string) string {
	return targetsDir + "/" + module + "/" + hash + "." + v.String()
}

// FilePath is where a file stands whose SHA-256 in hex is hash.
func FilePath(hash string) string { return filesDir + "/" + hash[:2] + "/" + hash }
