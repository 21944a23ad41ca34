package release

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	goversion "github.com/hashicorp/go-version"
)

// Version is a release's version as its tag states it. The zero Version is no version at all.
//
// Versions compare as numbers: 1.9 < 1.10, v2 = 2.0, 2.0-rc1 < 2.0, 2.0-rc2 < 2.0-rc10.
// A text that is not a version has an order only where its source gives it one: see [Compare].
type Version struct {
	text   string
	parsed *goversion.Version // nil where text is no version
}

// MaxVersion is the longest version or tag that is taken, in bytes: what a file name can hold.
const MaxVersion = 255

// letterThenDigit is where a pre-release such as "rc10" falls into a word and a number,
// so that it compares as a number and not by its letters.
var letterThenDigit = regexp.MustCompile(`([A-Za-z])([0-9])`)

// ParseVersion reads a tag. It fails only on a text that can be no tag: empty, longer than [MaxVersion],
// or with control characters or spaces. Whether the text is a version is said by [Version.IsNumeric].
func ParseVersion(text string) (Version, error) {
	if text == "" {
		return Version{}, fmt.Errorf("version: got an empty text")
	}
	if len(text) > MaxVersion {
		return Version{}, fmt.Errorf("version: got %d bytes, want at most %d", len(text), MaxVersion)
	}
	for i, r := range text {
		if r <= ' ' || r == 0x7f || r == '\uFFFD' {
			return Version{}, fmt.Errorf("version %q: got a space, control character or broken UTF-8 at byte %d", text, i)
		}
	}
	return Version{text: text, parsed: parse(text)}, nil
}

// MustVersion is ParseVersion for texts known to be good; it panics on others.
func MustVersion(text string) Version {
	v, err := ParseVersion(text)
	if err != nil {
		panic(err)
	}
	return v
}

func parse(text string) *goversion.Version {
	text = strings.TrimPrefix(strings.TrimPrefix(text, "v"), "V")
	number, build, hasBuild := strings.Cut(text, "+")
	end := strings.IndexFunc(number, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end >= 0 {
		number = number[:end] + letterThenDigit.ReplaceAllString(number[end:], "$1.$2")
	}
	if hasBuild {
		number += "+" + build
	}
	v, err := goversion.NewVersion(number)
	if err != nil {
		return nil
	}
	return v
}

// String returns the text as the tag has it.
func (v Version) String() string { return v.text }

// IsZero reports whether there is no version.
func (v Version) IsZero() bool { return v.text == "" }

// IsNumeric reports whether the text is a version and so has an order of its own.
func (v Version) IsNumeric() bool { return v.parsed != nil }

// IsPrerelease reports whether the version names one that comes before a release, such as 2.0-rc1.
func (v Version) IsPrerelease() bool { return v.parsed != nil && v.parsed.Prerelease() != "" }

// Compare orders a and b as numbers: -1, 0 or 1. Where either is no version it reports false:
// the same text is equal, of two others only the source knows which is newer.
func Compare(a, b Version) (int, bool) {
	if a.text == b.text {
		return 0, true
	}
	if a.parsed == nil || b.parsed == nil {
		return 0, false
	}
	if order := slices.Compare(numbers(a), numbers(b)); order != 0 {
		return order, true
	}
	return comparePrereleases(a.parsed.Prerelease(), b.parsed.Prerelease()), true
}

// numbers returns a version's parts, of which the last is not zero: 2 = 2.0.
func numbers(v Version) []int64 {
	parts := v.parsed.Segments64()
	for len(parts) > 0 && parts[len(parts)-1] == 0 {
		parts = parts[:len(parts)-1]
	}
	return parts
}

// comparePrereleases orders what follows the numbers, as SemVer 2.0.0 does in clause 11: none comes after any; parts compare
// one by one, numbers as numbers and before words; more parts come after fewer. go-version has other rules, by which
// rc01 < rc1 < rc01, and rc < rc.1 < rc.a < rc.
func comparePrereleases(a, b string) int {
	if a == "" || b == "" {
		return cmp.Compare(len(b), len(a))
	}
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(a, b string) int {
		aNumber, bNumber := isNumber(a), isNumber(b)
		switch {
		case aNumber && bNumber: // of any length
			a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
			return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
		case aNumber:
			return -1
		case bNumber:
			return 1
		}
		return strings.Compare(a, b)
	})
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// MarshalText writes the version as its tag has it.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.text), nil }

// UnmarshalText reads what MarshalText wrote; an empty text is the zero Version.
func (v *Version) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*v = Version{}
		return nil
	}
	parsed, err := ParseVersion(string(text))
	if err != nil {
		return err
	}
	*v = parsed
	return nil
}
