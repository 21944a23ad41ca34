package slot_test

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"moult/disk"
	"moult/disk/disktest"
	"moult/release"
	"moult/slot"
	"moult/update"
)

// install stages a release and switches to it.
func install(t *testing.T, s *slot.Slots, version string, files map[string]string) {
	t.Helper()
	look, err := s.Look()
	must(t, err)
	v := release.MustVersion(version)
	_, err = s.Stage(t.Context(), release.Manifest{Module: "m", Version: v}, 0, fill(files))
	must(t, err)
	must(t, s.Switch(look.Main.Version, v))
}

func fill(files map[string]string) update.Fill {
	return func(put func(release.File) error) (release.Fetched, error) {
		for _, name := range slices.Sorted(maps.Keys(files)) {
			content := files[name]
			if err := put(release.File{Path: name, Size: int64(len(content)), Body: strings.NewReader(content)}); err != nil {
				return release.Fetched{}, err
			}
		}
		return release.Fetched{}, nil
	}
}

// TestCarry is the law of what goes along, on a disk in memory and on a real one.
func TestCarry(t *testing.T) {
	tests := []struct {
		name     string
		keep     string // patterns, parted by spaces
		old      map[string]string
		own      map[string]string // written over or beside the old release
		new      map[string]string
		want     map[string]string // main after the update
		wantBack map[string]string // main after going back; nil where it is old and own
	}{
		{
			name: "a file of the release changes, one goes, one comes",
			old:  map[string]string{"a": "1", "b": "1"}, new: map[string]string{"a": "2", "c": "2"},
			want: map[string]string{"a": "2", "c": "2"},
		},
		{
			name: "what no release put there stays, in folders too",
			old:  map[string]string{"a": "1"}, own: map[string]string{"x": "mine", "d/e/f": "mine"}, new: map[string]string{"a": "2", "d/g": "2"},
			want: map[string]string{"a": "2", "d/g": "2", "x": "mine", "d/e/f": "mine"},
		},
		{
			name: "a file of the release that was changed by hand is the release's",
			old:  map[string]string{"a": "1"}, own: map[string]string{"a": "patched"}, new: map[string]string{"a": "2"},
			want: map[string]string{"a": "2"}, wantBack: map[string]string{"a": "patched"},
		},
		{
			name: "what is kept stays, though the release has one of that name", keep: "a d/**",
			old: map[string]string{"a": "1", "d/e": "1"}, own: map[string]string{"a": "mine", "d/e": "mine", "d/f": "mine"},
			new:  map[string]string{"a": "2", "d/e": "2", "d/g": "2"},
			want: map[string]string{"a": "mine", "d/e": "mine", "d/f": "mine", "d/g": "2"},
			// d/g is below what is kept, so that it is the device's from now on
			wantBack: map[string]string{"a": "mine", "d/e": "mine", "d/f": "mine", "d/g": "2"},
		},
		{
			name: "what is kept and is not there comes from the release", keep: "a",
			old: map[string]string{"b": "1"}, new: map[string]string{"a": "default"},
			want: map[string]string{"a": "default"}, wantBack: map[string]string{"a": "default", "b": "1"},
		},
		{
			name: "what is kept goes on being kept when the release drops it", keep: "a",
			old: map[string]string{"a": "1", "b": "1"}, new: map[string]string{"b": "2"},
			want: map[string]string{"a": "1", "b": "2"},
		},
		{
			name: "a name that a release takes leaves the file beside it",
			old:  map[string]string{"a": "1"}, own: map[string]string{"n": "mine"}, new: map[string]string{"a": "2", "n": "2"},
			want: map[string]string{"a": "2", "n": "2", "n.local": "mine"}, wantBack: map[string]string{"a": "1", "n": "mine", "n.local": "mine"},
		},
		{
			name: "and beside what is beside it",
			old:  map[string]string{"a": "1"}, own: map[string]string{"n": "mine", "n.local": "older"}, new: map[string]string{"n": "2"},
			want: map[string]string{"n": "2", "n.local": "older", "n.local2": "mine"}, wantBack: map[string]string{"a": "1", "n": "mine", "n.local": "older", "n.local2": "mine"},
		},
		{
			name: "a folder of ours where the release has a file",
			old:  map[string]string{"a": "1"}, own: map[string]string{"d/x": "mine"}, new: map[string]string{"a": "2", "d": "2"},
			want: map[string]string{"a": "2", "d": "2", "d.local/x": "mine"}, wantBack: map[string]string{"a": "1", "d/x": "mine", "d.local/x": "mine"},
		},
		{
			name: "a file of ours where the release has a folder",
			old:  map[string]string{"a": "1"}, own: map[string]string{"d": "mine"}, new: map[string]string{"a": "2", "d/x": "2"},
			want: map[string]string{"a": "2", "d/x": "2", "d.local": "mine"}, wantBack: map[string]string{"a": "1", "d": "mine", "d.local": "mine"},
		},
		{
			name: "a kept folder where the release has a file", keep: "d/**",
			old: map[string]string{"a": "1"}, own: map[string]string{"d/x": "mine"}, new: map[string]string{"a": "2", "d": "2"},
			want: map[string]string{"a": "2", "d/x": "mine"},
		},
		{
			name: "a kept file where the release has a folder", keep: "d",
			old: map[string]string{"a": "1"}, own: map[string]string{"d": "mine"}, new: map[string]string{"a": "2", "d/x": "2"},
			want: map[string]string{"a": "2", "d": "mine"},
		},
	}
	for name, open := range disks(t) {
		for _, test := range tests {
			t.Run(name+"/"+test.name, func(t *testing.T) {
				keep, err := release.ParseKeep(strings.Fields(test.keep))
				must(t, err)
				d := open(t)
				s := slot.New(d, slot.ModulePlace("m"), keep.Match)
				install(t, s, "1", test.old)
				for file, content := range test.own {
					must(t, disk.MkdirAll(d, path.Join("m/main", path.Dir(file)), 0o755))
					must(t, disk.WriteFile(d, "m/main/"+file, []byte(content), 0o644))
				}
				before := mainOf(t, d)
				install(t, s, "2", test.new)
				if got := mainOf(t, d); !maps.Equal(got, test.want) {
					t.Errorf("got %v, want %v", got, test.want)
				}
				if test.wantBack == nil {
					test.wantBack = before
				}
				must(t, s.RollBack(release.MustVersion("2"), release.MustVersion("1")))
				if got := mainOf(t, d); !maps.Equal(got, test.wantBack) {
					t.Errorf("back: got %v, want %v", got, test.wantBack)
				}
			})
		}
	}
}

