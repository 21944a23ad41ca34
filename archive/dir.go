package archive

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"moult/fault"
	"moult/release"
)

// CleanDir returns a configured directory as a clean path, "" for the whole tree, and refuses one that leaves it.
func CleanDir(dir string) (string, error) {
	if dir == "" {
		return "", nil
	}
	clean := path.Clean(dir)
	if clean == "." {
		return "", nil
	}
	if err := release.CheckPath(clean); err != nil {
		return "", fmt.Errorf("dir %q: %w", dir, err)
	}
	return clean, nil
}

// IsOwn reports whether a path, relative to the module's directory, is one that the updater writes itself beside
// a release's files: no release may bring it.
func IsOwn(p string) bool {
	top, _, _ := strings.Cut(p, "/")
	return top == ".version" || top == ".manifest"
}

// maxTops bounds how many folders an error names: enough to see a misspelt name.
const maxTops = 10

// NoDir says that a tree has no file below dir, and names the folders that it has at its top.
func NoDir(dir string, tops []string) error {
	if dir == "" {
		return fmt.Errorf("got a tree without files: %w", release.ErrNotFound)
	}
	if len(tops) == 0 {
		return fault.Hint(fmt.Errorf("got no files below %s, nor any other folder: %w", dir, release.ErrNotFound),
			`set dir to "." for the whole tree`)
	}
	tops = slices.Sorted(slices.Values(tops))
	more := ""
	if len(tops) > maxTops {
		tops, more = tops[:maxTops], ", …"
	}
	quoted := make([]string, len(tops))
	for i, top := range tops {
		quoted[i] = fmt.Sprintf("%.64q", top) // a hostile name may be long and hold control characters
	}
	return fault.Hint(fmt.Errorf("got no files below %s, only below %s%s: %w", dir, strings.Join(quoted, ", "), more, release.ErrNotFound),
		`set dir to one of these folders, or to "." for the whole tree`)
}

// selection picks the entries below a directory by their names, and remembers which folders there were.
type selection struct {
	dir      string // clean; "" for all
	stripTop bool
	top      string
	tops     map[string]bool
}

// path returns an entry's path below the directory; "" where the entry stands outside, or is the directory itself.
func (s *selection) path(name string) (string, error) {
	p := strings.TrimPrefix(name, "./")
	if s.stripTop {
		top, rest, below := strings.Cut(p, "/")
		if top == "" || top == "." || top == ".." || !below {
			return "", fmt.Errorf("entry %q: want it below one top folder", name)
		}
		if s.top == "" {
			s.top = top
		}
		if top != s.top {
			return "", fmt.Errorf("entry %q: got a second top folder beside %q, want one", name, s.top)
		}
		p = rest
	}
	if s.dir == "" {
		return p, nil
	}
	if below, ok := strings.CutPrefix(p, s.dir+"/"); ok {
		return below, nil
	}
	if top, _, below := strings.Cut(p, "/"); below && top != "" && len(s.tops) <= maxTops {
		s.tops[top] = true
	}
	return "", nil
}
