package release

import (
	"fmt"
	"regexp"
	"strings"

	goversion "github.com/hashicorp/go-version"
)

// Channel says which releases a device follows: "stable" (the source's latest), "beta" (pre-releases too),
// or a version constraint such as "~> 1.2", ">= 1.4, < 2" or "= 1.3". The zero Channel is stable.
type Channel struct {
	text       string
	constraint goversion.Constraints
	exact      Version // of a channel that Pin made
}

// The channels that have a name.
var (
	Stable = Channel{}
	Beta   = Channel{text: "beta"}
)

// constraintTerm is one term of a constraint: an operator, a space or none, a version.
var constraintTerm = regexp.MustCompile(`^(=|!=|>|<|>=|<=|~>|)\s*([^\s=<>!~,]+)$`)

// ParseChannel reads a channel; an empty text is stable. A bare version such as "1.3" is a pin to it.
func ParseChannel(text string) (Channel, error) {
	text = strings.TrimSpace(text)
	switch text {
	case "", "stable":
		return Stable, nil
	case "beta":
		return Beta, nil
	}
	wrong := fmt.Errorf(`channel: got %q, want "stable", "beta" or a version constraint such as "~> 1.2" or "= 1.3"`, text)
	if len(text) > MaxVersion {
		return Channel{}, fmt.Errorf("channel: got %d bytes, want at most %d", len(text), MaxVersion)
	}
	terms := strings.Split(text, ",")
	for i, term := range terms {
		match := constraintTerm.FindStringSubmatch(strings.TrimSpace(term))
		if match == nil {
			return Channel{}, wrong
		}
		v := parse(match[2])
		if v == nil {
			return Channel{}, wrong
		}
		// as it was written: "~> 1.2" allows 1.9, and "~> 1.2.0", which v.String gives, does not
		terms[i] = strings.TrimSpace(match[1] + " " + v.Original())
	}
	constraint, err := goversion.NewConstraint(strings.Join(terms, ", "))
	if err != nil {
		return Channel{}, wrong
	}
	return Channel{text: text, constraint: constraint}, nil
}

// Pin returns the channel that allows just v and what is equal to it, a tag that is no version too.
func Pin(v Version) Channel { return Channel{text: "= " + v.String(), exact: v} }

// String returns the channel as it was written.
func (c Channel) String() string {
	if c.text == "" {
		return "stable"
	}
	return c.text
}

// IsStable reports whether the channel is the source's own latest release.
func (c Channel) IsStable() bool { return c.text == "" }

// Allows reports whether the channel offers r. Drafts are never offered by a source.
// A constraint offers a pre-release only where it names one itself, as "~> 2.0-rc1" does.
func (c Channel) Allows(r Release) bool {
	switch {
	case !c.exact.IsZero():
		order, known := Compare(r.Version, c.exact)
		return known && order == 0
	case c.constraint != nil:
		return r.Version.IsNumeric() && c.constraint.Check(r.Version.parsed)
	case c.text == "beta":
		return true
	default:
		return !r.Prerelease && !r.Version.IsPrerelease()
	}
}

// Newest returns the newest of the releases that the channel allows. Where some are versions, the greatest of them,
// and of equal ones the first; where none is, the first, as sources list the newest first.
func (c Channel) Newest(releases []Release) (Release, bool) {
	var best Release
	found := false
	for _, r := range releases {
		if !c.Allows(r) {
			continue
		}
		if !found {
			best, found = r, true
			continue
		}
		order, known := Compare(r.Version, best.Version)
		if known && order > 0 || !known && r.Version.IsNumeric() && !best.Version.IsNumeric() {
			best = r
		}
	}
	return best, found
}