func disks(t *testing.T) map[string]func(t *testing.T) disk.Disk {
	return map[string]func(t *testing.T) disk.Disk{
		"memory": func(*testing.T) disk.Disk { return disktest.New() },
		"without links": func(*testing.T) disk.Disk {
			d := disktest.New()
			d.NoLinks, d.NoExchange = true, true
			return d
		},
		"real": func(t *testing.T) disk.Disk { return openDir(t, t.TempDir()) },
	}
}

func openDir(t *testing.T, name string) *disk.Dir {
	d, err := disk.OpenDir(name)
	must(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

// mainOf reads main, without the updater's own files.
func mainOf(t *testing.T, d disk.Reader) map[string]string {
	t.Helper()
	found := map[string]string{}
	var walk func(dir string)
	walk = func(dir string) {
		entries, err := d.ReadDir(path.Join("m/main", dir))
		must(t, err)
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			if e.IsDir() {
				walk(name)
			} else if name != slot.VersionFile && name != slot.ManifestFile {
				data, err := disk.ReadFile(d, "m/main/"+name, 1<<20)
				must(t, err)
				found[name] = string(data)
			}
		}
	}
	walk("")
	return found
}

// TestRealDisk is what only a real file system has: permissions, links that point away, sockets, executable bits.
func TestRealDisk(t *testing.T) {
	root := t.TempDir()
	main := filepath.Join(root, "m/main")
	d := openDir(t, root)
	s := slot.New(d, slot.ModulePlace("m"), nil)
	install(t, s, "1", map[string]string{"app": "1", "data/.gitkeep": ""})
	must(t, os.Chmod(main, 0o2750))
	must(t, os.Chmod(filepath.Join(main, "data"), 0o770))
	must(t, os.WriteFile(filepath.Join(main, "data/key"), []byte("k"), 0o600))
	must(t, os.Symlink("/etc/hostname", filepath.Join(main, "hostname")))
	must(t, os.Mkdir(filepath.Join(main, "empty"), 0o700))
	listener, err := net.Listen("unix", filepath.Join(main, "app.sock"))
	must(t, err)
	defer listener.Close()
	log, err := os.OpenFile(filepath.Join(main, "app.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	must(t, err)
	defer log.Close()

	install(t, s, "2", map[string]string{"app": "2", "data/.gitkeep": ""})
	_, err = log.WriteString("written through the switch")
	must(t, err)

	for name, want := range map[string]os.FileMode{
		".": os.ModeDir | 0o750, "data": os.ModeDir | 0o770, "data/key": 0o600, "hostname": os.ModeSymlink | 0o777, "empty": os.ModeDir | 0o700,
	} {
		info, err := os.Lstat(filepath.Join(main, name))
		if err != nil || info.Mode()&(os.ModeType|os.ModePerm) != want {
			t.Errorf("%s: got %v %v, want %v", name, info, err, want)
		}
	}
	if target, err := os.Readlink(filepath.Join(main, "hostname")); err != nil || target != "/etc/hostname" {
		t.Errorf("link: got %q %v", target, err)
	}
	if data, err := os.ReadFile(filepath.Join(main, "app.log")); err != nil || string(data) != "written through the switch" {
		t.Errorf("log: got %q %v, want what was written by who had it open", data, err)
	}
	if _, err := os.Lstat(filepath.Join(main, "app.sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("socket: got %v, want it left behind", err)
	}
}

// TestCopies is the carrying on a disk without links: permissions stay, and room is asked for first.
func TestCopies(t *testing.T) {
	d := disktest.New()
	d.NoLinks = true
	s := slot.New(d, slot.ModulePlace("m"), nil)
	install(t, s, "1", map[string]string{"app": "1"})
	for name, perm := range map[string]os.FileMode{"key": 0o600, "tool": 0o755, "log": 0o664} {
		must(t, disk.WriteFile(d, "m/main/"+name, []byte(name), perm))
	}
	must(t, d.Symlink("key", "m/main/link"))
	install(t, s, "2", map[string]string{"app": "2"})
	for name, perm := range map[string]os.FileMode{"key": 0o600, "tool": 0o755, "log": 0o664, "link": os.ModeSymlink | 0o777} {
		info, err := d.Lstat("m/main/" + name)
		if err != nil || info.Mode() != perm {
			t.Errorf("%s: got %v %v, want %v", name, info, err, perm)
		}
	}

	must(t, disk.WriteFile(d, "m/main/large", make([]byte, 600<<10), 0o644))
	d.Space = 1300 << 10
	v := release.MustVersion("3")
	_, err := s.Stage(t.Context(), release.Manifest{Version: v}, 0, fill(map[string]string{"app": "3"}))
	must(t, err)
	wantError(t, s.Switch(release.MustVersion("2"), v), "disk full")
	if free, _ := d.Free(); free <= 0 {
		t.Errorf("got %d bytes free: the copy filled the disk", free)
	}
	if got := mainOf(t, d); got["app"] != "2" {
		t.Errorf("main: got %v", got)
	}
}

func TestRefusals(t *testing.T) {
	one := release.MustVersion("1")
	t.Run("main is a link", func(t *testing.T) {
		d := disktest.New()
		must(t, d.Mkdir("m", 0o755))
		must(t, d.Symlink("elsewhere", "m/main"))
		_, err := slot.New(d, slot.ModulePlace("m"), nil).Look()
		wantError(t, err, "m/main", "a link", "want a folder")
	})
	t.Run("a body shorter than it said", func(t *testing.T) {
		s := slot.New(disktest.New(), slot.ModulePlace("m"), nil)
		_, err := s.Stage(t.Context(), release.Manifest{Version: one}, 0, func(put func(release.File) error) (release.Fetched, error) {
			return release.Fetched{}, put(release.File{Path: "a", Size: 10, Body: strings.NewReader("short")})
		})
		wantError(t, err, "got 5, want 10")
	})
	t.Run("other files than were signed", func(t *testing.T) {
		s := slot.New(disktest.New(), slot.ModulePlace("m"), nil)
		_, err := s.Stage(t.Context(), release.Manifest{Module: "m", Version: one}, 0, func(put func(release.File) error) (release.Fetched, error) {
			return release.Fetched{Signed: &release.Manifest{Module: "m", Version: one}}, put(release.File{Path: "a", Size: 1, Body: strings.NewReader("a")})
		})
		wantError(t, err, "what was staged is not what was signed")
	})
	t.Run("less free than is expected writes nothing", func(t *testing.T) {
		d := disktest.New()
		d.Space = 1 << 20
		_, err := slot.New(d, slot.ModulePlace("m"), nil).Stage(t.Context(), release.Manifest{Version: one}, 2<<20, fill(nil))
		wantError(t, err, "disk full")
		if d.Ops() != 0 {
			t.Errorf("got %v, want nothing written", d.Trace())
		}
	})
	t.Run("next that is not whole is not switched to", func(t *testing.T) {
		d := disktest.New()
		s := slot.New(d, slot.ModulePlace("m"), nil)
		install(t, s, "1", map[string]string{"a": "1"})
		must(t, d.Mkdir("m/next", 0o755))
		wantError(t, s.Switch(one, release.MustVersion("2")), "not whole")
		if got := mainOf(t, d); got["a"] != "1" {
			t.Errorf("main: got %v", got)
		}
	})
	t.Run("the updater's own names are not installed", func(t *testing.T) {
		d := disktest.New()
		s := slot.New(d, slot.ModulePlace("m"), nil)
		install(t, s, "1", map[string]string{"a": "1", ".version": "9", ".manifest": "{}"})
		look, err := s.Look()
		must(t, err)
		if look.Main.Version.String() != "1" {
			t.Errorf("got %v, want 1", look.Main.Version)
		}
	})
}

// TestRootPlace is system B's layout: the running version in a folder at the root.
func TestRootPlace(t *testing.T) {
	for dir, want := range map[string]slot.Place{
		"src":     {Main: "src", Next: "next", Prev: "prev"},
		"app/src": {Main: "app/src", Next: "app/next", Prev: "app/prev"},
	} {
		if got := slot.RootPlace(dir); got != want {
			t.Errorf("%s: got %v, want %v", dir, got, want)
		}
	}
	d := disktest.New()
	must(t, d.Mkdir("src", 0o755))
	must(t, disk.WriteFile(d, "src/.version", []byte("2.3"), 0o644))
	must(t, disk.WriteFile(d, "conf.json", []byte("{}"), 0o644))
	s := slot.New(d, slot.RootPlace("src"), nil)
	v := release.MustVersion("2.4")
	_, err := s.Stage(t.Context(), release.Manifest{Version: v}, 0, fill(map[string]string{"exemplo.py": "2.4"}))
	must(t, err)
	must(t, s.Switch(release.MustVersion("2.3"), v))
	look, err := s.Look()
	must(t, err)
	if want := (update.Look{Main: update.Copy{There: true, Version: v}, Prev: update.Copy{There: true, Version: release.MustVersion("2.3")}}); fmt.Sprint(look) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", look, want)
	}
}

func wantError(t *testing.T, err error, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
