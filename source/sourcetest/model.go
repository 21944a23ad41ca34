// Package sourcetest is what every release.Source is held to: one model of a repository and its releases, the suite
// of cases that all sources run over it ([Run]), and a forge in a box that speaks GitHub, Gitea and GitLab on loopback
// with faults to switch on ([Forge], [RunForge]).
//
// A source's test is one line and a factory that makes the model real:
//
//	sourcetest.Run(t, sourcetest.Harness{New: func(t *testing.T, repo *sourcetest.Repo) release.Source { … }})
//
// Other packages use Forge for their benchmarks and for runs of whole programs: it counts requests, and bytes at the connection.
package sourcetest

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"moult/release"
)

// Repo is a repository as the suite thinks of it.
type Repo struct {
	Path     string    // "owner/repo"; where it is empty the harness chooses
	Releases []Release // the newest first, as forges list them
	Token    string    // where not empty, the repository is hidden from who does not show it
	MovedTo  string    // the path that the repository was renamed to; it then has nothing else
}

// Release is one tag of a Repo with all that hangs on it.
type Release struct {
	Tag        string
	Prerelease bool // the forge's own flag, whatever the tag says
	Draft      bool
	Notes      string
	Published  time.Time // where zero, an hour after the release that follows in the list
	Files      Tree
	Assets     []Asset
}

// Tree is the files of a release by their slash-separated paths.
type Tree map[string]File

// File is a file, or a symbolic link where Link is set.
type File struct {
	Content    string
	Executable bool
	Link       string
}

// Asset is a file attached to a release.
type Asset struct {
	Name     string
	Content  string
	NoDigest bool // the forge does not tell its digest, as GitHub did until June 2025
}

// firstPublished is when the oldest release without a time was published.
var firstPublished = time.Date(2024, 1, 1, 12, 0, 0, 0, time.UTC)

// PublishedAt returns when the release at index i was published.
func (r *Repo) PublishedAt(i int) time.Time {
	if at := r.Releases[i].Published; !at.IsZero() {
		return at
	}
	return firstPublished.Add(time.Duration(len(r.Releases)-i) * time.Hour)
}

// Put collects a file; it is the put of a Fetch.
func (t Tree) Put(f release.File) error {
	if _, twice := t[f.Path]; twice {
		return fmt.Errorf("%s: got it twice", f.Path)
	}
	if f.Link != "" {
		if f.Body != nil || f.Size != 0 {
			return fmt.Errorf("%s: got a link with a body", f.Path)
		}
		t[f.Path] = File{Link: f.Link}
		return nil
	}
	content, err := io.ReadAll(f.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	if int64(len(content)) != f.Size {
		return fmt.Errorf("%s: got %d bytes, want %d", f.Path, len(content), f.Size)
	}
	t[f.Path] = File{Content: string(content), Executable: f.Executable}
	return nil
}

// Paths returns the tree's paths in order.
func (t Tree) Paths() []string { return slices.Sorted(maps.Keys(t)) }

// Diff says in what got differs from the tree; "" is nothing.
func (t Tree) Diff(got Tree) string {
	for _, path := range t.Paths() {
		g, there := got[path]
		switch want := t[path]; {
		case !there:
			return fmt.Sprintf("%s: got no such file, only %v", path, got.Paths())
		case g != want:
			return fmt.Sprintf("%s: got %.80q, want %.80q", path, fmt.Sprint(g), fmt.Sprint(want))
		}
	}
	for _, path := range got.Paths() {
		if _, there := t[path]; !there {
			return fmt.Sprintf("%s: got a file that is not in the release", path)
		}
	}
	return ""
}
