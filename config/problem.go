package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	File    string // relative to the device's root; "" where there is none
	Line    int    // from 1; 0 for the file as a whole
	Key     string // the path of the key, as modules.irrigation.keep[1]; "" for the file as a whole
	Message string // what was found and what is expected; never a secret
	err     error  // what a caller decides by; may be nil
}

func (p Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

func (p Problem) Unwrap() error { return p.err }

// Problems are all that is wrong with a configuration, sorted by file, line and key. There is at least one.
type Problems []Problem

// Error is a line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the problems one by one to errors.As.
func (p Problems) Unwrap() []error {
	all := make([]error, len(p))
	for i, problem := range p {
		all[i] = problem
	}
	return all
}

// err sorts the problems and is nil where there are none.
func (p Problems) err() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), strings.Compare(a.Key, b.Key))
	})
	return p
}

// shown quotes a value that was found. It leaves out what in a URL may be a secret, and the end of a long text.
func shown(text string) string {
	return fmt.Sprintf("%q", shorten(hideUser(text)))
}

// hideUser leaves out of a URL, or what may have been meant as one, the user with the password and the query.
func hideUser(text string) string {
	scheme, rest := "", text
	if i := strings.Index(text, "://"); i >= 0 {
		scheme, rest = text[:i+3], text[i+3:]
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 && rest[:at] != "git" { // the last, as a password may hold one
		rest = hidden + rest[at:]
	}
	if scheme != "" {
		rest, _, _ = strings.Cut(rest, "?")
	}
	return scheme + rest
}

func shorten(text string) string {
	const most = 80 // so that a message stays within a line or two
	if len(text) <= most {
		return text
	}
	end := most
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// nearest returns the candidate that text was likely meant to be, or "".
func nearest(text string, candidates []string) string {
	best, least := "", 3 // two slips at the most
	for _, candidate := range candidates {
		// A word of which more than half is wrong was not meant.
		if d := distance(strings.ToLower(text), strings.ToLower(candidate)); d < least && 2*d < len(candidate) {
			best, least = candidate, d
		}
	}
	return best
}

// distance counts the letters to insert, leave out, replace or swap with their neighbour to make a into b.
func distance(a, b string) int {
	const long = 64 // no key is: a longer one is near to none
	if len(a) > long || len(b) > long {
		return long
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// didYouMean is the end of a message about text, or "".
func didYouMean(text string, candidates []string) string {
	if near := nearest(text, candidates); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}
