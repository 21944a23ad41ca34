package archive_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"moult/archive"
	"moult/fault"
	"moult/release"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

// file, link and so on write one entry each.
func file(name, content string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content)), Uname: content}
}

func exec(name, content string) tar.Header {
	h := file(name, content)
	h.Mode = 0o4755
	return h
}

func link(name, target string) tar.Header {
	return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}
}

func special(kind byte, name string) tar.Header {
	return tar.Header{Typeflag: kind, Name: name, Linkname: "top/main/a.py", Mode: 0o644}
}

func dir(name string) tar.Header {
	return tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}
}

func global(comment string) tar.Header {
	return tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header", PAXRecords: map[string]string{"comment": comment}}
}

// failer is a test of testing or of rapid.
type failer interface {
	Helper()
	Fatal(args ...any)
}

// pack writes a tar; a file's content stands in Uname, which is not written.
func pack(t failer, headers ...tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, h := range headers {
		content := h.Uname
		h.Uname = ""
		if h.Typeflag != tar.TypeReg {
			content = ""
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func zip(t failer, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// collect returns a put that passes a Guard, and what was put as lines of "path mode content".
func collect(limits release.Limits) (func(release.File) error, *[]string) {
	guard, got := release.NewGuard(limits), new([]string)
	return func(f release.File) error {
		return guard.Pass(f, func(f release.File) error {
			if f.Link != "" {
				*got = append(*got, f.Path+" -> "+f.Link)
				return nil
			}
			content, err := io.ReadAll(f.Body)
			if err != nil {
				return err
			}
			mode := "-"
			if f.Executable {
				mode = "x"
			}
			*got = append(*got, fmt.Sprintf("%s %s %s", f.Path, mode, content))
			return nil
		})
	}, got
}

func TestReadTarGz(t *testing.T) {
	top := archive.Options{Dir: "main", StripTop: true}
	tree := []tar.Header{global(commit), dir("top/"), file("top/README.md", "r"), dir("top/main/"), file("top/main/a.py", "aa"),
		exec("top/main/bin/run", "#!"), link("top/main/l", "a.py"), file("top/mainly/b.py", "b")}
	selected := []string{"a.py - aa", "bin/run x #!", "l -> a.py"}
	plain := func(headers ...tar.Header) []byte { return zip(t, pack(t, headers...)) }

	tests := []struct {
		name    string
		data    []byte
		opt     archive.Options
		want    []string
		wantErr string // "" for none
	}{
		{name: "a forge's archive", data: plain(tree...), opt: top, want: selected},
		{name: "dir with a slash and a dot", data: plain(tree...), opt: archive.Options{Dir: "./main/", StripTop: true}, want: selected},
		{name: "whole tree", data: plain(tree...), opt: archive.Options{StripTop: true},
			want: []string{"README.md - r", "main/a.py - aa", "main/bin/run x #!", "main/l -> a.py", "mainly/b.py - b"}},
		{name: "deeper dir", data: plain(tree...), opt: archive.Options{Dir: "main/bin", StripTop: true}, want: []string{"run x #!"}},
		{name: "top folder kept", data: plain(file("top/a", "1")), want: []string{"top/a - 1"}},
		{name: "leading dots of an asset", data: plain(dir("./"), file("./main/a", "1"), file("./b", "2")), opt: archive.Options{Dir: "main"},
			want: []string{"a - 1"}},
		{name: "the updater's own names", data: plain(file(".version", "9"), file(".manifest", "{}"), file("a", "1"), file("sub/.version", "2")),
			want: []string{"a - 1", "sub/.version - 2"}},
		{name: "empty file", data: plain(file("a", "")), want: []string{"a - "}},
		{name: "two gzip members", data: func() []byte {
			flat := pack(t, file("a", "1"), file("b", "2"))
			return append(zip(t, flat[:700]), zip(t, flat[700:])...)
		}(), want: []string{"a - 1", "b - 2"}},
		{name: "padding after the end", data: zip(t, append(pack(t, file("a", "1")), make([]byte, 10240)...)), want: []string{"a - 1"}},

		{name: "no such dir", data: plain(tree...), opt: archive.Options{Dir: "src", StripTop: true}, wantErr: `got no files below src, only below "main", "mainly": not found`},
		{name: "dir is a file", data: plain(tree...), opt: archive.Options{Dir: "README.md", StripTop: true}, wantErr: "not found"},
		{name: "no files", data: plain(dir("top/")), opt: archive.Options{StripTop: true}, wantErr: "without files: not found"},
		{name: "dir that leaves", data: plain(tree...), opt: archive.Options{Dir: "../x"}, wantErr: `dir "../x"`},
		{name: "absolute dir", data: plain(tree...), opt: archive.Options{Dir: "/main"}, wantErr: "absolute"},

		{name: "path leaves below dir", data: plain(file("main/../../x", "1")), opt: archive.Options{Dir: "main"}, wantErr: `"../../x"`},
		{name: "path leaves below top", data: plain(file("top/../x", "1")), opt: archive.Options{StripTop: true}, wantErr: `"../x"`},
		{name: "path leaves", data: plain(file("../x", "1")), wantErr: `"../x"`},
		{name: "top folder leaves", data: plain(file("../x", "1")), opt: archive.Options{StripTop: true}, wantErr: "one top folder"},
		{name: "absolute path", data: plain(file("/abs", "1")), wantErr: "absolute"},
		{name: "absolute path below top", data: plain(file("/abs/x", "1")), opt: archive.Options{StripTop: true}, wantErr: "one top folder"},
		{name: "absolute path below dir", data: plain(file("main//x", "1")), opt: archive.Options{Dir: "main"}, wantErr: "absolute"},
		{name: "dot in the middle", data: plain(file("main/./x", "1")), opt: archive.Options{Dir: "main"}, wantErr: `the part "."`},
		{name: "two leading dots", data: plain(file("././x", "1")), wantErr: `the part "."`},
		{name: "second top folder", data: plain(file("a/x", "1"), file("b/x", "1")), opt: archive.Options{StripTop: true}, wantErr: "second top folder"},
		{name: "file beside the top folder", data: plain(file("x", "1")), opt: archive.Options{StripTop: true}, wantErr: "one top folder"},
		{name: "hard link", data: plain(file("a", "1"), special(tar.TypeLink, "b")), wantErr: `"b": got a hard link`},
		{name: "character device", data: plain(special(tar.TypeChar, "b")), wantErr: `"b": got a device`},
		{name: "block device", data: plain(special(tar.TypeBlock, "b")), wantErr: `"b": got a device`},
		{name: "pipe", data: plain(special(tar.TypeFifo, "b")), wantErr: `"b": got a pipe`},
		{name: "sparse file", data: zip(t, sparse(t)), wantErr: "got a sparse file"},
		{name: "link without a target", data: plain(link("l", "")), wantErr: "without a target"},
		{name: "link leaves", data: plain(link("l", "../x")), wantErr: "leads out"},
		{name: "absolute link", data: plain(link("l", "/etc/passwd")), wantErr: "absolute target"},
		{name: "file below a link", data: plain(link("l", "a"), file("l/x", "1")), wantErr: "below l"},
		{name: "file twice", data: plain(file("a", "1"), file("a", "2")), wantErr: "twice"},
		{name: "data after the tar's end", data: zip(t, append(pack(t, file("a", "1")), "x"...)), wantErr: "data after the archive's end"},
		{name: "data after the gzip's end", data: append(plain(file("a", "1")), "garbage beyond"...), wantErr: "data after the archive's end"},
		{name: "too many entries beside dir", data: plain(many(17, "docs/%d")...), opt: archive.Options{Dir: "main", Limits: release.Limits{Files: 1}},
			wantErr: "more than 16 entries"},
		{name: "too many directories", data: plain(manyDirs(17)...), opt: archive.Options{Limits: release.Limits{Files: 1}}, wantErr: "more than 16 entries"},
		{name: "bomb beside dir", data: zip(t, pack(t, file("docs/zeros", strings.Repeat("\x00", 1<<20)))),
			opt: archive.Options{Dir: "main", Limits: release.Limits{Files: 1, Bytes: 100}}, wantErr: "more than 67136 bytes"},
		{name: "bomb after the end", data: zip(t, append(pack(t, file("a", "1")), make([]byte, 1<<20)...)),
			opt: archive.Options{Limits: release.Limits{Files: 1, Bytes: 100}}, wantErr: "more than 67136 bytes"},
		{name: "endless empty gzip members", data: bytes.Repeat(zip(t, nil), 5000),
			opt: archive.Options{Limits: release.Limits{Files: 1, Bytes: 100}}, wantErr: "more than 67136 bytes"},

		{name: "HTML page", data: []byte("\n<!DOCTYPE html><html><body>Not Found"), wantErr: "got an HTML page, want a gzip archive"},
		{name: "JSON", data: []byte(`{"message":"Not Found"}`), wantErr: "got JSON, want a gzip archive"},
		{name: "zip", data: []byte("PK\x03\x04...."), wantErr: "got a zip archive, want a gzip archive"},
		{name: "plain tar", data: pack(t, file("a", "1")), wantErr: "got a tar archive that is not compressed"},
		{name: "something else", data: []byte("\x00\x01hello"), wantErr: `bytes that begin with "\x00\x01hello"`},
		{name: "gzip of no tar", data: zip(t, bytes.Repeat([]byte("hello"), 500)), wantErr: "entry 1: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			put, got := collect(test.opt.Limits)
			info, err := archive.ReadTarGz(bytes.NewReader(test.data), test.opt, put)
			if test.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantErr) {
					t.Fatalf("error: got %v, want %q", err, test.wantErr)
				}
				if fault.IsTransient(err) {
					t.Errorf("error: got a transient one: %v", err)
				}
				if strings.HasSuffix(test.wantErr, "not found") && !errors.Is(err, release.ErrNotFound) {
					t.Errorf("error: got %v, want release.ErrNotFound", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if g, w := strings.Join(*got, "\n"), strings.Join(test.want, "\n"); g != w {
				t.Errorf("files: got\n%s\nwant\n%s", g, w)
			}
			if info.Files != len(test.want) {
				t.Errorf("info.Files: got %d, want %d", info.Files, len(test.want))
			}
		})
	}
}

func many(n int, pattern string) (headers []tar.Header) {
	for i := range n {
		headers = append(headers, file(fmt.Sprintf(pattern, i), ""))
	}
	return headers
}

func manyDirs(n int) (headers []tar.Header) {
	for i := range n {
		headers = append(headers, dir(fmt.Sprintf("d%d/", i)))
	}
	return headers
}

// sparse writes a file of 1 GiB that holds nothing, in GNU's format 1.0: archive/tar writes none,
// so the pax record's key is put in afterwards.
func sparse(t *testing.T) []byte {
	t.Helper()
	h := tar.Header{Typeflag: tar.TypeReg, Name: "s", Mode: 0o644, Format: tar.FormatPAX, PAXRecords: map[string]string{
		"XXX.sparse.major": "1", "XXX.sparse.minor": "0", "XXX.sparse.name": "s", "XXX.sparse.realsize": "1073741824"}}
	content := "1\n1073741824\n0\n"
	h.Size, h.Uname = 512, content+strings.Repeat("\x00", 512-len(content))
	return bytes.ReplaceAll(pack(t, h), []byte("XXX.sparse."), []byte("GNU.sparse."))
}

func TestCommit(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"SHA-1", commit, commit},
		{"SHA-256", strings.Repeat("ab", 32), strings.Repeat("ab", 32)},
		{"upper case", strings.ToUpper(commit), ""},
		{"short", commit[1:], ""},
		{"a remark", "made by hand", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			put, _ := collect(release.Limits{})
			info, err := archive.ReadTarGz(bytes.NewReader(zip(t, pack(t, global(test.in), file("a", "1")))), archive.Options{}, put)
			if err != nil || info.Commit != test.want {
				t.Errorf("commit: got %q, %v, want %q", info.Commit, err, test.want)
			}
		})
	}
}

func TestNotFoundNamesFolders(t *testing.T) {
	tests := []struct {
		name string
		in   []tar.Header
		want string
	}{
		{"control characters", []tar.Header{file("t/src/a", "1"), file("t/doc\x1b[31m/a", "1"), file("t/z", "1")},
			`got no files below main, only below "doc\x1b[31m", "src": not found`},
		{"many", many(100, "t/%03d/x"), `only below "000", "001", "002", "003", "004", "005", "006", "007", "008", "009", …: not found`},
		{"none", []tar.Header{file("t/a", "1")}, "got no files below main, nor any other folder: not found"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			put, _ := collect(release.Limits{})
			_, err := archive.ReadTarGz(bytes.NewReader(zip(t, pack(t, test.in...))), archive.Options{Dir: "main", StripTop: true}, put)
			if err == nil || !strings.HasSuffix(err.Error(), test.want) || !strings.Contains(fault.HintOf(err), "set dir to") {
				t.Errorf("got %v, hint %q, want %q", err, fault.HintOf(err), test.want)
			}
		})
	}
}

