package disktest

import (
	"errors"
	"io/fs"
	"path"
	"testing"

	"moult/disk"
)

// Tree reads what is below a folder: each file's content, and of a link "-> " with its target, by the path below the folder.
// A folder that is not there has none.
func Tree(t testing.TB, d disk.Reader, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	var walk func(rel string)
	walk = func(rel string) {
		entries, err := d.ReadDir(path.Join(dir, rel))
		if errors.Is(err, fs.ErrNotExist) && rel == "" {
			return
		}
		must(t, err)
		for _, e := range entries {
			name := path.Join(rel, e.Name())
			switch {
			case e.IsDir():
				walk(name)
			case e.Type()&fs.ModeSymlink != 0:
				target, err := d.Readlink(path.Join(dir, name))
				must(t, err)
				found[name] = "-> " + target
			default:
				data, err := disk.ReadFile(d, path.Join(dir, name), 64<<20)
				must(t, err)
				found[name] = string(data)
			}
		}
	}
	walk("")
	return found
}
