// Package micropython_test runs the MicroPython package of this folder in the real interpreter, with 64-bit and with
// 32-bit words, against the same forge and broker as the Linux device.
package micropython_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"moult/release"
	"moult/source/sourcetest"
)

// words are the interpreters, by the size of their words.
var words = []string{"64", "32"}

// eachWord runs a test in both interpreters.
func eachWord(t *testing.T, test func(t *testing.T, word string)) {
	for _, word := range words {
		t.Run(word+"-bit", func(t *testing.T) { test(t, word) })
	}
}

// patience is a safety net: nothing waits for it where all is well.
const patience = 2 * time.Minute

// board is a board: a folder that is its flash, and what was asked of its stand-ins.
type board struct {
	t     testing.TB
	word  string
	dir   string // its root
	calls string // file of what was asked of the stand-ins
	path  string // where the package is, beside the flash; "" for on it
	stand string // where the stand-ins are; "" for their sources
	heap  string // as -X heapsize takes it; "" for the interpreter's
	cause string // of the reset; "" for power-on
	world map[string]any
}

// newBoard returns an empty board that has the package beside its flash, as one does where it is frozen into the firmware: with
// 32-bit words as the .mpy files that 'make micropython' makes, with their short names.
func newBoard(t testing.TB, word string) *board {
	b := &board{t: t, word: word, dir: t.TempDir(), calls: filepath.Join(t.TempDir(), "calls"), path: abs(t, "lib"), world: map[string]any{}}
	if word == "32" {
		b.path = compiled(t, "lib")
	}
	return b
}

// readable has the board run the package's sources, for a test that reaches into it: in .mpy files its own names are others.
func (b *board) readable() *board {
	b.t.Helper()
	b.path = abs(b.t, "lib")
	return b
}

func abs(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.Abs(name)
	must(t, err)
	return path
}

// interpreter returns the real MicroPython.
func interpreter(t testing.TB, word string) string {
	t.Helper()
	program := abs(t, "../bin/micropython/micropython"+word)
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%s-bit MicroPython is not installed: make deps", word)
	}
	return program
}

// command returns one that runs the interpreter on the board.
func (b *board) command(ctx context.Context, args ...string) *exec.Cmd {
	b.t.Helper()
	if b.heap != "" {
		args = append([]string{"-X", "heapsize=" + b.heap}, args...)
	}
	cmd := exec.CommandContext(ctx, interpreter(b.t, b.word), args...)
	cmd.Dir = b.dir
	world, err := json.Marshal(b.world)
	must(b.t, err)
	path := cmp.Or(b.stand, abs(b.t, "tests/standins")) + ":.frozen" // asyncio is frozen
	if b.path != "" {
		path += ":" + b.path
	}
	cmd.Env = append(os.Environ(), "MICROPYPATH="+path, "BOARD="+string(world), "BOARD_CALLS="+b.calls, "BOARD_CAUSE="+b.cause)
	return cmd
}

// How a start of a board ends.
const (
	atPrompt = 0
	wasReset = 3
	asleep   = 4
	crashed  = 5
	hung     = -1 // killed, as by a watchdog
)

// start starts the board once, and returns how it ended and what it printed.
func (b *board) start() (end int, output string) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	return b.run(ctx, abs(b.t, "tests/board.py"))
}

func (b *board) run(ctx context.Context, args ...string) (end int, output string) {
	b.t.Helper()
	var out bytes.Buffer
	cmd := b.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// boot starts the board until it is not reset any more, and returns how it ended and what it printed.
func (b *board) boot() (end int, output string) {
	b.t.Helper()
	for range 12 {
		e, out := b.start()
		output += out
		if e != wasReset {
			return e, output
		}
		b.cause = "5" // a soft one
	}
	b.t.Fatalf("the board is reset for ever:\n%s", output)
	return 0, ""
}

// eval runs a script on the board, which must end well, and returns what it printed.
func (b *board) eval(script string) string {
	b.t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	end, out := b.run(ctx, "-c", script)
	if end != 0 {
		b.t.Fatalf("status %d:\n%s", end, out)
	}
	return strings.TrimSpace(out)
}

// asked returns what was asked of the stand-ins since the last time, a line each.
func (b *board) asked(keys ...string) (calls []string) {
	b.t.Helper()
	data, err := os.ReadFile(b.calls)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.t.Fatal(err)
	}
	os.Remove(b.calls)
	for line := range strings.Lines(string(data)) {
		var call map[string]any
		must(b.t, json.Unmarshal([]byte(line), &call))
		for _, key := range keys {
			if value, there := call[key]; there {
				delete(call, key)
				text := fmt.Sprint(key, " ", value)
				for _, more := range slices.Sorted(maps.Keys(call)) {
					text += fmt.Sprint(" ", more, " ", call[more])
				}
				calls = append(calls, text)
			}
		}
	}
	return calls
}

