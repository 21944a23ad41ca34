package release_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"moult/fault"
	"moult/release"
)

func textFile(path, content string) release.File {
	return release.File{Path: path, Size: int64(len(content)), Body: strings.NewReader(content)}
}

func linkFile(path, target string) release.File { return release.File{Path: path, Link: target} }

func TestGuard(t *testing.T) {
	longer, shorter := textFile("a", "12"), textFile("a", "12")
	longer.Size, shorter.Size = 1, 3
	below := textFile("a", "")
	below.Size = -1
	tests := []struct {
		name    string
		limits  release.Limits
		in      []release.File
		wantErr string // of the last; "" for none
	}{
		{name: "a tree", in: []release.File{textFile("a/b", "1"), textFile("a/c/d", ""), textFile("e", "2"), linkFile("a/l", "../e")}},
		{name: "up to the limits", limits: release.Limits{Files: 3, Bytes: 4}, in: []release.File{textFile("d/a", "12"), textFile("d/b", "34")}},
		{name: "path leaves", in: []release.File{textFile("../a", "1")}, wantErr: `".."`},
		{name: "link leaves", in: []release.File{linkFile("a", "../b")}, wantErr: "leads out"},
		{name: "twice", in: []release.File{textFile("a", "1"), textFile("a", "1")}, wantErr: "twice"},
		{name: "file and link", in: []release.File{textFile("a", "1"), linkFile("a", "b")}, wantErr: "twice"},
		{name: "below a file", in: []release.File{textFile("a", "1"), textFile("a/b/c", "1")}, wantErr: "below a,"},
		{name: "below a link", in: []release.File{linkFile("a", "b"), textFile("a/x", "1")}, wantErr: "below a,"},
		{name: "file where a folder is", in: []release.File{textFile("a/b/c", "1"), textFile("a/b", "1")}, wantErr: "file and as a folder"},
		{name: "link where a folder is", in: []release.File{textFile("a/b", "1"), linkFile("a", "b")}, wantErr: "file and as a folder"},
		{name: "more files", limits: release.Limits{Files: 1}, in: []release.File{textFile("a", ""), textFile("b", "")}, wantErr: "more than 1 files"},
		{name: "folders count", limits: release.Limits{Files: 3}, in: []release.File{textFile("a/b/c/d", "")}, wantErr: "more than 3 files"},
		{name: "links count", limits: release.Limits{Files: 1}, in: []release.File{linkFile("a", "b"), linkFile("b", "a")}, wantErr: "more than 1 files"},
		{name: "more bytes", limits: release.Limits{Bytes: 3}, in: []release.File{textFile("a", "12"), textFile("b", "34")}, wantErr: "got 2 bytes after 2"},
		{name: "size below zero", in: []release.File{below}, wantErr: "-1 bytes"},
		{name: "body longer than announced", in: []release.File{longer}, wantErr: "more bytes than announced"},
		{name: "body shorter than announced", in: []release.File{shorter}, wantErr: "1 bytes early"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			guard := release.NewGuard(test.limits)
			for i, f := range test.in {
				put := false
				err := guard.Pass(f, func(f release.File) error {
					put = true
					if f.Link != "" {
						return nil
					}
					_, err := io.Copy(io.Discard, f.Body)
					return err
				})
				if i < len(test.in)-1 || test.wantErr == "" {
					if err != nil || !put {
						t.Fatalf("%s: got %v", f.Path, err)
					}
					continue
				}
				if err == nil || !strings.Contains(err.Error(), test.wantErr) {
					t.Fatalf("%s: got %v, want %q", f.Path, err, test.wantErr)
				}
				if many := strings.HasPrefix(test.wantErr, "more than") || strings.HasPrefix(test.wantErr, "got 2 bytes after"); many && release.ReasonOf(err) != release.BadLength {
					t.Errorf("%v: got the reason %q, want %q", err, release.ReasonOf(err), release.BadLength)
				}
				if body := strings.HasPrefix(test.name, "body"); put != body || fault.IsTransient(err) != strings.Contains(test.name, "shorter") || (fault.HintOf(err) == "") != body {
					t.Errorf("%v: got put %v, transient %v, hint %q", err, put, fault.IsTransient(err), fault.HintOf(err))
				}
			}
		})
	}
}

func TestGuardPut(t *testing.T) {
	stop := errors.New("stop")
	if err := release.NewGuard(release.Limits{}).Pass(textFile("a", "1"), func(release.File) error { return stop }); err != stop {
		t.Errorf("put's error: got %v, want it as it is", err)
	}
	if err := release.NewGuard(release.Limits{}).Pass(textFile("a", "1"), func(release.File) error { return nil }); err == nil || !strings.Contains(err.Error(), "1 of 1 bytes were not read") {
		t.Errorf("body left: got %v, want an error", err)
	}
}

// TestGuardLetsOnlyTreesPass gives random paths and links: what passes can be unpacked as it is, one after another, within the limits.
func TestGuardLetsOnlyTreesPass(t *testing.T) {
	path := rapid.StringMatching(`([ab.]{0,2}/){0,3}[abc.]{0,2}`)
	rapid.Check(t, func(t *rapid.T) {
		limits := release.Limits{Files: rapid.IntRange(1, 12).Draw(t, "files"), Bytes: rapid.Int64Range(1, 20).Draw(t, "bytes")}
		guard := release.NewGuard(limits)
		kinds, sum := map[string]string{}, int64(0)
		for range rapid.IntRange(0, 12).Draw(t, "n") {
			f := textFile(path.Draw(t, "path"), strings.Repeat("x", rapid.IntRange(0, 5).Draw(t, "size")))
			if rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
				f = linkFile(f.Path, path.Draw(t, "target"))
				if f.Link == "" {
					continue
				}
			}
			err := guard.Pass(f, func(f release.File) error {
				parts := strings.Split(f.Path, "/")
				for i := range parts[:len(parts)-1] {
					dir := strings.Join(parts[:i+1], "/")
					if kinds[dir] == "file" {
						return fmt.Errorf("PASSED %s below %s", f.Path, dir)
					}
					kinds[dir] = "folder"
				}
				if kinds[f.Path] != "" || strings.Contains("/"+f.Path+"/", "/../") || strings.Contains("/"+f.Path+"/", "//") {
					return fmt.Errorf("PASSED %s, a %s", f.Path, kinds[f.Path])
				}
				if strings.HasPrefix(f.Link, "/") || strings.Count(f.Link, "..") > len(parts)-1 && strings.HasPrefix(f.Link, "../") && strings.Count(f.Link, "../") > len(parts)-1 {
					return fmt.Errorf("PASSED the link %s to %s", f.Path, f.Link)
				}
				kinds[f.Path] = "file"
				sum += f.Size
				if f.Link != "" {
					return nil
				}
				_, err := io.Copy(io.Discard, f.Body)
				return err
			})
			if err != nil && strings.Contains(err.Error(), "PASSED") {
				t.Fatal(err)
			}
			if len(kinds) > limits.Files || sum > limits.Bytes {
				t.Fatalf("got %d entries and %d bytes, want at most %+v", len(kinds), sum, limits)
			}
		}
	})
}
