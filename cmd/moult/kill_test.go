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
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// fileOperations are the system calls by which the program changes the disk; each run is killed before one call of one of them.
var fileOperations = []string{
	"openat", "write", "fsync", "mkdirat", "unlinkat", "renameat", "renameat2", "linkat", "symlinkat", "fchmod", "fchmodat", "fchownat", "ftruncate",
}

// TestKilledBeforeEveryFileOperation updates a device of two modules on the real file system, kills the program (SIGKILL) before
// every file operation that it makes, and starts it again: the old or the new versions are whole, nothing of the person's is lost.
// MOULT_KILL_EVERY=n kills before every n-th only.
func TestKilledBeforeEveryFileOperation(t *testing.T) {
	every := killEvery(t)
	for name, inject := range map[string][]string{
		"with exchange":    nil,
		"without exchange": {"-e", "inject=renameat2:error=ENOSYS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKiller(t, inject)
			kills := 0
			for _, operation := range fileOperations {
				if len(inject) > 0 && operation == "renameat2" {
					continue // it is the call that is missing
				}
				for n := 1; ; n += every {
					if !k.killAt(operation, n) {
						break
					}
					kills++
					if t.Failed() {
						return
					}
				}
			}
			t.Logf("killed %d times; found after the restart: %v", kills, k.found)
			if kills < 100/every || len(k.found) < 3 {
				t.Errorf("got %d kills that were found as %v: they cannot have covered the update", kills, k.found)
			}
		})
	}
}

// killEvery says before which operations a loop kills: each, or each n-th.
func killEvery(t *testing.T) int {
	t.Helper()
	if testing.Short() {
		t.Skip("a long loop: some hundred runs under strace")
	}
	if _, err := exec.LookPath("strace"); err != nil {
		t.Fatal("strace is missing: apt-get install strace, or make deps")
	}
	every := 1
	if s := os.Getenv("MOULT_KILL_EVERY"); s != "" {
		var err error
		if every, err = strconv.Atoi(s); err != nil || every < 1 {
			t.Fatalf("MOULT_KILL_EVERY: got %q, want a number from 1", s)
		}
	}
	return every
}

// killer runs updates of one device, again and again from the same start.
type killer struct {
	t      *testing.T
	inject []string
	fresh  string // the device that runs the old releases
	found  map[string]int
	want   map[string]map[string]string // module and version to the files of main
}

func newKiller(t *testing.T, inject []string) *killer {
	k := &killer{t: t, inject: inject, fresh: filepath.Join(t.TempDir(), "device"), found: map[string]int{}, want: map[string]map[string]string{}}
	repositories := t.TempDir()
	old := map[string]map[string]string{
		"irrigation": {"app.py": "old", "gone.py": "gone", "lib/a.py": "a", "settings.py": "default"},
		"updater":    {"ota.py": "old"},
	}
	updated := map[string]map[string]string{
		"irrigation": {"app.py": "new", "lib/a.py": "a", "lib/b/c.py": "c", "settings.py": "default 2"},
		"updater":    {"ota.py": "new"},
	}
	own := map[string]string{"settings.py": "mine", "secrets.py": "key", "data/log.csv": "1,2"}
	var modules []string
	for name := range old {
		dir := filepath.Join(repositories, name)
		commitRelease(t, dir, "1.9.0", old[name])
		k.moult(k.fresh, nil, "update", "--url", dir)
		commitRelease(t, dir, "1.10.0", updated[name])
		modules = append(modules, fmt.Sprintf("%q: {\"url\": %q, \"keep\": [\"settings.py\"]}", name, dir))
		k.want[name+" 1.9.0"], k.want[name+" 1.10.0"] = old[name], updated[name]
	}
	writeFile(t, filepath.Join(k.fresh, "config/moult.json"), `{"modules": {`+strings.Join(modules, ", ")+`}}`)
	for name, content := range own {
		writeFile(t, filepath.Join(k.fresh, "irrigation/main", name), content)
		k.want["irrigation 1.9.0"][name], k.want["irrigation 1.10.0"][name] = content, content
	}
	return k
}

// killAt kills an update before the n-th call of one operation. It reports false where there is no such call.
func (k *killer) killAt(operation string, n int) bool {
	dir := filepath.Join(k.t.TempDir(), "device")
	run(k.t, "cp", "-a", k.fresh, dir)
	defer os.RemoveAll(dir)
	where := fmt.Sprintf("killed before %s %d", operation, n)
	killed := k.moult(dir, append(slices.Clip(k.inject), "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", operation, n)), "update")
	k.moult(dir, k.inject, "status")
	k.found[k.assertWhole(where, dir)]++
	k.moult(dir, k.inject, "update")
	if got := k.assertWhole(where+", then updated", dir); got != "1.10.0 1.10.0" {
		k.t.Errorf("%s, then updated: got %s, want the new versions", where, got)
	}
	return killed
}

// moult runs the program, under strace where it is to inject something, and reports whether it was killed.
func (k *killer) moult(dir string, inject []string, args ...string) (killed bool) {
	k.t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		k.t.Fatal(err)
	}
	return moultUnder(k.t, inject, append(args, "--root", dir)...)
}

// moultUnder runs the program, under strace where it is to inject something, and reports whether it was killed.
func moultUnder(t *testing.T, inject []string, args ...string) (killed bool) {
	t.Helper()
	command := append([]string{"moult"}, args...)
	if len(inject) > 0 {
		command = append(append([]string{"strace", "-f", "-qq", "-o", "/dev/null"}, inject...), command...)
	}
	cmd := exec.Command(command[0], command[1:]...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) { // strace ends as the program did
		if status := exit.Sys().(syscall.WaitStatus); status.Signaled() && status.Signal() == syscall.SIGKILL {
			return true
		}
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, &output)
	}
	return false
}

func (k *killer) assertWhole(where, dir string) (versions string) {
	k.t.Helper()
	var found []string
	for _, module := range []string{"irrigation", "updater"} {
		got := readTree(k.t, filepath.Join(dir, module, "main"))
		version := got[".version"]
		found = append(found, version)
		delete(got, ".version")
		delete(got, ".manifest")
		want, known := k.want[module+" "+version]
		if !known || !maps.Equal(got, want) {
			k.t.Errorf("%s: %s %s: got %v, want %v", where, module, version, got, want)
		}
	}
	return strings.Join(found, " ")
}

// commitRelease makes a directory a git repository whose main/ holds just these files, tagged.
func commitRelease(t *testing.T, dir, tag string, files map[string]string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, ".git")); errors.Is(err, fs.ErrNotExist) {
		run(t, "git", "init", "-q", dir)
	}
	if err := os.RemoveAll(filepath.Join(dir, "main")); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		writeFile(t, filepath.Join(dir, "main", name), content)
	}
	run(t, "git", "-C", dir, "add", "-A")
	run(t, "git", "-C", dir, "-c", "user.name=Maker", "-c", "user.email=maker@example.org", "commit", "-q", "-m", tag)
	run(t, "git", "-C", dir, "tag", tag)
}

func run(t *testing.T, command string, args ...string) {
	t.Helper()
	if out, err := exec.Command(command, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", command, strings.Join(args, " "), err, out)
	}
}

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readTree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		rel, _ := filepath.Rel(dir, name)
		files[filepath.ToSlash(rel)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
