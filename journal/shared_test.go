package journal_test

import (
	"fmt"
	"sync"
	"testing"

	"moult/disk"
	"moult/journal"
)

// TestRecordedByTwoRuns has two runs record at once, each on a module of its own: each event has a number of its own.
func TestRecordedByTwoRuns(t *testing.T) {
	root := t.TempDir()
	const each = 50
	var all sync.WaitGroup
	for run := range 2 {
		d, err := disk.OpenDir(root)
		must(t, err)
		defer d.Close()
		j := journal.Shared(root, d)
		all.Go(func() {
			for i := range each {
				if err := j.Record(event(fmt.Sprintf("run%d-%d", run, i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	d, err := disk.OpenDir(root)
	must(t, err)
	defer d.Close()
	events, dropped, err := journal.New(d).Since(0, 1000)
	must(t, err)
	if len(events) != 2*each || dropped != 0 {
		t.Errorf("got %d events and %d dropped, want %d and none", len(events), dropped, 2*each)
	}
}
