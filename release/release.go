// Package release holds what every other part speaks of: a module's releases, their versions and channels,
// the manifest of their files, and the port through which a source offers them.
//
// It stands on the ground floor, and does no I/O.
package release

import (
	"fmt"
	"strings"
	"time"
)

// Release is a published version of a module as its source describes it.
type Release struct {
	Version    Version   `json:"version"`              // the tag
	Prerelease bool      `json:"prerelease,omitempty"` // the source says so; a version may say so too
	Commit     string    `json:"commit,omitempty"`     // in hex, where the source told it
	Notes      string    `json:"notes,omitempty"`      // at most MaxNotes bytes
	Published  time.Time `json:"published,omitzero"`
	Page       string    `json:"page,omitempty"` // where a person reads about it
	Assets     []Asset   `json:"assets,omitempty"`
}

// MaxNotes bounds the notes that are kept of a release, in bytes.
const MaxNotes = 16 << 10

// Asset is a file that was attached to a release.
type Asset struct {
	Name   string `json:"name"`
	URL    string `json:"url"`              // where its bytes are
	Size   int64  `json:"size,omitempty"`   // in bytes; 0 where the source does not say
	SHA256 string `json:"sha256,omitempty"` // lower-case hex; "" where the source does not say
}

// Platform is the system that an asset is for, in Go's words: linux/arm64, linux/arm with Arm "6".
type Platform struct {
	OS, Arch, Arm string
}

// arch is the architecture with its variant: armv6.
func (p Platform) arch() string {
	if p.Arch == "arm" && p.Arm != "" {
		return "armv" + p.Arm
	}
	return p.Arch
}

// Kinds returns the kinds of device that the platform is of (docs/formats.md, Kinds of devices): linux, linux/arm64.
func (p Platform) Kinds() []string { return []string{p.OS, p.OS + "/" + p.arch()} }

// AssetName fills the placeholders of a configured asset name: {os} (linux), {arch} (amd64, arm64, armv6, armv7, …),
// {version} (the tag without a leading v) and {tag}. What is left in braces is refused.
func (p Platform) AssetName(pattern string, v Version) (string, error) {
	name := strings.NewReplacer("{os}", p.OS, "{arch}", p.arch(), "{tag}", v.String(),
		"{version}", strings.TrimPrefix(v.String(), "v")).Replace(pattern)
	if i := strings.IndexAny(name, "{}"); i >= 0 {
		return "", fmt.Errorf("asset %q: got an unknown placeholder at %q, want {os}, {arch}, {version} or {tag}", pattern, name[i:])
	}
	return name, nil
}
