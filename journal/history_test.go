package journal_test

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"moult/disk"
	"moult/disk/disktest"
	"moult/journal"
	"moult/update"
)

const (
	historyFile = journal.Dir + "/history.jsonl"
	olderFile   = journal.Dir + "/history-1.jsonl"
	sentFile    = journal.Dir + "/sent"
)

func event(id string) update.Event {
	return update.Event{ID: id, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Kind: update.Updated, Module: "irrigation", Text: "text of " + id}
}

// large is an event of which a dozen fill a file of the history.
func large(id string) update.Event {
	e := event(id)
	e.Reason = strings.Repeat("x", 30<<10)
	return e
}

func numbered(from, to int) (ids []string) {
	for i := from; i <= to; i++ {
		ids = append(ids, fmt.Sprint("e", i))
	}
	return ids
}

func TestSince(t *testing.T) {
	tests := []struct {
		name    string
		history string   // what stands in the file before
		sent    string   // what stands in .moult/sent
		record  []string // ids
		seq     uint64
		limit   int
		want    string // seq and id of each
		dropped uint64
	}{
		{name: "none"},
		{name: "all", record: numbered(1, 3), limit: 10, want: "1 e1, 2 e2, 3 e3"},
		{name: "after one", record: numbered(1, 3), seq: 1, limit: 10, want: "2 e2, 3 e3"},
		{name: "a few at a time", record: numbered(1, 5), seq: 1, limit: 2, want: "2 e2, 3 e3"},
		{name: "after the last", record: numbered(1, 3), seq: 3, limit: 10},
		{name: "after what was never", record: numbered(1, 3), seq: 9, limit: 10},
		{name: "the same told twice in a row", record: []string{"a", "a", "b"}, limit: 10, want: "1 a, 2 b"},
		{name: "the same told again later", record: []string{"a", "b", "a", "c"}, limit: 10, want: "1 a, 2 b, 3 c"},
		{name: "half a line", history: `{"id":"a","seq":1}` + "\n" + `{"id":"b","se`, record: []string{"b"}, limit: 10, want: "1 a, 2 b"},
		{name: "a whole line without its end", history: `{"id":"a","seq":1}` + "\n" + `{"id":"b","seq":2}`, record: []string{"b", "c"}, limit: 10, want: "1 a, 2 b, 3 c"},
		{name: "from before there were numbers", history: `{"id":"a"}` + "\n" + `{"id":"b"}` + "\n", record: []string{"c"}, limit: 10, want: "1 c"},
		{name: "first ones lost", history: `{"id":"d","seq":4}` + "\n", record: []string{"e"}, seq: 1, limit: 10, want: "4 d, 5 e", dropped: 2},
		{name: "lost in the middle", history: `{"id":"a","seq":1}` + "\nworn out\n" + `{"id":"c","seq":3}` + "\n", limit: 10, want: "1 a"},
		{name: "and then", history: `{"id":"a","seq":1}` + "\nworn out\n" + `{"id":"c","seq":3}` + "\n", seq: 1, limit: 10, want: "3 c", dropped: 1},
		{name: "the history gone, what was sent known", sent: "500\n", record: []string{"a"}, seq: 500, limit: 10, want: "501 a"},
		{name: "what was sent worn out", sent: "5x", record: []string{"a"}, limit: 10, want: "1 a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := disktest.New()
			must(t, d.Mkdir(journal.Dir, 0o755))
			must(t, disk.WriteFile(d, historyFile, []byte(test.history), 0o644))
			if test.sent != "" {
				must(t, disk.WriteFile(d, sentFile, []byte(test.sent), 0o644))
			}
			j := journal.New(d)
			for _, id := range test.record {
				must(t, j.Record(event(id)))
			}
			events, dropped, err := journal.New(d).Since(test.seq, test.limit)
			must(t, err)
			for _, id := range test.record {
				if n := strings.Count(read(t, d, historyFile), `{"id":"`+id+`","seq"`); n > 1 {
					t.Errorf("%s is written %d times, want once", id, n)
				}
			}
			if got := list(events); got != test.want || dropped != test.dropped {
				t.Errorf("got %q and %d lost, want %q and %d", got, dropped, test.want, test.dropped)
			}
		})
	}
}

// TestRotation records until the older half has gone several times: numbers go on, and what is lost is counted.
func TestRotation(t *testing.T) {
	d := disktest.New()
	j := journal.New(d)
	const n = 50
	for _, id := range numbered(1, n) {
		must(t, j.Record(large(id)))
	}
	events, dropped, err := j.Since(0, n)
	must(t, err)
	if len(events) < 9 || dropped == 0 || dropped+uint64(len(events)) != n || events[0].Seq != dropped+1 || events[len(events)-1].Seq != n {
		t.Errorf("got %d events and %d lost: %s; want the last ones, %d together", len(events), dropped, list(events), n)
	}
	shown, damaged, err := j.History("", n)
	must(t, err)
	if list(shown) != list(events) || damaged != 0 {
		t.Errorf("history: got %s, %d damaged; want what Since has", list(shown), damaged)
	}
}

// turning is a disk on which another process turns the history over while this one reads it.
type turning struct {
	*disktest.Disk
	turn func()
}

func (d *turning) Open(name string) (io.ReadCloser, error) {
	if turn := d.turn; turn != nil && name == historyFile {
		d.turn = nil
		turn()
	}
	return d.Disk.Open(name)
}

