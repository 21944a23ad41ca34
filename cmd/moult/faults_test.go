package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"moult/source/forge"
	"moult/source/sourcetest"
)

// bench is a device on the real file system, a forge, and the program between them.
type bench struct {
	t     *testing.T
	dir   string
	forge *sourcetest.Forge
	repo  *sourcetest.Repo
}

const repository = "owner/irrigation"

// newBench starts a GitHub whose one repository has these releases, the newest last, and an empty device that follows it.
func newBench(t *testing.T, tls bool, releases ...sourcetest.Release) *bench {
	b := &bench{t: t, dir: t.TempDir(), forge: sourcetest.NewForge(t, forge.GitHub, tls)}
	b.publish(releases...)
	b.configure(`"github": {"api": "` + b.forge.URL + `/api/v3"}`)
	return b
}

// publish adds releases, each newer than those before.
func (b *bench) publish(releases ...sourcetest.Release) {
	repo := sourcetest.Repo{}
	if b.repo != nil {
		repo = *b.repo
	}
	for _, r := range releases {
		repo.Releases = append([]sourcetest.Release{r}, repo.Releases...)
	}
	b.repo = &repo
	b.forge.Put(repository, b.repo)
}

// configure writes moult.json: the module, and more keys.
func (b *bench) configure(more string) {
	writeFile(b.t, filepath.Join(b.dir, "config/moult.json"), fmt.Sprintf(
		`{"modules": {"irrigation": {"url": "%s/%s", "forge": "github", "keep": ["settings.py"]}}, %s}`, b.forge.URL, repository, more))
}

// moult runs the program and returns all that it printed.
func (b *bench) moult(want int, args ...string) (output string) {
	b.t.Helper()
	output, code := runMoult(b.t, append(args, "--root", b.dir)...)
	if code != want {
		b.t.Fatalf("moult %s: got exit code %d, want %d\n%s", strings.Join(args, " "), code, want, output)
	}
	return output
}

func runMoult(t *testing.T, args ...string) (output string, code int) {
	t.Helper()
	cmd := exec.Command("moult", args...)
	var printed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &printed
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return printed.String(), cmd.ProcessState.ExitCode()
}

// peakMemory runs the program and returns the most memory that it had at a time, in bytes. It is read from the kernel while
// the program runs: what wait tells would count the memory of this process too, which the program has until its exec.
func peakMemory(tb testing.TB, args ...string) (peak int64) {
	tb.Helper()
	cmd := exec.Command("moult", args...)
	var printed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &printed
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			if err != nil || peak == 0 {
				tb.Fatalf("moult %v: %v, peak %d\n%s", args, err, peak, &printed)
			}
			return peak
		case <-time.After(time.Millisecond):
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
		if err != nil {
			continue // it has ended
		}
		_, rest, found := strings.Cut(string(status), "VmHWM:")
		var kilobytes int64
		if _, err := fmt.Sscan(rest, &kilobytes); found && err == nil {
			peak = max(peak, kilobytes<<10)
		}
	}
}

// main returns the files of the running version, without the updater's own two.
func (b *bench) main() map[string]string {
	b.t.Helper()
	dir := filepath.Join(b.dir, "irrigation/main")
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	files := readTree(b.t, dir)
	delete(files, ".manifest")
	return files
}

func (b *bench) wantMain(want map[string]string) {
	b.t.Helper()
	if got := b.main(); !maps.Equal(got, want) {
		b.t.Errorf("main: got %q, want %q", got, want)
	}
}

func tagged(tag string, files map[string]string) sourcetest.Release {
	tree := sourcetest.Tree{"README.md": {Content: "not installed"}}
	for name, content := range files {
		tree["main/"+name] = sourcetest.File{Content: content}
	}
	return sourcetest.Release{Tag: tag, Files: tree}
}

func contains(t *testing.T, output string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(output, want) {
			t.Errorf("got %q, want %q in it", output, want)
		}
	}
}

