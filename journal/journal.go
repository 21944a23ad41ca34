// Package journal keeps a device's memory in .moult/: the state of each module, the history and how much of it
// was sent, and the locks that keep two runs apart.
package journal

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"strings"
	"sync"

	"moult/disk"
	"moult/update"
)

// Dir is where all of it lies, below the device's root.
const Dir = ".moult"

// maxState bounds a state that is read, in bytes; release.MaxMemo is the most of it.
const maxState = 1 << 20

// Journal is a device's, on its disk.
type Journal struct {
	disk   disk.Disk
	root   string     // of a device that other processes may have as well; "" where there are none
	shared sync.Mutex // held for a write of what all modules share
}

var _ update.Journal = (*Journal)(nil)

// New returns the journal of the device on d, which no other process has. It writes nothing yet.
func New(d disk.Disk) *Journal { return &Journal{disk: d} }

// Shared returns the journal of the device whose directory is root and whose disk is d. Other processes may work on the same device,
// each on modules of its own: see LockModule.
func Shared(root string, d disk.Disk) *Journal { return &Journal{disk: d, root: root} }

// alone does a write of what all modules share, while nobody else does one.
func (j *Journal) alone(write func() error) error {
	j.shared.Lock()
	defer j.shared.Unlock()
	if j.root != "" {
		unlock, err := lockShared(j.root)
		if err != nil {
			return err
		}
		defer unlock()
	}
	return write()
}

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
	if err != nil && !errors.Is(err, disk.ErrTooLarge) {
		return update.State{}, err
	}
	var s update.State
	if err != nil || json.Unmarshal(data, &s) != nil {
		return update.State{}, j.putAside(stateFile(module))
	}
	return s, nil
}

// putAside makes way for a file in the place of one that cannot be read.
func (j *Journal) putAside(name string) error { return j.disk.Rename(name, name+".bad") }

// Save makes a state durable, wholly or not at all.
func (j *Journal) Save(module string, s update.State) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := disk.MkdirAll(j.disk, states, 0o755); err != nil {
		return err
	}
	write := func() error { return disk.WriteFile(j.disk, stateFile(module), append(data, '\n'), 0o644) }
	if s.Step == update.RollingBack {
		return j.withRoom(write)
	}
	if err := write(); err != nil {
		return err
	}
	return j.layBallast()
}