// TestCut cuts an archive at every byte: whatever was put, the cut is told, and that another try may help.
func TestCut(t *testing.T) {
	flat := pack(t, global(commit), file("top/a", "hello"), file("top/b", strings.Repeat("x", 600)), file("top/c", ""))
	zipped := zip(t, flat)
	read := func(data []byte, compressed bool) error {
		put, _ := collect(release.Limits{})
		if compressed {
			_, err := archive.ReadTarGz(bytes.NewReader(data), archive.Options{StripTop: true}, put)
			return err
		}
		_, err := archive.ReadAsset("x.tar", int64(len(flat)), bytes.NewReader(data), archive.Options{StripTop: true}, put)
		return err
	}
	for name, whole := range map[string][]byte{"tar.gz": zipped, "tar": flat} {
		for n := range whole {
			err := read(whole[:n], name == "tar.gz")
			if !errors.Is(err, io.ErrUnexpectedEOF) || !fault.IsTransient(err) {
				t.Fatalf("%s cut at %d of %d: got %v, want a transient io.ErrUnexpectedEOF", name, n, len(whole), err)
			}
			if n > 0 && !strings.Contains(err.Error(), fmt.Sprintf("%d ", n)) {
				t.Errorf("%s cut at %d: got %v, want the number of bytes", name, n, err)
			}
		}
		if err := read(whole, name == "tar.gz"); err != nil {
			t.Fatalf("%s whole: %v", name, err)
		}
	}
	// a tar of unknown length that ends between two entries
	for _, end := range []int{1024, 2048, 3072} {
		put, _ := collect(release.Limits{})
		if _, err := archive.ReadAsset("x.tar", -1, bytes.NewReader(flat[:end]), archive.Options{}, put); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("tar without a trailer, %d bytes: got %v, want io.ErrUnexpectedEOF", end, err)
		}
	}
}