// TestProvenFaults holds the program to what the two earlier systems got wrong, each fault by name.
func TestProvenFaults(t *testing.T) {
	app := func(tag string) sourcetest.Release { return tagged(tag, map[string]string{"app.py": tag}) }
	installed := func(t *testing.T, tag string) *bench {
		b := newBench(t, false, app(tag))
		b.moult(0, "update")
		return b
	}

	for _, pair := range [][2]string{{"1.9.0", "1.10.0"}, {"v1.0", "1.1"}, {"1.1", "2"}} {
		t.Run("versions are numbers: "+pair[0]+" to "+pair[1], func(t *testing.T) {
			b := installed(t, pair[0])
			b.publish(app(pair[1]))
			b.moult(10, "update", "--check")
			b.moult(0, "update")
			b.wantMain(map[string]string{".version": pair[1], "app.py": pair[1]})
			b.moult(0, "update", "--check")
		})
	}

	for name, fault := range map[string]struct {
		fault sourcetest.Fault
		says  []string
	}{
		"a 404 page is not installed as code":             {sourcetest.Status(404), []string{"404"}},
		"a web page with status 200 is not installed":     {sourcetest.WebPage(), []string{"hint:"}},
		"a 403 is told, and is not \"no update\"":         {sourcetest.Status(403), []string{"403", "hint:"}},
		"a body that is cut at 37 bytes does not install": {sourcetest.Cut(37), []string{"irrigation"}},
		"a body that ends early and says whole":           {sourcetest.Shorten(7), []string{"irrigation"}},
		"an empty body does not install":                  {sourcetest.Body(""), []string{"irrigation"}},
		"code in place of an archive does not install":    {sourcetest.Body("print('hello')\n"), []string{"gzip"}},
		"a download error is what is told, and no other":  {sourcetest.Status(418), []string{"418"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := installed(t, "1.0")
			b.publish(app("1.1"))
			b.forge.Break(sourcetest.IsArchive, -1, fault.fault)
			output := b.moult(1, "update")
			contains(t, output, append(fault.says, "moult: update irrigation")...)
			b.wantMain(map[string]string{".version": "1.0", "app.py": "1.0"})
			if _, err := os.Stat(filepath.Join(b.dir, "irrigation/next")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("next: got %v, want nothing left of it", err)
			}
			b.forge.Mend()
			b.moult(0, "update")
			b.wantMain(map[string]string{".version": "1.1", "app.py": "1.1"})
		})
	}

	t.Run("a rate limit is told with its end", func(t *testing.T) {
		b := installed(t, "1.0")
		b.publish(app("1.1"))
		b.configure(`"github": {"api": "` + b.forge.URL + `/api/v3", "token": "secret-token"}`)
		b.forge.Break(nil, -1, sourcetest.RateLimited(time.Now().Add(time.Hour)))
		contains(t, b.moult(1, "update"), "limit of requests is used up", "hint:")
		b.wantMain(map[string]string{".version": "1.0", "app.py": "1.0"})
	})

	t.Run("binary files and .mpy arrive as they are", func(t *testing.T) {
		every := make([]byte, 0, 512)
		for i := range 256 {
			every = append(every, byte(i), byte(255-i))
		}
		b := newBench(t, false, tagged("1", map[string]string{"logo.bin": string(every), "lib.mpy": "M\x06\x00\x1f\x80\xff\xfe"}))
		b.moult(0, "update")
		b.wantMain(map[string]string{".version": "1", "logo.bin": string(every), "lib.mpy": "M\x06\x00\x1f\x80\xff\xfe"})
	})

	t.Run("main/domain/x.py lands at domain/x.py", func(t *testing.T) {
		b := newBench(t, false, tagged("1", map[string]string{"domain/x.py": "x", "main/main/y.py": "y"}))
		b.moult(0, "update")
		b.wantMain(map[string]string{".version": "1", "domain/x.py": "x", "main/main/y.py": "y"})
	})

	t.Run("a device that was cut between removing main and renaming next is not bricked", func(t *testing.T) {
		b := installed(t, "1.0")
		if err := os.Rename(filepath.Join(b.dir, "irrigation/main"), filepath.Join(b.dir, "irrigation/next")); err != nil {
			t.Fatal(err)
		}
		b.moult(0, "status")
		b.wantMain(map[string]string{".version": "1.0", "app.py": "1.0"})
	})

	t.Run("what the application wrote inside main is not erased", func(t *testing.T) {
		b := installed(t, "1.0")
		own := map[string]string{"secrets.py": "key", "data/2026/log.csv": "1,2", "settings.py": "mine"}
		for name, content := range own {
			writeFile(t, filepath.Join(b.dir, "irrigation/main", name), content)
		}
		b.publish(tagged("1.1", map[string]string{"app.py": "1.1", "settings.py": "default"}))
		b.moult(0, "update")
		own[".version"], own["app.py"] = "1.1", "1.1"
		b.wantMain(own)
	})

	t.Run("memory does not grow with a file", func(t *testing.T) {
		const size = 200 << 20
		b := newBench(t, false, tagged("1", map[string]string{"large.bin": strings.Repeat("moult", size/5)}))
		if peak := peakMemory(t, "update", "--root", b.dir); peak > 64<<20 {
			t.Errorf("peak memory: got %d MB for a file of %d MB, want at most 64", peak>>20, size>>20)
		}
		if got := len(b.main()["large.bin"]); got != size {
			t.Errorf("got %d bytes installed, want %d", got, size)
		}
	})

	t.Run("a certificate that nobody vouches for is refused, and gets no token", func(t *testing.T) {
		b := newBench(t, true, app("1.0"))
		b.configure(`"github": {"api": "` + b.forge.URL + `/api/v3", "token": "secret-token"}`)
		contains(t, b.moult(1, "update"), "certificate", "hint:")
		if b.main() != nil {
			t.Errorf("main: got %v, want nothing", b.main())
		}
		if asked := b.forge.Requests(); len(asked) != 0 {
			t.Errorf("got %d requests, want none: %v", len(asked), asked)
		}
	})

	t.Run("no password or token is printed", func(t *testing.T) {
		b := newBench(t, false, app("1.0"))
		b.repo.Token = "secret-token"
		b.publish()
		b.configure(`"wifi": [{"ssid": "Garden", "password": "wifi-password"}], "mqtt": {"url": "mqtt://user:mqtt-password@broker:1883"},
			"github": {"api": "` + b.forge.URL + `/api/v3", "token": "secret-token"}`)
		output := b.moult(0, "update") + b.moult(0, "update", "--json") + b.moult(0, "status") + b.moult(0, "status", "--json") +
			b.moult(0, "history", "--json") + b.moult(0, "config", "check") + b.moult(0, "config", "check", "--json")
		b.forge.Break(nil, -1, sourcetest.Status(401))
		output += b.moult(1, "update") + b.moult(1, "update", "--json", "--reinstall")
		for _, file := range readTree(t, filepath.Join(b.dir, ".moult")) {
			output += file
		}
		for _, secret := range []string{"secret-token", "wifi-password", "mqtt-password"} {
			if strings.Contains(output, secret) {
				t.Errorf("got %q printed or stored: %s", secret, output)
			}
		}
	})

	t.Run("nothing is written or restarted when nothing is new", func(t *testing.T) {
		b := installed(t, "1.0")
		before := snapshot(t, b.dir)
		contains(t, b.moult(0, "update"), "nothing new")
		if after := snapshot(t, b.dir); !maps.Equal(before, after) {
			t.Errorf("got %v, want %v", after, before)
		}
	})

	t.Run("a token goes to the API and nowhere else", func(t *testing.T) {
		b := newBench(t, false, app("1.0"))
		b.repo.Token = "secret-token"
		b.publish()
		contains(t, b.moult(1, "update"), "hint:")
		b.configure(`"github": {"api": "` + b.forge.URL + `/api/v3", "token": "secret-token"}`)
		b.forge.Reset()
		b.moult(0, "update")
		shown := 0
		for _, r := range b.forge.Requests() {
			if r.Header.Get("Authorization") == "" {
				continue
			}
			shown++
			if "http://"+r.Host != b.forge.URL || !strings.HasPrefix(r.URI, "/api/v3/") {
				t.Errorf("the token went to %s%s", r.Host, r.URI)
			}
		}
		if shown == 0 {
			t.Error("the token was never shown")
		}
	})
}

// snapshot describes every file and folder of a device, but for the name of who last had a lock.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Base(name) == "lock" || filepath.Base(filepath.Dir(name)) == "locks" {
			return err
		}
		info, err := d.Info()
		if err == nil {
			found[name] = fmt.Sprint(info.Mode(), info.Size(), info.ModTime().UnixNano(), info.Sys().(*syscall.Stat_t).Ino)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
