package release

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
)

// MaxManifest bounds an encoded manifest, in bytes: 20,000 files with paths of 1,024 bytes stay below.
const MaxManifest = 32 << 20

// Manifest lists the files of a release, with where they came from. Beside a slot's files it stands as .manifest,
// and says which of them a release put there.
type Manifest struct {
	Module     string  `json:"module"`
	Version    Version `json:"version"`
	Repository string  `json:"repository,omitempty"` // the URL that the release came from, without user or password
	Commit     string  `json:"commit,omitempty"`
	Files      []Entry `json:"files"` // sorted by path, each path once
}

// Entry is a file or symbolic link of a manifest.
type Entry struct {
	Path       string `json:"path"`
	Length     int64  `json:"length"`
	SHA256     string `json:"sha256,omitempty"` // lower-case hex; "" for a link
	Executable bool   `json:"executable,omitempty"`
	Link       string `json:"link,omitempty"` // a link's target
}

// Find returns the entry of a path.
func (m *Manifest) Find(path string) (Entry, bool) {
	i, found := slices.BinarySearchFunc(m.Files, path, func(e Entry, path string) int { return strings.Compare(e.Path, path) })
	if !found {
		return Entry{}, false
	}
	return m.Files[i], true
}

// HasBelow reports whether the manifest has a file below the directory dir.
func (m *Manifest) HasBelow(dir string) bool {
	i, _ := slices.BinarySearchFunc(m.Files, dir+"/", func(e Entry, path string) int { return strings.Compare(e.Path, path) })
	return i < len(m.Files) && strings.HasPrefix(m.Files[i].Path, dir+"/")
}

// Size returns the length of all files together, in bytes.
func (m *Manifest) Size() int64 {
	var sum int64
	for _, e := range m.Files {
		sum += e.Length
	}
	return sum
}

// Encode writes the manifest as docs/formats.md says: JSON, its files sorted, each on a line of its own, so that the same
// manifest always has the same bytes. What Encode wrote, ParseManifest reads to the same.
func (m *Manifest) Encode() ([]byte, error) {
	slices.SortFunc(m.Files, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	if err := m.check(); err != nil {
		return nil, err
	}
	head := *m
	head.Files = []Entry{}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(head); err != nil {
		return nil, err
	}
	out.Truncate(out.Len() - len("]}\n"))
	out.WriteByte('\n')
	for i, e := range m.Files {
		if i > 0 {
			out.Truncate(out.Len() - 1)
			out.WriteString(",\n")
		}
		if err := enc.Encode(e); err != nil {
			return nil, err
		}
	}
	out.WriteString("]}\n")
	return out.Bytes(), nil
}

// ParseManifest reads a manifest and refuses one that is not whole: paths that leave the slot, a path twice or out of order,
// a file below another file, lengths below zero, digests that are none. Each refusal has its reason (ReasonOf).
func ParseManifest(data []byte) (*Manifest, error) {
	m := new(Manifest)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, Refuse(BadFormat, "manifest: %w", err)
	}
	return m, m.check()
}

func (m *Manifest) check() error {
	if m.Version.IsZero() {
		return Refuse(BadFormat, "manifest: got no version")
	}
	seen := make(map[string]bool, len(m.Files))
	left := int64(math.MaxInt64)
	for i, e := range m.Files {
		if err := CheckPath(e.Path); err != nil {
			return Refuse(BadPath, "manifest: %w", err)
		}
		if i > 0 && m.Files[i-1].Path >= e.Path {
			return Refuse(BadPath, "manifest: got %q after %q, want each path once, in order", e.Path, m.Files[i-1].Path)
		}
		for dir := range parents(e.Path) {
			if seen[dir] {
				return Refuse(BadPath, "manifest: got %q below the file %q", e.Path, dir)
			}
		}
		seen[e.Path] = true
		if err := e.check(); err != nil {
			return fmt.Errorf("manifest: %s: %w", e.Path, err)
		}
		if left -= e.Length; left < 0 {
			return Refuse(BadFormat, "manifest: got lengths of more than %d bytes together", int64(math.MaxInt64))
		}
	}
	return nil
}

func (e Entry) check() error {
	switch {
	case e.Length < 0:
		return Refuse(BadFormat, "length: got %d, want 0 or more", e.Length)
	case e.Link != "" && (e.SHA256 != "" || e.Length != 0 || e.Executable):
		return Refuse(BadFormat, "got a link with a length, a digest or an executable bit")
	case e.Link != "":
		if err := CheckLink(e.Path, e.Link); err != nil {
			return Refuse(BadPath, "%w", err)
		}
		return nil
	}
	if digest, err := hex.DecodeString(e.SHA256); err != nil || len(digest) != 32 || strings.ToLower(e.SHA256) != e.SHA256 {
		return Refuse(BadFormat, "sha256: got %q, want 64 lower-case hex digits", e.SHA256)
	}
	return nil
}

// parents yields the directories above a path, the nearest to the root first.
func parents(path string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for i, r := range path {
			if r == '/' && !yield(path[:i]) {
				return
			}
		}
	}
}