func TestDamaged(t *testing.T) {
	zipped := zip(t, pack(t, file("a", strings.Repeat("hello ", 1000))))
	zipped[len(zipped)-5] ^= 1 // within the length and checksum
	put, _ := collect(release.Limits{})
	_, err := archive.ReadTarGz(bytes.NewReader(zipped), archive.Options{}, put)
	if !errors.Is(err, gzip.ErrChecksum) || !fault.IsTransient(err) {
		t.Errorf("got %v, want a transient gzip.ErrChecksum", err)
	}
}

func TestPutError(t *testing.T) {
	stop := errors.New("stop")
	data := zip(t, pack(t, file("a", "1"), file("b", "2")))
	n := 0
	_, err := archive.ReadTarGz(bytes.NewReader(data), archive.Options{}, func(release.File) error { n++; return stop })
	if err != stop || n != 1 {
		t.Errorf("got %v after %d files, want the error as it is after 1", err, n)
	}
	_, err = archive.ReadAsset("app", 1, strings.NewReader("x"), archive.Options{}, func(release.File) error { return stop })
	if err != stop {
		t.Errorf("plain: got %v, want the error as it is", err)
	}
	// a put that leaves bodies unread does not disturb the next entry
	info, err := archive.ReadTarGz(bytes.NewReader(data), archive.Options{}, func(release.File) error { return nil })
	if err != nil || info.Files != 2 {
		t.Errorf("unread bodies: got %d files, %v", info.Files, err)
	}
	broken := errors.New("broken pipe")
	_, err = archive.ReadTarGz(io.MultiReader(bytes.NewReader(data[:40]), failing{broken}), archive.Options{}, func(release.File) error { return nil })
	if !errors.Is(err, broken) {
		t.Errorf("reader's error: got %v, want it wrapped", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestReadAsset(t *testing.T) {
	flat := pack(t, file("t/main/a", "1"))
	top := archive.Options{Dir: "main", StripTop: true}
	tests := []struct {
		name, asset string
		data        []byte
		size        int64
		opt         archive.Options
		want        string
		wantErr     string
	}{
		{name: "tar.gz", asset: "app.tar.gz", data: zip(t, flat), size: -1, opt: top, want: "a - 1"},
		{name: "tgz in capitals", asset: "App.TGZ", data: zip(t, flat), size: -1, opt: top, want: "a - 1"},
		{name: "tar", asset: "app.tar", data: flat, size: int64(len(flat)), opt: top, want: "a - 1"},
		{name: "program", asset: "app-linux-arm64", data: []byte("\x7fELF"), size: 4, opt: top, want: "app-linux-arm64 x \x7fELF"},
		{name: "program with a dot", asset: "app.mpy", data: []byte("M"), size: 1, want: "app.mpy x M"},
		{name: "empty program", asset: "app", size: 0, want: "app x "},
		{name: "program of unknown length", asset: "app", data: []byte("x"), size: -1, wantErr: "no length"},
		{name: "program too long", asset: "app", data: []byte("xy"), size: 1, wantErr: "more"},
		{name: "program cut", asset: "app", data: []byte("x"), size: 2, wantErr: "cut after 1 of 2 bytes"},
		{name: "tar too long", asset: "app.tar", data: append(flat[:len(flat):len(flat)], 0), size: int64(len(flat)), opt: top, wantErr: "more than the announced"},
		{name: "zip", asset: "app.zip", wantErr: "got a .zip file"},
		{name: "tar.xz", asset: "app.tar.xz", wantErr: "got a .xz file"},
		{name: "tar.zst", asset: "app.tar.zst", wantErr: "got a .zst file"},
		{name: "tar.bz2", asset: "app.tar.bz2", wantErr: "got a .bz2 file"},
		{name: "gz", asset: "app.gz", wantErr: "got a .gz file"},
		{name: "name leaves", asset: "../app", size: 0, wantErr: `"../app"`},
		{name: "name of a folder above", asset: "..", size: 0, wantErr: `".."`},
		{name: "no name", asset: "", size: 0, wantErr: "asset"},
		{name: "the updater's own name", asset: ".version", size: 0, wantErr: `".version"`},
		{name: "link page instead of tar.gz", asset: "app.tar.gz", data: []byte("<html>"), size: 6, wantErr: "an HTML page"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			put, got := collect(release.Limits{})
			_, err := archive.ReadAsset(test.asset, test.size, bytes.NewReader(test.data), test.opt, put)
			if test.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantErr) {
					t.Fatalf("error: got %v, want %q", err, test.wantErr)
				}
				if strings.HasPrefix(test.wantErr, "got a .") && !strings.Contains(fault.HintOf(err), ".tar.gz") {
					t.Errorf("hint: got %q", fault.HintOf(err))
				}
				return
			}
			if err != nil || strings.Join(*got, "\n") != test.want {
				t.Errorf("got %q, %v, want %q", *got, err, test.want)
			}
		})
	}
}