func (b *board) write(name, content string) {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	must(b.t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(b.t, os.WriteFile(path, []byte(content), 0o644))
}

// tree returns the files below a folder of the board, without manifests.
func (b *board) tree(dir string) map[string]string {
	b.t.Helper()
	files := map[string]string{}
	root := filepath.Join(b.dir, dir)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() || d.Name() == ".manifest" {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(root, path)
		files[filepath.ToSlash(name)] = string(data)
		return err
	})
	must(b.t, err)
	return files
}

// everything returns all files of the board by their paths.
func (b *board) everything() map[string]string {
	b.t.Helper()
	files := map[string]string{}
	must(b.t, filepath.WalkDir(b.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(b.dir, path)
		files[filepath.ToSlash(name)] = string(data)
		return err
	}))
	return files
}

func (b *board) wantTree(dir string, want map[string]string) {
	b.t.Helper()
	if got := b.tree(dir); !maps.Equal(got, want) {
		b.t.Errorf("%s: got %q, want %q", dir, got, want)
	}
}

// event is one of the history.
type event struct {
	ID, Event, Module, Version, From, Text, Reason string
	Seq                                            int
}

// history returns the events that the board wrote down.
func (b *board) history() (events []event) {
	b.t.Helper()
	data, err := os.ReadFile(filepath.Join(b.dir, ".moult/history.jsonl"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		var e event
		must(b.t, json.Unmarshal([]byte(line), &e))
		events = append(events, e)
	}
	return events
}

// wantHistory compares the events' kinds with their modules.
func (b *board) wantHistory(want ...string) {
	b.t.Helper()
	got := []string{}
	for _, e := range b.history() {
		got = append(got, e.Event+" "+e.Module+" "+e.Version)
	}
	if !slices.Equal(got, want) {
		b.t.Errorf("history: got %q, want %q", got, want)
	}
}

// installPackage puts the package onto the board's flash, below dir.
func (b *board) installPackage(dir string) {
	b.t.Helper()
	for name, content := range packageFiles(b.t) {
		b.write(filepath.Join(dir, name), content)
	}
}

// recovery are the files that stand beside boot.py, outside of the slots.
var recovery = []string{"moult_alarm.py", "moult_boot.py", "moult_journal.py", "moult_slots.py"}

// installRecovery puts what recovers the board beside its boot.py.
func (b *board) installRecovery() {
	b.t.Helper()
	for _, name := range recovery {
		b.write(name, packageFiles(b.t)[name])
	}
}

// packageFiles returns the package's files by their paths.
func packageFiles(t testing.TB) map[string]string {
	t.Helper()
	files := map[string]string{}
	must(t, filepath.WalkDir("lib", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".py") {
			return err
		}
		data, err := os.ReadFile(path)
		files[strings.TrimPrefix(filepath.ToSlash(path), "lib/")] = string(data)
		return err
	}))
	if len(files) < 10 {
		t.Fatalf("got %d files in lib, want the package", len(files))
	}
	return files
}

// tagged returns a release whose files stand below main, or below dir.
func tagged(tag, dir string, files map[string]string) sourcetest.Release {
	r := sourcetest.Release{Tag: tag, Files: sourcetest.Tree{"README.md": {Content: "not installed"}}}
	for name, content := range files {
		r.Files[dir+"/"+name] = sourcetest.File{Content: content}
	}
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// manifestOf returns a release's manifest, as a device writes it.
func manifestOf(module, version string, files map[string]string) string {
	m := release.Manifest{Module: module, Version: release.MustVersion(version)}
	for name, content := range files {
		sum := sha256.Sum256([]byte(content))
		m.Files = append(m.Files, release.Entry{Path: name, Length: int64(len(content)), SHA256: hex.EncodeToString(sum[:])})
	}
	data, err := m.Encode()
	if err != nil {
		panic(err) // the test's own files
	}
	return string(data)
}
