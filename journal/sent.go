package journal

import (
	"encoding/json"
	"errors"
	"io/fs"
	"strconv"
	"strings"

	"moult/disk"
)

// The history is the box of what is still to be sent, too: nothing is stored twice, only how far it was sent.
const (
	sentFile      = Dir + "/sent"
	announcedFile = Dir + "/announced"
	maxAnnounced  = 256 << 10 // bytes; a topic is about 60
)

// Sent returns the number of the last event that was delivered, 0 for none. What cannot be read is none:
// then events are delivered again, under the same ids.
func (j *Journal) Sent() (uint64, error) {
	data, err := disk.ReadFile(j.disk, sentFile, 64)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	seq, err := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 64)
	if err != nil {
		return 0, nil
	}
	return seq, nil
}

// SetSent makes durable that all events up to seq were delivered.
func (j *Journal) SetSent(seq uint64) error {
	if err := disk.MkdirAll(j.disk, Dir, 0o755); err != nil {
		return err
	}
	return disk.WriteFile(j.disk, sentFile, []byte(strconv.FormatUint(seq, 10)+"\n"), 0o644)
}

// Announced returns the names under which the device made itself known elsewhere, to be withdrawn there some day.
// What cannot be read is none.
func (j *Journal) Announced() ([]string, error) {
	data, err := disk.ReadFile(j.disk, announcedFile, maxAnnounced)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	if json.Unmarshal(data, &names) != nil {
		return nil, nil
	}
	return names, nil
}

// SetAnnounced remembers the names durably.
func (j *Journal) SetAnnounced(names []string) error {
	data, err := json.Marshal(names)
	if err != nil {
		return err
	}
	if err := disk.MkdirAll(j.disk, Dir, 0o755); err != nil {
		return err
	}
	return disk.WriteFile(j.disk, announcedFile, append(data, '\n'), 0o644)
}
