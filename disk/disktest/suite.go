package disktest

import (
	"errors"
	"io/fs"
	"testing"

	"moult/disk"
)

// Run holds a disk against what disk.Disk promises. The disk that open returns is empty.
func Run(t *testing.T, open func(t *testing.T) disk.Disk) {
	tests := map[string]func(t *testing.T, d disk.Disk){
		"create, read back, create again": func(t *testing.T, d disk.Disk) {
			write(t, d, "a", "one")
			want(t, d, "a", "one")
			if _, err := d.Create("a", 0o644); !errors.Is(err, fs.ErrExist) {
				t.Errorf("create again: got %v, want fs.ErrExist", err)
			}
		},
		"permissions whatever the umask": func(t *testing.T, d disk.Disk) {
			for _, perm := range []fs.FileMode{0o600, 0o644, 0o755, 0o666} {
				must(t, disk.WriteFile(d, "a", nil, perm))
				info, err := d.Lstat("a")
				must(t, err)
				if info.Mode().Perm() != perm {
					t.Errorf("got %v, want %v", info.Mode().Perm(), perm)
				}
			}
		},
		"append makes and adds": func(t *testing.T, d disk.Disk) {
			for range 2 {
				f, err := d.Append("log", 0o644)
				must(t, err)
				_, err = f.Write([]byte("x\n"))
				must(t, disk.Finish(f, err))
			}
			want(t, d, "log", "x\nx\n")
		},
		"folders nest and list in order": func(t *testing.T, d disk.Disk) {
			must(t, disk.MkdirAll(d, "m/b/c", 0o755))
			write(t, d, "m/z", "")
			must(t, d.Symlink("z", "m/a"))
			entries, err := d.ReadDir("m")
			must(t, err)
			var names string
			for _, e := range entries {
				names += e.Name() + e.Type().String() + " "
			}
			if want := "aL--------- bd--------- z---------- "; names != want {
				t.Errorf("got %q, want %q", names, want)
			}
		},
		"rename replaces a file": func(t *testing.T, d disk.Disk) {
			write(t, d, "a", "new")
			write(t, d, "b", "old")
			must(t, d.Rename("a", "b"))
			want(t, d, "b", "new")
			missing(t, d, "a")
		},
		"rename does not replace a folder that holds something": func(t *testing.T, d disk.Disk) {
			must(t, disk.MkdirAll(d, "a", 0o755))
			must(t, disk.MkdirAll(d, "b/c", 0o755))
			if err := d.Rename("a", "b"); err == nil {
				t.Error("got nil, want an error")
			}
		},
		"exchange swaps, or says that it cannot": func(t *testing.T, d disk.Disk) {
			must(t, disk.MkdirAll(d, "m/main", 0o755))
			must(t, disk.MkdirAll(d, "m/next", 0o755))
			write(t, d, "m/main/x", "old")
			write(t, d, "m/next/x", "new")
			err := d.Exchange("m/main", "m/next")
			if errors.Is(err, disk.ErrUnsupported) {
				want(t, d, "m/main/x", "old")
				return
			}
			must(t, err)
			want(t, d, "m/main/x", "new")
			want(t, d, "m/next/x", "old")
		},
		"a link is the same file, or cannot be": func(t *testing.T, d disk.Disk) {
			write(t, d, "a", "one")
			err := d.Link("a", "b")
			if errors.Is(err, disk.ErrUnsupported) {
				missing(t, d, "b")
				return
			}
			must(t, err)
			f, err := d.Append("a", 0o644)
			must(t, err)
			_, err = f.Write([]byte("+"))
			must(t, disk.Finish(f, err))
			want(t, d, "b", "one+")
		},
		"remove takes files, links, empty folders only": func(t *testing.T, d disk.Disk) {
			must(t, disk.MkdirAll(d, "m/n", 0o755))
			must(t, d.Symlink("m", "l"))
			if err := d.Remove("m"); err == nil {
				t.Error("remove a full folder: got nil, want an error")
			}
			must(t, disk.RemoveAll(d, "l"))
			must(t, disk.RemoveAll(d, "m"))
			missing(t, d, "m")
			if err := d.Remove("m"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("got %v, want fs.ErrNotExist", err)
			}
		},
		"names do not leave the root": func(t *testing.T, d disk.Disk) {
			must(t, d.Symlink("../..", "out"))
			for _, name := range []string{"../x", "/x", "out/x", "out/tmp/x"} {
				if f, err := d.Create(name, 0o644); err == nil {
					f.Close()
					t.Errorf("create %s: got nil, want an error", name)
				}
				if f, err := d.Open(name); err == nil {
					f.Close()
					t.Errorf("open %s: got nil, want an error", name)
				}
			}
		},
		"own copies permissions": func(t *testing.T, d disk.Disk) {
			must(t, d.Mkdir("a", 0o700))
			must(t, d.Mkdir("b", 0o755))
			info, err := d.Lstat("a")
			must(t, err)
			must(t, d.Own("b", info))
			if info, err = d.Lstat("b"); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("got %v %v, want 0700", info.Mode(), err)
			}
		},
		"what is missing is fs.ErrNotExist": func(t *testing.T, d disk.Disk) {
			_, open := d.Open("x")
			_, lstat := d.Lstat("x/y")
			_, readDir := d.ReadDir("x")
			for _, err := range []error{open, lstat, readDir, d.Rename("x", "y"), d.SyncDir("x")} {
				if !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("got %v, want fs.ErrNotExist", err)
				}
			}
		},
		"free space is known": func(t *testing.T, d disk.Disk) {
			if free, err := d.Free(); err != nil || free <= 0 {
				t.Errorf("got %d, %v, want some", free, err)
			}
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func write(t *testing.T, d disk.Disk, name, data string) {
	t.Helper()
	must(t, disk.WriteFile(d, name, []byte(data), 0o644))
}

func want(t *testing.T, d disk.Disk, name, want string) {
	t.Helper()
	got, err := disk.ReadFile(d, name, 1<<20)
	must(t, err)
	if string(got) != want {
		t.Errorf("%s: got %q, want %q", name, got, want)
	}
}

func missing(t *testing.T, d disk.Disk, name string) {
	t.Helper()
	if there, err := disk.Exists(d, name); err != nil || there {
		t.Errorf("%s: got there %v, %v, want gone", name, there, err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
