// Package journal keeps a device's memory in .moult/: the state of each module, the history, and the lock
// that keeps two runs apart.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"moult/disk"
	"moult/update"
)

// Dir is where all of it lies, below the device's root.
const Dir = ".moult"

// maxState bounds a state that is read, in bytes; release.MaxMemo is the most of it.
const maxState = 1 << 20

// Journal is a device's, on its disk.
type Journal struct{ disk disk.Disk }

var _ update.Journal = (*Journal)(nil)

// New returns the journal of the device on d. It writes nothing yet.
func New(d disk.Disk) *Journal { return &Journal{d} }

// states is where each module's state lies, as <module>.json.
const states = Dir + "/state"

func stateFile(module string) string { return path.Join(states, module+".json") }

// Modules lists the modules that have a state, sorted.
func (j *Journal) Modules() ([]string, error) {
	entries, err := j.disk.ReadDir(states)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var modules []string
	for _, e := range entries {
		if name, isState := strings.CutSuffix(e.Name(), ".json"); isState && !strings.HasPrefix(name, ".") {
			modules = append(modules, name)
		}
	}
	return modules, err
}

// Load returns the state of a module. A state that cannot be read, as a worn disk may leave it, is put aside
// as <module>.json.bad and the zero State returned: from that, too, Recover brings a module into order.
func (j *Journal) Load(module string) (update.State, error) {
	data, err := disk.ReadFile(j.disk, stateFile(module), maxState)
	if errors.Is(err, fs.ErrNotExist) {
		return update.State{}, nil
	}
	if err != nil {
		return update.State{}, err
	}
	var s update.State
	if json.Unmarshal(data, &s) != nil {
		return update.State{}, j.disk.Rename(stateFile(module), stateFile(module)+".bad")
	}
	return s, nil
}

// Save makes a state durable, wholly or not at all.
func (j *Journal) Save(module string, s update.State) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := disk.MkdirAll(j.disk, states, 0o755); err != nil {
		return err
	}
	return j.withRoom(func() error {
		return disk.WriteFile(j.disk, stateFile(module), append(data, '\n'), 0o600)
	})
}

// The ballast takes room while there is some, for the day when a program has filled the disk: then it is given up, so that
// the way back to the version before can still be written down.
const (
	ballastFile = Dir + "/ballast"
	ballastSize = 64 << 10
)

// withRoom does a small write, on a full disk too. The ballast is laid in again once there is room.
func (j *Journal) withRoom(write func() error) error {
	err := write()
	if errors.Is(err, syscall.ENOSPC) && disk.Remove(j.disk, ballastFile) == nil {
		return write()
	}
	if err != nil {
		return err
	}
	if there, err := disk.Exists(j.disk, ballastFile); err != nil || there {
		return err
	}
	if free, err := j.disk.Free(); err != nil || free < 16*ballastSize {
		return err
	}
	err = disk.WriteNew(j.disk, ballastFile, make([]byte, ballastSize), 0o600)
	if errors.Is(err, syscall.ENOSPC) {
		err = disk.Remove(j.disk, ballastFile)
	}
	return err
}

// The history is one JSON object a line. When it has grown to maxHistory bytes it becomes the older half,
// and the older half before it goes.
const (
	historyFile = Dir + "/history.jsonl"
	olderFile   = Dir + "/history-1.jsonl"
	maxHistory  = 256 << 10
)

// Record adds an event to the history and makes it durable. One whose id is the last's is the same event, told again.
func (j *Journal) Record(e update.Event) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if err := disk.MkdirAll(j.disk, Dir, 0o755); err != nil {
		return err
	}
	before, err := j.read(historyFile)
	if err != nil {
		return err
	}
	if len(before) > maxHistory {
		if err := j.disk.Rename(historyFile, olderFile); err != nil {
			return err
		}
		before = nil
	}
	if known, _ := parse(before); len(known) > 0 && known[len(known)-1].ID == e.ID {
		return nil
	}
	if len(before) > 0 && before[len(before)-1] != '\n' {
		line = append([]byte("\n"), line...) // the last line was cut: it stays alone, and is passed over
	}
	f, err := j.disk.Append(historyFile, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	if err := disk.Finish(f, err); err != nil {
		return err
	}
	return j.disk.SyncDir(Dir)
}

// History returns the last n events of a module, or of all where module is "", the oldest first.
// Lines that a cut left half are passed over; their count is returned.
func (j *Journal) History(module string, n int) (events []update.Event, damaged int, err error) {
	seen := map[string]bool{}
	for _, name := range []string{olderFile, historyFile} {
		data, err := j.read(name)
		if err != nil {
			return nil, 0, err
		}
		part, bad := parse(data)
		damaged += bad
		for _, e := range part {
			if seen[e.ID] || module != "" && e.Module != module {
				continue
			}
			seen[e.ID] = true
			events = append(events, e)
		}
	}
	return events[max(0, len(events)-n):], damaged, nil
}

func (j *Journal) read(name string) ([]byte, error) {
	data, err := disk.ReadFile(j.disk, name, 2*maxHistory)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	return data, nil
}

func parse(data []byte) (events []update.Event, damaged int) {
	for line := range bytes.Lines(data) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var e update.Event
		if json.Unmarshal(line, &e) != nil || e.ID == "" {
			damaged++
			continue
		}
		events = append(events, e)
	}
	return events, damaged
}
