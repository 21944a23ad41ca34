package journal_test

import (
	"errors"
	"os"
	"testing"

	"moult/journal"
)

// TestLooksKeepNoAgentAway looks for an agent, again and again, while one starts: no look may be in its way.
func TestLooksKeepNoAgentAway(t *testing.T) {
	root := t.TempDir()
	runs := func() bool {
		t.Helper()
		runs, err := journal.AgentRuns(root)
		must(t, err)
		return runs
	}
	if runs() {
		t.Error("got an agent on a fresh device")
	}
	if entries, err := os.ReadDir(root); err != nil || len(entries) > 0 {
		t.Errorf("a look left %v %v, want nothing", entries, err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = journal.AgentRuns(root)
			}
		}
	}()
	for range 2000 {
		unlock, err := journal.LockAgent(root)
		if err != nil {
			t.Fatalf("got %v, want it to start", err)
		}
		unlock()
	}
	close(stop)
	<-stopped
	unlock, err := journal.LockAgent(root)
	must(t, err)
	if !runs() {
		t.Error("got no agent, want the one that has the device")
	}
	if _, err := journal.LockAgent(root); !errors.Is(err, journal.ErrBusy) {
		t.Errorf("a second agent: got %v, want %v", err, journal.ErrBusy)
	}
	unlock()
	if runs() {
		t.Error("got an agent, want that it has ended")
	}
}

// TestModulesAreLockedApart lets two runs work on two modules, and not on one.
func TestModulesAreLockedApart(t *testing.T) {
	root := t.TempDir()
	unlock, err := journal.LockModule(root, "irrigation")
	must(t, err)
	if _, err := journal.LockModule(root, "irrigation"); !errors.Is(err, journal.ErrBusy) {
		t.Errorf("the same module: got %v, want %v", err, journal.ErrBusy)
	}
	other, err := journal.LockModule(root, "other")
	must(t, err)
	other()
	unlock()
	again, err := journal.LockModule(root, "irrigation")
	must(t, err)
	again()
}
