package sourcetest

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"moult/release"
)

// wholeTree has what a module can have: folders in folders, bytes that are no text, an executable, a link, an empty file,
// names that need escapes, and folders whose names begin alike.
var wholeTree = Tree{
	"README.md":              {Content: "# module\n"},
	"main/app.py":            {Content: "import domain.x\n"},
	"main/domain/x.py":       {Content: "X = 1\n"},
	"main/domain/deep/y.py":  {Content: "Y = 2\n"},
	"main/domain/empty.py":   {},
	"main/lib/codec.mpy":     {Content: "M\x06\x00\x1f\x00\xff\xfe\r\n\x80"},
	"main/run.sh":            {Content: "#!/bin/sh\nexec python3 app.py\n", Executable: true},
	"main/current":           {Link: "domain/x.py"},
	"main/fonts/é #1%.bin":   {Content: "\x00\x01"},
	"main2/app.py":           {Content: "another folder that begins alike\n"},
	"docs/main/app.py":       {Content: "another folder of the same name\n"},
	"tests/" + longName:      {Content: "long\n"},
	"tests/long/" + longName: {Content: "long too\n"},
}

// longName is longer than the 100 bytes of a tar header's name.
var longName = strings.Repeat("n", 180) + ".py"

// Below returns the files below dir, with paths relative to it.
func (t Tree) Below(dir string) Tree {
	below := Tree{}
	for path, file := range t {
		if rest, ok := strings.CutPrefix(path, dir+"/"); ok {
			below[rest] = file
		}
	}
	return below
}

func version(tag string) release.Release { return release.Release{Version: release.MustVersion(tag)} }

func runFetch(t *testing.T, h Harness) {
	for _, c := range []struct {
		name, tag, dir string
		files, want    Tree
	}{
		{name: "whole tree", tag: "v1.0", files: wholeTree, want: wholeTree},
		{name: "whole tree as a dot", tag: "v1.0", dir: ".", files: wholeTree, want: wholeTree},
		{name: "directory", tag: "v1.0", dir: "main", files: wholeTree, want: wholeTree.Below("main")},
		{name: "directory in a directory", tag: "v1.0", dir: "main/domain", files: wholeTree, want: wholeTree.Below("main/domain")},
		{name: "tag with a slash", tag: "release/v1.0", dir: "main", files: wholeTree, want: wholeTree.Below("main")},
		{name: "tag with characters that need escapes", tag: awkwardTag, files: wholeTree, want: wholeTree},
		{name: "one empty file", tag: "v1.0", files: Tree{"main/__init__.py": {}}, dir: "main", want: Tree{"__init__.py": {}}},
		{name: "many files", tag: "v1.0", files: manyFiles(), want: manyFiles()},
	} {
		t.Run(c.name, func(t *testing.T) {
			source := h.New(t, &Repo{Releases: []Release{{Tag: c.tag, Files: c.files}}})
			answer, err := source.Latest(t.Context(), release.Query{})
			if err != nil {
				t.Fatal(err)
			}
			got := Tree{}
			var progress int64
			want := release.Want{Dir: c.dir, Progress: func(received, total int64) {
				if received < progress {
					t.Errorf("progress: got %d after %d, want no less", received, progress)
				}
				progress = received
			}}
			fetched, err := source.Fetch(t.Context(), answer.Release, want, got.Put)
			if err != nil {
				t.Fatal(err)
			}
			if diff := c.want.Diff(got); diff != "" {
				t.Error(diff)
			}
			if n := len(fetched.Commit); n != 0 && (n != 40 && n != 64 || strings.Trim(fetched.Commit, "0123456789abcdef") != "") {
				t.Errorf("commit: got %q, want 40 or 64 hex digits or none", fetched.Commit)
			}
			if fetched.Requests > 0 && fetched.Received == 0 {
				t.Errorf("received: got 0 bytes with %d requests", fetched.Requests)
			}
		})
	}
	t.Run("an older release, by its tag alone", func(t *testing.T) {
		got := Tree{}
		source := h.New(t, tags("v1.1", "v1.0"))
		if _, err := source.Fetch(t.Context(), version("v1.0"), release.Want{}, got.Put); err != nil {
			t.Fatal(err)
		}
		if diff := (Tree{"main.py": {Content: "v1.0"}}).Diff(got); diff != "" {
			t.Error(diff)
		}
	})
}

func manyFiles() Tree {
	files := Tree{}
	for _, dir := range []string{"", "a/", "a/b/", "c/"} {
		for i := range 40 {
			files[dir+strings.Repeat("f", i+1)+".py"] = File{Content: strings.Repeat(dir+"line\n", i*50)}
		}
	}
	return files
}

func runFetchErrors(t *testing.T, h Harness) {
	fetch := func(t *testing.T, r release.Release, want release.Want, put func(release.File) error) error {
		source := h.New(t, &Repo{Releases: []Release{{Tag: "v1.0", Files: wholeTree}}})
		_, err := source.Fetch(t.Context(), r, want, put)
		return err
	}
	t.Run("directory is missing", func(t *testing.T) {
		got := Tree{}
		err := fetch(t, version("v1.0"), release.Want{Dir: "mian"}, got.Put)
		wantError(t, err, release.ErrNotFound, false)
		if len(got) > 0 {
			t.Errorf("got the files %v, want none", got.Paths())
		}
		for _, folder := range []string{"main", "main2", "docs", "tests"} {
			if h.NamesFolders && !strings.Contains(err.Error(), folder) {
				t.Errorf("got %q, want it to name the folder %s", err, folder)
			}
		}
	})
	t.Run("release is missing", func(t *testing.T) {
		err := fetch(t, version("v9.9"), release.Want{}, Tree{}.Put)
		wantError(t, err, release.ErrNotFound, true)
	})
	t.Run("repository is missing", func(t *testing.T) {
		_, err := h.New(t, nil).Fetch(t.Context(), version("v1.0"), release.Want{}, Tree{}.Put)
		wantError(t, err, release.ErrNotFound, true)
	})
	t.Run("more files than the limit", func(t *testing.T) {
		if err := fetch(t, version("v1.0"), release.Want{Limits: release.Limits{Files: 2}}, Tree{}.Put); err == nil {
			t.Error("got no error, want one")
		}
	})
	t.Run("more bytes than the limit", func(t *testing.T) {
		if err := fetch(t, version("v1.0"), release.Want{Limits: release.Limits{Bytes: 10}}, Tree{}.Put); err == nil {
			t.Error("got no error, want one")
		}
	})
	t.Run("put's error is returned as it is", func(t *testing.T) {
		full := errors.New("disk full")
		calls := 0
		err := fetch(t, version("v1.0"), release.Want{}, func(release.File) error { calls++; return full })
		if err != full {
			t.Errorf("got the error %v, want put's own", err)
		}
		if calls != 1 {
			t.Errorf("put after its error: got %d calls, want 1", calls)
		}
	})
	t.Run("context that has ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		source := h.New(t, tags("v1.0"))
		_, err := source.Fetch(ctx, version("v1.0"), release.Want{}, Tree{}.Put)
		wantError(t, err, context.Canceled, false)
	})
	t.Run("context that ends between two files", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		source := h.New(t, &Repo{Releases: []Release{{Tag: "v1.0", Files: manyFiles()}}})
		_, err := source.Fetch(ctx, version("v1.0"), release.Want{}, func(f release.File) error {
			if f.Body != nil {
				if _, err := io.Copy(io.Discard, f.Body); err != nil {
					return err
				}
			}
			cancel()
			return nil
		})
		wantError(t, err, context.Canceled, false)
	})
}