func TestReadWhileTurnedOver(t *testing.T) {
	d := disktest.New()
	for _, id := range numbered(1, 9) { // more than a file holds
		must(t, journal.New(d).Record(large(id)))
	}
	reader := &turning{d, func() { must(t, journal.New(d).Record(event("e10"))) }}
	events, dropped, err := journal.New(reader).Since(0, 100)
	must(t, err)
	if ok, _ := disk.Exists(d, olderFile); !ok {
		t.Fatal("the history was not turned over")
	}
	if want := strings.Join(pairs(numbered(1, 10)), ", "); list(events) != want || dropped != 0 {
		t.Errorf("got %s and %d lost, want %s", list(events), dropped, want)
	}
}

func TestAnnounced(t *testing.T) {
	d := disktest.New()
	for _, want := range [][]string{nil, {"a/b", "c"}, {}} {
		if want != nil {
			must(t, journal.New(d).SetAnnounced(want))
		}
		got, err := journal.New(d).Announced()
		must(t, err)
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	must(t, disk.WriteFile(d, journal.Dir+"/announced", []byte(`["a`), 0o644))
	if got, err := journal.New(d).Announced(); err != nil || got != nil {
		t.Errorf("worn out: got %q, %v; want none", got, err)
	}
}

// TestPowerCut lets the power go before every operation that records events and what was sent, and loses in every way
// what was not synced. What was recorded is there, once, no two events have one number, and it goes on.
func TestPowerCut(t *testing.T) {
	starts := map[string]func(j *journal.Journal){
		"new": func(*journal.Journal) {},
		"short": func(j *journal.Journal) {
			must(t, j.Record(event("s1")))
			must(t, j.SetSent(1))
		},
		"turns over": func(j *journal.Journal) {
			for i := range 9 {
				must(t, j.Record(large(fmt.Sprint("s", i))))
			}
			must(t, j.SetSent(2))
		},
		"turns over again": func(j *journal.Journal) {
			for i := range 18 {
				must(t, j.Record(large(fmt.Sprint("s", i))))
			}
		},
	}
	for name, start := range starts {
		t.Run(name, func(t *testing.T) {
			fresh := disktest.New()
			start(journal.New(fresh))
			before := read(t, fresh, historyFile) // what stands in the older file may go
			first, err := journal.New(fresh).Sent()
			must(t, err)

			work := func(d *disktest.Disk) (recorded []string, sent uint64, err error) {
				j := journal.New(d)
				sent = first
				for i := range 3 {
					id := fmt.Sprint("new", i)
					if err := j.Record(event(id)); err != nil {
						return recorded, sent, err
					}
					recorded = append(recorded, id)
				}
				if err := j.SetSent(first + 1); err != nil {
					return recorded, sent, err
				}
				return recorded, first + 1, nil
			}
			whole := fresh.Copy()
			_, _, err = work(whole)
			must(t, err)
			cuts := 0
			for n := range whole.Ops() {
				d := fresh.Copy()
				d.CutBefore(n)
				recorded, sent, err := work(d)
				if !errors.Is(err, disktest.ErrPowerCut) {
					t.Fatalf("cut before operation %d, %s: got %v, want the power cut", n, whole.Trace()[n], err)
				}
				for _, loss := range disktest.Losses {
					for seed := range uint64(3) {
						cuts++
						after := d.Crash(loss, seed)
						where := fmt.Sprintf("cut before operation %d (%s), %s %d", n, whole.Trace()[n], loss, seed)
						assertNone(t, where, after, before, recorded)
						if got, err := journal.New(after).Sent(); err != nil || got != sent && got != first+1 {
							t.Errorf("%s: sent: got %d, %v; want %d", where, got, err, sent)
						}
						// The next start records again what was cut, under the same ids.
						_, _, err := work(after)
						must(t, err)
						assertNone(t, where+", then done again", after, before, []string{"new0", "new1", "new2"})
						if t.Failed() {
							t.FailNow()
						}
					}
				}
			}
			t.Logf("%d cuts", cuts)
		})
	}
}

// assertNone asserts that none of the events is lost, and that none is there twice, nor any number.
func assertNone(t *testing.T, where string, d *disktest.Disk, before string, recorded []string) {
	t.Helper()
	events, _, err := journal.New(d).History("", 1000)
	must(t, err)
	ids, seqs := map[string]int{}, map[uint64]string{}
	last := uint64(0)
	for _, e := range events {
		ids[e.ID]++
		if other := seqs[e.Seq]; other != "" || e.Seq <= last {
			t.Errorf("%s: %s has the number %d after %d (%s)", where, e.ID, e.Seq, last, other)
		}
		seqs[e.Seq], last = e.ID, e.Seq
	}
	for line := range strings.Lines(before) {
		id, _, _ := strings.Cut(strings.TrimPrefix(line, `{"id":"`), `"`)
		recorded = append(recorded, id)
	}
	for _, id := range recorded {
		if ids[id] != 1 {
			t.Errorf("%s: %s is there %d times, want once", where, id, ids[id])
		}
	}
}

func list(events []update.Event) string {
	var all []string
	for _, e := range events {
		all = append(all, fmt.Sprintf("%d %s", e.Seq, e.ID))
	}
	return strings.Join(all, ", ")
}

func pairs(ids []string) (all []string) {
	for i, id := range ids {
		all = append(all, fmt.Sprintf("%d %s", i+1, id))
	}
	return all
}

func read(t *testing.T, d disk.Reader, name string) string {
	t.Helper()
	if ok, err := disk.Exists(d, path.Clean(name)); err != nil || !ok {
		return ""
	}
	data, err := disk.ReadFile(d, name, 1<<20)
	must(t, err)
	return string(data)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
