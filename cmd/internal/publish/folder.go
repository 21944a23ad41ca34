package publish

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"moult/fault"
	"moult/release"
	"moult/repository"
)

// own are the folders and files of whoever publishes, which are no part of any release: the private keys, and the repository itself.
func (r *repo) own() (all []os.FileInfo, err error) {
	keys, _, err := r.keysDir()
	if err != nil {
		return nil, err
	}
	for _, name := range append([]string{keys, r.dir}, r.keys...) {
		info, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, info)
	}
	return all, nil
}

// fromFolder gives the files of a folder, without what git keeps there. One that holds what is the publisher's own is refused.
func fromFolder(name string, own []os.FileInfo) repository.Fill {
	return func(put func(release.File) error) (string, error) {
		root, err := os.OpenRoot(name)
		if err != nil {
			return "", err
		}
		defer root.Close()
		count := 0
		err = fs.WalkDir(root.FS(), ".", func(p string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			if slices.ContainsFunc(own, func(one os.FileInfo) bool { return os.SameFile(one, info) }) {
				return fault.Hint(fmt.Errorf("%s: got the repository or its private keys in what is published", filepath.Join(name, p)), "publish a folder that holds the release's files alone")
			}
			if p == "." {
				return nil
			}
			if e.Name() == ".git" {
				if e.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			if e.IsDir() {
				return nil
			}
			count++
			return putFile(root, p, e, put)
		})
		if err == nil && count == 0 {
			err = fmt.Errorf("%s: got no file in it", name)
		}
		return "", err
	}
}

func putFile(root *os.Root, p string, e fs.DirEntry, put func(release.File) error) error {
	if e.Type()&fs.ModeSymlink != 0 {
		target, err := root.Readlink(p)
		if err != nil {
			return err
		}
		return put(release.File{Path: p, Link: filepath.ToSlash(target)})
	}
	if !e.Type().IsRegular() {
		return fmt.Errorf("%s: got neither a file nor a link", p)
	}
	f, err := root.Open(p)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return put(release.File{Path: p, Size: info.Size(), Executable: info.Mode()&0o111 != 0, Body: f})
}
