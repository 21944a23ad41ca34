package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"moult/disk"
	"moult/update"
)

// The history is one JSON object a line. When it has grown to maxHistory bytes it becomes the older half,
// and the older half before it goes.
const (
	historyFile = Dir + "/history.jsonl"
	olderFile   = Dir + "/history-1.jsonl"
	maxHistory  = 256 << 10
)

// Record gives an event its number in the history, and makes it durable. One with an id that the history has
// is the same event, told again.
func (j *Journal) Record(e update.Event) error { return j.alone(func() error { return j.record(e) }) }

func (j *Journal) record(e update.Event) error {
	h, err := j.readHistory()
	if err != nil {
		return err
	}
	last, _ := j.Sent() // a history that was lost must not give numbers that were sent; what cannot be read stops no update
	for _, known := range h.events {
		if known.ID == e.ID {
			return nil
		}
		last = max(last, known.Seq)
	}
	e.Seq = last + 1
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if err := disk.MkdirAll(j.disk, Dir, 0o755); err != nil {
		return err
	}
	if len(h.newer) > maxHistory {
		if err := j.disk.Rename(historyFile, olderFile); err != nil {
			return err
		}
		h.newer = nil
	}
	if len(h.newer) > 0 && h.newer[len(h.newer)-1] != '\n' {
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
	h, err := j.readHistory()
	if err != nil {
		return nil, 0, err
	}
	for _, e := range h.events {
		if module == "" || e.Module == module {
			events = append(events, e)
		}
	}
	return events[max(0, len(events)-n):], h.damaged, nil
}

// Since returns at most limit events that were recorded after the one numbered seq, the oldest first, and how many
// before the first of them are lost, since the history is bounded. There is no gap within what it returns:
// behind a gap it goes on at the next call. Events from before there were numbers are not among them.
func (j *Journal) Since(seq uint64, limit int) (events []update.Event, dropped uint64, err error) {
	h, err := j.readHistory()
	if err != nil {
		return nil, 0, err
	}
	for _, e := range h.events {
		switch {
		case e.Seq <= seq:
			continue
		case len(events) == limit, len(events) > 0 && e.Seq != events[len(events)-1].Seq+1:
			return events, dropped, nil
		case len(events) == 0:
			dropped = e.Seq - seq - 1
		}
		events = append(events, e)
	}
	return events, dropped, nil
}

// history is what both files hold.
type history struct {
	newer   []byte // the newer file, as it stands
	events  []update.Event
	damaged int
}

// readHistory reads both files, each event once. Another process may turn them over in between: then the older one has changed,
// and both are read again.
func (j *Journal) readHistory() (h history, err error) {
	older, err := j.read(olderFile)
	if err != nil {
		return h, err
	}
	for {
		if h.newer, err = j.read(historyFile); err != nil {
			return h, err
		}
		again, err := j.read(olderFile)
		if err != nil {
			return h, err
		}
		if bytes.Equal(older, again) {
			break
		}
		older = again
	}
	seen := map[string]bool{}
	for _, data := range [][]byte{older, h.newer} {
		part, damaged := parse(data)
		h.damaged += damaged
		for _, e := range part {
			if !seen[e.ID] {
				seen[e.ID] = true
				h.events = append(h.events, e)
			}
		}
	}
	return h, nil
}

func (j *Journal) read(name string) ([]byte, error) {
	data, err := disk.ReadFile(j.disk, name, 2*maxHistory)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, disk.ErrTooLarge): // no run of ours wrote it: it must not stand in the way of those to come
		return nil, j.putAside(name)
	case err != nil:
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
