package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"moult/disk"
	repo "moult/repository" // beside the forge's repository of these tests
)

// TestPublisherKilled kills the program before every file operation of publishing a release and of rotating the online key. What a web
// server shows then is the repository of before or after, whole; and the same command, given again, ends well.
func TestPublisherKilled(t *testing.T) {
	every := killEvery(t)
	for _, test := range []struct {
		name   string
		inject []string
		args   []string
	}{
		{"add", nil, []string{"repo", "add", "irrigation", "new", "--version", "1.1"}},
		{"add without exchange", []string{"-e", "inject=renameat2:error=ENOSYS"}, []string{"repo", "add", "irrigation", "new", "--version", "1.1"}},
		{"rotate", nil, []string{"repo", "rotate", "--role", "online", "--add", "more/online2.pem", "--threshold", "1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			base := t.TempDir()
			writeFile(t, filepath.Join(base, "old/app.py"), "old")
			writeFile(t, filepath.Join(base, "old/lib/a.py"), "a")
			writeFile(t, filepath.Join(base, "new/app.py"), "new")
			writeFile(t, filepath.Join(base, "new/lib/a.py"), "a")
			writeFile(t, filepath.Join(base, "new/lib/b.py"), "b")
			updates := filepath.Join(base, "updates")
			run(t, "moult", "repo", "init", updates, "--type", "ed25519")
			run(t, "moult", "repo", "add", "irrigation", filepath.Join(base, "old"), "--version", "1.0", "-C", updates)
			run(t, "moult", "key", "make", filepath.Join(base, "online2.pem"), "--type", "ed25519")
			at := func(dir string) []string {
				args := slices.Clone(test.args)
				for i, arg := range args {
					if arg == "new" {
						args[i] = filepath.Join(base, "new")
					}
					args[i] = strings.Replace(args[i], "more/", base+"/", 1)
				}
				return append(args, "-C", dir, "--key", filepath.Join(base, "online2.pem"))
			}
			kills, found := 0, map[string]int{}
			for _, operation := range fileOperations {
				if len(test.inject) > 0 && operation == "renameat2" {
					continue // it is the call that is missing
				}
				for n := 1; ; n += every {
					dir := filepath.Join(t.TempDir(), "updates")
					run(t, "cp", "-a", updates, dir)
					run(t, "cp", "-a", updates+"-keys", dir+"-keys") // the root that is trusted stands there, too
					where := fmt.Sprintf("killed before %s %d", operation, n)
					killed := moultUnder(t, append(slices.Clone(test.inject), "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", operation, n)), at(dir)...)
					found[publishedWhole(t, where, dir, true)]++
					moultUnder(t, test.inject, at(dir)...)
					if got := publishedWhole(t, where+", then given again", dir, false); got != "1.1 root 1" && got != "1.0 root 2" {
						t.Errorf("%s, then given again: got %s", where, got)
					}
					os.RemoveAll(filepath.Dir(dir))
					if t.Failed() {
						return
					}
					if !killed {
						break
					}
					kills++
				}
			}
			t.Logf("killed %d times; found: %v", kills, found)
			if kills < 100/every || len(found) < 2 {
				t.Errorf("got %d kills that were found as %v: they cannot have covered the command", kills, found)
			}
		})
	}
}

// publishedWhole holds a repository, as it stands on disk, to be whole; after a kill there may be warnings: a command was cut.
func publishedWhole(t *testing.T, where, dir string, warnings bool) (state string) {
	t.Helper()
	d, err := disk.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	v, err := repo.Look(d, time.Now)
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	report, err := v.Verify(t.Context(), nil)
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	for _, f := range report.Findings {
		if !f.Warning || !warnings {
			t.Errorf("%s: verify: %s: %s", where, f.Reason, f.Text)
		}
	}
	status, err := v.Status()
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	return fmt.Sprintf("%s root %d", status.Modules[0].Releases[0].Version, status.Roles[0].Version)
}
