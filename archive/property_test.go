package archive_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"moult/archive"
	"moult/release"
)

// TestTreeComesBack writes random trees and wants them back as they were.
func TestTreeComesBack(t *testing.T) {
	name := rapid.StringMatching(`[a-zé.][a-z0-9 _é-]{0,8}`)
	rapid.Check(t, func(t *rapid.T) {
		headers := []tar.Header{global(commit)}
		var want []string
		folders := rapid.SliceOfDistinct(name, func(s string) string { return s }).Draw(t, "folders")
		for i, folder := range folders {
			if folder == "." || folder == ".." || archive.IsOwn(folder) {
				continue
			}
			headers = append(headers, dir("top/main/"+folder+"/"))
			long := strings.Repeat("long/", rapid.IntRange(0, 60).Draw(t, "depth"))
			path := fmt.Sprintf("%s/%sf%d", folder, long, i)
			content := string(rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "content"))
			h := file("top/main/"+path, content)
			mode := "-"
			if rapid.Bool().Draw(t, "executable") {
				h.Mode, mode = 0o100, "x"
			}
			headers = append(headers, h, link("top/main/"+path+"l", "f"), file(fmt.Sprintf("top/%d", i), "beside"))
			want = append(want, fmt.Sprintf("%s %s %s", path, mode, content), path+"l -> f")
		}
		if len(want) == 0 {
			return
		}
		put, got := collect(release.Limits{})
		info, err := archive.ReadTarGz(bytes.NewReader(zip(t, pack(t, headers...))), archive.Options{Dir: "main", StripTop: true}, put)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(*got, want) || info.Commit != commit || info.Files != len(want) {
			t.Fatalf("got %q, %+v, want %q", *got, info, want)
		}
	})
}

// seeds are archives from which the fuzzers start.
func seeds(t testing.TB) [][]byte {
	var all [][]byte
	for _, headers := range [][]tar.Header{
		{global(commit), dir("top/"), file("top/main/a.py", "print(1)"), exec("top/main/run", "#!"), link("top/main/l", "a.py")},
		{file("main/../../x", "1")}, {file("/abs", "1")}, {special(tar.TypeLink, "b")}, {special(tar.TypeChar, "c")},
		{file("./main/a", "1"), file("main/a", "1")}, {file(".version", "1"), file("a", strings.Repeat("long", 400))},
		{file(strings.Repeat("deep/", 40)+"x", "1")}, {link("l", "..")}, {link("main", "x"), file("main/a", "1")},
	} {
		all = append(all, pack(t, headers...))
	}
	return all
}

// check is what holds for any bytes: only harmless files pass the Guard, their bodies are as long as announced,
// and where nothing was refused the count is right.
func check(t *testing.T, limits release.Limits, read func(put func(release.File) error) (archive.Info, error)) {
	guard, seen, asked := release.NewGuard(limits), map[string]bool{}, 0
	info, err := read(func(f release.File) error {
		asked++
		if archive.IsOwn(f.Path) {
			t.Errorf("got the updater's own name %q", f.Path)
		}
		return guard.Pass(f, func(f release.File) error {
			if err := release.CheckPath(f.Path); err != nil || seen[f.Path] {
				t.Errorf("path %q passed: %v", f.Path, err)
			}
			seen[f.Path] = true
			if (f.Link == "") == (f.Body == nil) {
				t.Errorf("%s: got link %q with body %v", f.Path, f.Link, f.Body)
			}
			if f.Link != "" {
				return release.CheckLink(f.Path, f.Link)
			}
			n, err := io.Copy(io.Discard, f.Body)
			if err == nil && n != f.Size {
				t.Errorf("%s: got %d bytes, want %d", f.Path, n, f.Size)
			}
			return err
		})
	})
	if err == nil && (info.Files != len(seen) || asked != len(seen) || info.Files == 0) {
		t.Errorf("accepted: got info.Files %d, asked %d, passed %v", info.Files, asked, slices.Collect(maps.Keys(seen)))
	}
}

var fuzzLimits = release.Limits{Files: 50, Bytes: 1 << 20}

func FuzzReadTarGz(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed, true, "main", true)
		f.Add(zip(f, seed), false, "", false)
	}
	f.Add([]byte("<html>"), false, "main", true)
	f.Fuzz(func(t *testing.T, data []byte, wrap bool, dir string, strip bool) {
		if wrap { // mutated tars behind a good checksum
			data = zip(t, data)
		}
		check(t, fuzzLimits, func(put func(release.File) error) (archive.Info, error) {
			return archive.ReadTarGz(bytes.NewReader(data), archive.Options{Dir: dir, StripTop: strip, Limits: fuzzLimits}, put)
		})
	})
}

func FuzzReadAsset(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add("app.tar", int64(len(seed)), seed, "main")
		f.Add("app.tgz", int64(-1), zip(f, seed), "")
	}
	f.Add("app", int64(3), []byte("abc"), "")
	f.Add("../app", int64(3), []byte("abc"), "")
	f.Add("app.zip", int64(3), []byte("PK"), "")
	f.Fuzz(func(t *testing.T, name string, size int64, data []byte, dir string) {
		check(t, fuzzLimits, func(put func(release.File) error) (archive.Info, error) {
			return archive.ReadAsset(name, size, bytes.NewReader(data), archive.Options{Dir: dir, Limits: fuzzLimits}, put)
		})
	})
}

// BenchmarkReadTarGz reads 20 MB in 200 files, of which half are wanted. What it allocates does not grow with the bytes:
// compare it with the archive of a tenth of the size beside it.
func BenchmarkReadTarGz(b *testing.B) {
	for _, size := range []int{10_000, 100_000} {
		random := rand.NewChaCha8([32]byte{})
		var headers []tar.Header
		for i := range 200 {
			content := make([]byte, size)
			random.Read(content[:size/2]) // half compresses
			headers = append(headers, file(fmt.Sprintf("top/%s/%d", []string{"main", "docs"}[i%2], i), string(content)))
		}
		data := zip(b, pack(b, headers...))
		b.Run(fmt.Sprintf("%dMB", 200*size/1_000_000), func(b *testing.B) {
			b.SetBytes(int64(200 * size))
			b.ReportAllocs()
			buf := make([]byte, 32<<10)
			for b.Loop() {
				_, err := archive.ReadTarGz(bytes.NewReader(data), archive.Options{Dir: "main", StripTop: true}, func(f release.File) error {
					_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, f.Body, buf)
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
