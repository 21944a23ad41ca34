package release

import (
	"fmt"
	"path"
	"strings"
	"unicode/utf8"
)

// MaxPath is the longest path of a file in a release, in bytes, and MaxName the longest part between two slashes:
// what Linux file systems take.
const (
	MaxPath = 1024
	MaxName = 255
)

// CheckPath refuses a path that could leave the directory it is unpacked into, or that a file system would not take:
// empty, absolute, with "." or "..", empty parts, control characters, broken UTF-8, too long.
func CheckPath(p string) error {
	switch {
	case p == "":
		return fmt.Errorf("path: got an empty one")
	case len(p) > MaxPath:
		return fmt.Errorf("path %q…: got %d bytes, want at most %d", p[:64], len(p), MaxPath)
	case strings.HasPrefix(p, "/"):
		return fmt.Errorf("path %q: got an absolute path, want one below the module's directory", p)
	case !utf8.ValidString(p):
		return fmt.Errorf("path %q: got broken UTF-8", p)
	}
	for part := range strings.SplitSeq(p, "/") {
		switch {
		case part == "" || part == "." || part == "..":
			return fmt.Errorf("path %q: got the part %q, want a clean path below the module's directory", p, part)
		case len(part) > MaxName:
			return fmt.Errorf("path %q…: got a name of %d bytes, want at most %d", p[:64], len(part), MaxName)
		}
	}
	for i, r := range p {
		if r < ' ' || r == 0x7f {
			return fmt.Errorf("path %q: got a control character at byte %d", p, i)
		}
	}
	return nil
}

// CheckLink refuses the target of a symbolic link at path p that would lead out of the tree. A ".." may only stand
// at the target's beginning: after a name it could step out from where another link leads.
func CheckLink(p, target string) error {
	if target == "" || len(target) > MaxPath {
		return fmt.Errorf("link %q: got a target of %d bytes, want 1 to %d", p, len(target), MaxPath)
	}
	if !utf8.ValidString(target) || strings.ContainsRune(target, 0) {
		return fmt.Errorf("link %q: got the target %q, want UTF-8 without NUL", p, target)
	}
	if path.IsAbs(target) {
		return fmt.Errorf("link %q: got the absolute target %q, want one inside the release", p, target)
	}
	if path.Clean(target) != strings.TrimSuffix(target, "/") {
		return fmt.Errorf("link %q: got the target %q, want a clean one such as %q", p, target, path.Clean(target))
	}
	if to := path.Join(path.Dir(p), target); to == ".." || strings.HasPrefix(to, "../") {
		return fmt.Errorf("link %q: got the target %q, which leads out of the release", p, target)
	}
	return nil
}
