// Package archive reads the archives in which forges hand out a release's tree, and the assets that are attached to it.
// What comes in is hostile until a [release.Guard] and the digests above it have passed it: an archive may be cut,
// endless, a bomb, or name files that are none. Nothing is held whole, neither an archive nor a file.
//
// It stands on release and fault, and does no I/O of its own: bytes come from a reader and files go to a function.
package archive

import (
	"fmt"
	"io"
	"math"
	"strings"

	"moult/fault"
	"moult/release"
)

// Options say what of an archive is wanted.
type Options struct {
	Dir      string // only files below this directory, with paths relative to it; "" or "." for all
	StripTop bool   // all entries stand below one folder, which is taken away first: so forges pack a tree

	// Limits are those of the release. An archive may hold slack times as much beside Dir before it is refused as endless;
	// holding Dir's own files to the limits is the Guard's part.
	Limits release.Limits
}

// Info is what an archive told.
type Info struct {
	Commit string // in hex, where git wrote it into the archive; "" elsewhere
	Files  int    // given to put
}

// slack is by how much an archive may exceed a release's limits in entries and in bytes: a repository holds its tests
// and pictures beside the directory that a device runs.
const slack = 16

// ReadTarGz streams the files of a gzip-compressed tar into put, in the archive's order, and reads the archive to its very end.
// Files that were given to put are only to be trusted when it returned nil.
//
// A link's target is given as it is written, and a path too: only a leading "./", the top folder and Dir are taken away,
// so that a bad path stays bad and is refused by the Guard. A link has Body nil and Size 0.
// Devices, pipes, hard links and sparse files are refused, directories passed over. The updater's own names
// (see [IsOwn]) are passed over too.
//
// Errors: [release.ErrNotFound] where there is no file below Dir; a cut or damaged stream is transient (fault.IsTransient), a cut one
// wraps io.ErrUnexpectedEOF; an error of put, and of r, is returned as it is or wrapped.
func ReadTarGz(r io.Reader, opt Options, put func(release.File) error) (Info, error) {
	return readArchive(r, opt, -1, true, put)
}

// ReadAsset reads a release asset by its name: .tar.gz, .tgz and .tar as [ReadTarGz] does, any other as one plain executable file
// of that name, whatever Dir says. Other archives are refused. size is the length of r in bytes, -1 where it is unknown,
// which a plain file cannot do without.
func ReadAsset(name string, size int64, r io.Reader, opt Options, put func(release.File) error) (Info, error) {
	lower := strings.ToLower(name)
	switch {
	case strings.HasSuffix(lower, ".tar.gz"), strings.HasSuffix(lower, ".tgz"):
		return readArchive(r, opt, size, true, put)
	case strings.HasSuffix(lower, ".tar"):
		return readArchive(r, opt, size, false, put)
	}
	for _, suffix := range refused {
		if strings.HasSuffix(lower, suffix) {
			return Info{}, fault.Hint(fmt.Errorf("asset %s: got a %s file, want a .tar.gz, a .tar or a plain program", name, suffix),
				"publish the asset as a .tar.gz")
		}
	}
	if err := readPlain(name, size, r, put); err != nil {
		return Info{}, err
	}
	return Info{Files: 1}, nil
}

// refused are the kinds of assets that cannot be streamed, or not without a further library, and are no program either.
var refused = []string{".zip", ".7z", ".rar", ".gz", ".xz", ".txz", ".zst", ".tzst", ".bz2", ".tbz2", ".tbz", ".lz", ".lzma", ".br", ".lz4"}

func readPlain(name string, size int64, r io.Reader, put func(release.File) error) error {
	if strings.Contains(name, "/") || IsOwn(name) {
		return fmt.Errorf("asset: got the name %q, want a plain file's", name)
	}
	if err := release.CheckPath(name); err != nil {
		return fmt.Errorf("asset: %w", err)
	}
	if size < 0 {
		return fmt.Errorf("asset %s: got no length for a plain file, want one", name)
	}
	raw := newStream(r, size, size)
	if err := put(release.File{Path: name, Size: size, Executable: true, Body: raw}); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, raw); err != nil {
		return fmt.Errorf("asset %s: %w", name, err)
	}
	return nil
}

// bounds turns limits into the number of entries and of bytes at which an archive is taken for endless.
func bounds(limits release.Limits) (entries, bytes int64) {
	if limits.Files == 0 {
		limits.Files = release.DefaultLimits.Files
	}
	if limits.Bytes == 0 {
		limits.Bytes = release.DefaultLimits.Bytes
	}
	entries = times(int64(limits.Files), slack)
	bytes = times(limits.Bytes, slack)
	// an entry costs a header, its padding and sometimes a long name; a lone archive's trailer is up to 10 KiB
	overhead := times(entries, 4<<10)
	if bytes > math.MaxInt64-overhead {
		return entries, math.MaxInt64
	}
	return entries, bytes + overhead
}

func times(a, b int64) int64 {
	if a > math.MaxInt64/b {
		return math.MaxInt64
	}
	return a * b
}
