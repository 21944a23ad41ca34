package release

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// moduleName is a folder's name that every file system takes and no command takes for an option.
var moduleName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

// publishedVersion is a version that can stand in the path of a web server and on every file system.
var publishedVersion = regexp.MustCompile(`^[0-9A-Za-z_~+][0-9A-Za-z._~+-]*$`)

// MaxModule is the longest name of a module or device, and MaxPublished the longest version in a signed repository,
// in bytes: with what stands before and after them a file name still holds both.
const (
	MaxModule    = 64
	MaxPublished = 64
)

// IsName reports whether name can be a module's or a device's, whatever its length.
func IsName(name string) bool { return moduleName.MatchString(name) }

// CheckModule refuses a name under which a signed repository cannot hold a module: none at all, or one of TUF's own roles.
func CheckModule(name string) error {
	switch {
	case !IsName(name) || len(name) > MaxModule:
		return fmt.Errorf("module: got the name %.80q, want at most %d letters, digits and . _ -, the first neither . nor -", name, MaxModule)
	case name == "root" || name == "timestamp" || name == "snapshot" || name == "targets":
		return fmt.Errorf("module: got the name %q, which is one of the repository's own roles, want another", name)
	}
	return nil
}

// CheckPublished refuses a version under which a signed repository cannot hold a release (docs/formats.md).
func CheckPublished(v Version) error {
	if text := v.String(); !publishedVersion.MatchString(text) || len(text) > MaxPublished {
		return fmt.Errorf("version: got %.80q, want at most %d of 0-9 A-Z a-z . _ ~ + -, the first neither . nor -", text, MaxPublished)
	}
	return nil
}

// kindName is a kind of devices: what a configuration calls it, or a platform such as "linux/arm64" or "esp32".
var kindName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._/-]*$`)

// CheckKind refuses what can be no kind of devices.
func CheckKind(kind string) error {
	if !kindName.MatchString(kind) || len(kind) > MaxModule {
		return fmt.Errorf("kind of device: got %.80q, want at most %d letters, digits and . _ - /, such as esp32 or linux/arm64", kind, MaxModule)
	}
	return nil
}

// The files of a slot that are the updater's: what release it holds, and what that release put there.
const (
	VersionFile  = ".version"
	ManifestFile = ".manifest"
	BesideFile   = ".moult-carry" // a file of the device's on its way from one slot to another
)

// IsOurs reports whether a path of a slot is the updater's own. What a release ships under such a name is not installed.
func IsOurs(p string) bool {
	top, _, _ := strings.Cut(p, "/")
	return top == VersionFile || top == ManifestFile || top == "."+VersionFile+".new" || path.Base(p) == BesideFile
}
