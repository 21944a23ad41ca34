// Package archive reads the archives that forges and releases hold: tar, compressed or not, as streams.
//
// It stands on the ground floor, and takes an archive for hostile: every entry passes a release.Guard.
package archive

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"moult/fault"
	"moult/release"
)

// Options say what of an archive is given.
type Options struct {
	Dir      string // only files below this directory, with paths relative to it
	StripTop bool   // the archive has one top folder, as forges' archives have, which is taken away
	Limits   release.Limits
}

// Info is what an archive told.
type Info struct {
	Commit string // from git's pax comment
	Files  int
}

// ReadTarGz streams the files of a gzip-compressed tar into put: those below opt.Dir with paths relative to it,
// after opt.StripTop took the single top folder away.
func ReadTarGz(r io.Reader, opt Options, put func(release.File) error) (Info, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return Info{}, fmt.Errorf("read archive: %w", cut(err))
	}
	return readTar(z, opt, put)
}

// ReadAsset reads a release asset by its name: .tar.gz/.tgz, .tar, else one plain executable file of that name.
func ReadAsset(name string, size int64, r io.Reader, opt Options, put func(release.File) error) (Info, error) {
	switch {
	case strings.HasSuffix(name, ".tar.gz"), strings.HasSuffix(name, ".tgz"):
		return ReadTarGz(r, opt, put)
	case strings.HasSuffix(name, ".tar"):
		return readTar(r, opt, put)
	}
	f := release.File{Path: name, Size: size, Executable: true, Body: r}
	return Info{Files: 1}, release.NewGuard(opt.Limits).Pass(f, put)
}

func readTar(r io.Reader, opt Options, put func(release.File) error) (Info, error) {
	var info Info
	guard, tops := release.NewGuard(opt.Limits), map[string]bool{}
	dir := path.Clean("/" + opt.Dir)[1:]
	for t := tar.NewReader(r); ; {
		head, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return info, fmt.Errorf("read archive: %w", cut(err))
		}
		if head.Typeflag == tar.TypeXGlobalHeader {
			info.Commit = head.PAXRecords["comment"]
			continue
		}
		name := strings.TrimPrefix(head.Name, "./")
		if opt.StripTop {
			_, name, _ = strings.Cut(name, "/")
		}
		if first, _, below := strings.Cut(name, "/"); below {
			tops[first] = true
		}
		if dir != "" {
			below := false
			if name, below = strings.CutPrefix(name, dir+"/"); !below {
				continue
			}
		}
		f := release.File{Path: name, Size: head.Size, Executable: head.Mode&0o100 != 0, Body: t}
		switch head.Typeflag {
		case tar.TypeReg:
		case tar.TypeSymlink:
			f = release.File{Path: name, Link: head.Linkname}
		default:
			continue
		}
		info.Files++
		if err := guard.Pass(f, put); err != nil {
			return info, fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	if info.Files == 0 {
		return info, fmt.Errorf("directory %q: %w among the folders %s", opt.Dir, release.ErrNotFound,
			strings.Join(slices.Sorted(maps.Keys(tops)), ", "))
	}
	return info, nil
}

func cut(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.Transient(err)
	}
	return err
}
