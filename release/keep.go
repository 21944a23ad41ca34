package release

import (
	"fmt"
	"path"
	"strings"
)

// Keep names files of a device that an update leaves as they are, even where a release ships one of that name.
// Each is a slash-separated pattern: * and ? stand for any text and any character within a part, [a-z] and [^a-z] for
// one character of (or not of) a set, a part ** for any number of parts, none too; at the end, for everything below.
// A pattern without any of these names a file, or a directory with everything below it; so does any that ends in a slash,
// for directories only where it has wildcards.
type Keep []string

// ParseKeep checks patterns. What it accepts it returns as it was written.
func ParseKeep(patterns []string) (Keep, error) {
	for _, pattern := range patterns {
		if err := checkPattern(pattern); err != nil {
			return nil, err
		}
	}
	return Keep(patterns), nil
}

// Match reports whether any of the patterns matches the path of a file, relative to main/.
func (k Keep) Match(file string) bool {
	for _, pattern := range k {
		if matchPattern(pattern, file) {
			return true
		}
	}
	return false
}

const wildcards = "*?["

func checkPattern(pattern string) error {
	if err := CheckPath(strings.TrimSuffix(pattern, "/")); err != nil {
		return fmt.Errorf("keep: %w", err)
	}
	if strings.Contains(pattern, `\`) {
		return fmt.Errorf("keep %q: got a backslash, want parts parted by slashes, and [*] for a star itself", pattern)
	}
	for part := range strings.SplitSeq(pattern, "/") {
		if strings.Contains(part, "**") && part != "**" {
			return fmt.Errorf(`keep %q: got ** within %q, want it as a whole part, as in "data/**"`, pattern, part)
		}
		if _, err := path.Match(part, ""); err != nil {
			return fmt.Errorf("keep %q: got %q, want each [ closed by ] within its part, and something between", pattern, part)
		}
	}
	return nil
}

func matchPattern(pattern, file string) bool {
	below := strings.HasSuffix(pattern, "/")
	pattern = strings.TrimSuffix(pattern, "/")
	if !strings.ContainsAny(pattern, wildcards) {
		return file == pattern || strings.HasPrefix(file, pattern+"/")
	}
	parts := strings.Split(pattern, "/")
	if below || parts[len(parts)-1] == "**" {
		parts = append(parts, "**", "*") // at least one part below
	}
	return matchParts(parts, strings.Split(file, "/"))
}

// matchParts goes back to the last ** only: an earlier one can take no path that the last cannot,
// so that the time stays within parts × names.
func matchParts(parts, names []string) bool {
	p, n, star, from := 0, 0, -1, 0
	for n < len(names) {
		if p < len(parts) && parts[p] == "**" {
			star, from = p, n
			p++
			continue
		}
		if p < len(parts) {
			if ok, _ := path.Match(parts[p], names[n]); ok {
				p++
				n++
				continue
			}
		}
		if star < 0 {
			return false
		}
		from++
		p, n = star+1, from
	}
	for p < len(parts) && parts[p] == "**" {
		p++
	}
	return p == len(parts)
}
