package sourcetest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"encoding/hex"
	"net/http"
	"path"
	"strings"
	"time"
)

// Commit returns the commit that a tag of a forge's repository stands for.
func Commit(repoPath, tag string) string {
	sum := sha1.Sum([]byte(repoPath + "\x00" + tag))
	return hex.EncodeToString(sum[:])
}

// TarGz packs files as git archive does: the commit in a global pax header, one top folder, folders before what they hold.
func TarGz(top, commit string, at time.Time, files Tree) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	t := tar.NewWriter(z)
	put := func(h *tar.Header, content string) {
		h.ModTime, h.Uname, h.Gname, h.Size = at.Truncate(time.Second), "root", "root", int64(len(content))
		if h.Typeflag == tar.TypeXGlobalHeader {
			h = &tar.Header{Typeflag: h.Typeflag, Name: h.Name, PAXRecords: h.PAXRecords}
		}
		if err := t.WriteHeader(h); err != nil {
			panic(err) // the model has what no archive can hold
		}
		t.Write([]byte(content))
	}
	if commit != "" {
		put(&tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header", PAXRecords: map[string]string{"comment": commit}}, "")
	}
	folders := map[string]bool{}
	var folder func(dir string)
	folder = func(dir string) {
		if dir == "." || dir == "" || folders[dir] {
			return
		}
		folder(path.Dir(dir))
		folders[dir] = true
		put(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o775}, "")
	}
	if top != "" {
		folder(top)
	}
	for _, name := range files.Paths() {
		full := path.Join(top, name)
		folder(path.Dir(full))
		switch file := files[name]; {
		case file.Link != "":
			put(&tar.Header{Typeflag: tar.TypeSymlink, Name: full, Linkname: file.Link, Mode: 0o777}, "")
		case file.Executable:
			put(&tar.Header{Typeflag: tar.TypeReg, Name: full, Mode: 0o775}, file.Content)
		default:
			put(&tar.Header{Typeflag: tar.TypeReg, Name: full, Mode: 0o664}, file.Content)
		}
	}
	t.Close()
	z.Close()
	return out.Bytes()
}

// find returns a release by its tag; drafts have none yet.
func (r *Repo) find(tag string) (i int, ok bool) {
	for i := range r.Releases {
		if r.Releases[i].Tag == tag && !r.Releases[i].Draft {
			return i, true
		}
	}
	return 0, false
}

// latest returns the newest full release.
func (r *Repo) latest(flags bool) (i int, ok bool) {
	for i := range r.Releases {
		if !r.Releases[i].Draft && !(flags && r.Releases[i].Prerelease) {
			return i, true
		}
	}
	return 0, false
}

// archive answers with a release's tree.
func (f *Forge) archive(w http.ResponseWriter, repo *Repo, path_, top, tag, dir string) {
	i, ok := repo.find(tag)
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		w.Write([]byte("404: Not Found"))
		return
	}
	files := repo.Releases[i].Files
	if dir != "" {
		below := Tree{}
		for name, file := range files {
			if strings.HasPrefix(name, dir+"/") {
				below[name] = file
			}
		}
		files = below
	}
	commit := Commit(path_, tag)
	data := TarGz(strings.ReplaceAll(top, "/", "-"), commit, repo.PublishedAt(i), files)
	w.Header().Set("Content-Type", "application/x-gzip")
	w.Header().Set("Content-Disposition", "attachment; filename=archive.tar.gz")
	w.Header().Set("Etag", `W/"`+commit+`"`)
	http.NewResponseController(w).Flush() // archives come without a length, as they are packed while they go out
	w.Write(data)
}
