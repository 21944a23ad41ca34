package update_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"moult/disk"
	"moult/disk/disktest"
	"moult/fault"
	"moult/journal"
	"moult/release"
	"moult/update"
)

func TestPlan(t *testing.T) {
	tests := []struct {
		name      string
		installed string // "" for none
		offered   string
		opt       update.Options
		want      update.Action
	}{
		{"a first install", "", "1.0", update.Options{}, update.Install},
		{"a newer one", "1.9", "1.10", update.Options{}, update.Upgrade},
		{"the same", "1.9", "1.9", update.Options{}, update.Nothing},
		{"the same in other words", "v2", "2.0", update.Options{}, update.Nothing},
		{"the source went back", "2.0", "1.9", update.Options{}, update.Nothing},
		{"an older one that was named", "2.0", "1.9", update.Options{To: release.MustVersion("1.9")}, update.Refuse},
		{"an older one on purpose", "2.0", "1.9", update.Options{To: release.MustVersion("1.9"), Downgrade: true}, update.Downgrade},
		{"the source went back and so may we", "2.0", "1.9", update.Options{Downgrade: true}, update.Downgrade},
		{"the same again", "1.9", "1.9", update.Options{Reinstall: true}, update.Reinstall},
		{"a name in place of a version", "1.9", "nightly", update.Options{}, update.Upgrade},
		{"a version in place of a name", "nightly", "1.0", update.Options{}, update.Upgrade},
		{"the same name", "nightly", "nightly", update.Options{}, update.Nothing},
		{"a pre-release of what is installed", "2.0", "2.0-rc1", update.Options{}, update.Nothing},
		{"the release of an installed pre-release", "2.0-rc1", "2.0", update.Options{}, update.Upgrade},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := disktest.New()
			source := newShelf()
			if test.installed != "" {
				source.add(test.installed, tree{"app.py": "installed"})
				must(t, start(d, moduleSpec{name: "m", source: beta{source}}).updateAll())
			}
			source = newShelf(test.offered)
			dev := start(d, moduleSpec{name: "m", source: beta{source}})
			before := files(t, d, "m")
			plan, err := dev.engine.Check(t.Context(), dev.modules[0], test.opt)
			must(t, err)
			if plan.Action != test.want {
				t.Errorf("got %s (%s), want %s", plan.Action, plan.Reason, test.want)
			}
			if got := files(t, d, "m"); len(got) != len(before) {
				t.Errorf("a check changed the module: got %v, want %v", got, before)
			}
			plan, err = dev.engine.Update(t.Context(), dev.modules[0], test.opt)
			must(t, err)
			want := test.installed
			if plan.Changes() {
				want = test.offered
			}
			if got := files(t, d, "m/main")[".version"]; got != want {
				t.Errorf("after the update: got version %q, want %q", got, want)
			}
		})
	}
}

// beta offers pre-releases on every channel.
type beta struct{ *shelf }

func (b beta) Latest(context.Context, release.Query) (release.Answer, error) {
	return release.Answer{Release: b.releases[0]}, nil
}

func TestDownloadThatBreaks(t *testing.T) {
	cut := fault.Transient(errors.New("connection reset"))
	final := errors.New("sha256: got a, want b")
	tests := []struct {
		name    string
		errs    []error
		fetches int
		wantErr error
	}{
		{"once, and passes", []error{cut}, 2, nil},
		{"twice, and passes", []error{cut, cut}, 3, nil},
		{"for good", []error{cut, cut, cut}, 3, cut},
		{"in a way that no further try mends", []error{final}, 1, final},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := disktest.New()
			source := newShelf()
			source.add("1.0", tree{"a.py": "a1", "b.py": "b1"})
			dev := start(d, moduleSpec{name: "m", source: source})
			must(t, dev.updateAll())
			source.add("1.1", tree{"a.py": "a2", "b.py": "b2"})
			source.fetches, source.fetchErr = 0, test.errs
			err := dev.updateAll()
			if !errors.Is(err, test.wantErr) {
				t.Errorf("got %v, want %v", err, test.wantErr)
			}
			if source.fetches != test.fetches {
				t.Errorf("got %d fetches, want %d", source.fetches, test.fetches)
			}
			want := "1.1"
			if test.wantErr != nil {
				want = "1.0"
			}
			if got := files(t, d, "m/main")[".version"]; got != want {
				t.Errorf("got version %s, want %s", got, want)
			}
			if left := files(t, d, "m/next"); len(left) != 0 {
				t.Errorf("next: got %v, want nothing left", left)
			}
		})
	}
}

// TestFailureIsWrittenOnce keeps a network that is down for a week from filling the history and wearing the disk.
func TestFailureIsWrittenOnce(t *testing.T) {
	d := disktest.New()
	source := newShelf("1.0")
	dev := start(d, moduleSpec{name: "m", source: source})
	must(t, dev.updateAll())
	source.err = fault.Transient(errors.New("no route to host"))
	for range 3 {
		if err := dev.updateAll(); !fault.IsTransient(err) || !strings.Contains(err.Error(), "no route to host") {
			t.Fatalf("got %v, want the cause, transient", err)
		}
	}
	wantHistory(t, d, update.Updated, update.Failed)
	ops := d.Ops()
	_ = dev.updateAll()
	if d.Ops() != ops {
		t.Errorf("the same failure again wrote to the disk: %v", d.Trace()[ops:])
	}
	source.err = nil
	must(t, dev.updateAll())
	s, err := journal.New(d).Load("m")
	must(t, err)
	if s.Failure != "" {
		t.Errorf("failure: got %q after a good check, want none", s.Failure)
	}
}

func TestInterruptLeavesNothing(t *testing.T) {
	d := disktest.New()
	source := newShelf()
	source.add("1.0", tree{"a.py": "a", "b.py": "b"})
	ctx, stop := context.WithCancel(t.Context())
	dev := start(d, moduleSpec{name: "m", source: interrupted{source, stop}})
	_, err := dev.engine.Update(ctx, dev.modules[0], update.Options{})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
	if got := files(t, d, "m"); len(got) != 0 {
		t.Errorf("got %v, want nothing", got)
	}
	wantHistory(t, d)
}

// interrupted is stopped by Ctrl-C in the middle of a download.
type interrupted struct {
	*shelf
	stop context.CancelFunc
}

func (i interrupted) Fetch(ctx context.Context, r release.Release, w release.Want, put func(release.File) error) (release.Fetched, error) {
	return i.shelf.Fetch(ctx, r, w, func(f release.File) error {
		err := put(f)
		i.stop()
		return err
	})
}

func TestTrial(t *testing.T) {
	t.Run("confirmed", func(t *testing.T) {
		d, source := disktest.New(), newShelf("1.0")
		dev := start(d, moduleSpec{name: "m", source: source, judged: true})
		must(t, dev.updateAll())
		wantStep(t, d, update.Trial)
		source.add("1.1", tree{"app.py": "1.1"})
		source.err = errors.New("it was asked") // which may take long, and the verdict would wait
		plan, err := dev.engine.Update(t.Context(), dev.modules[0], update.Options{})
		must(t, err)
		source.err = nil
		if plan.Action != update.Refuse {
			t.Errorf("an update during a trial: got %s, want %s", plan.Action, update.Refuse)
		}
		must(t, dev.engine.Confirm(dev.modules[0]))
		wantStep(t, d, update.Idle)
		must(t, dev.updateAll())
		wantHistory(t, d, update.Switched, update.Confirmed, update.Switched)
	})
	t.Run("rolled back, and not tried again", func(t *testing.T) {
		d, source := disktest.New(), newShelf("1.0")
		dev := start(d, moduleSpec{name: "m", source: source, judged: true})
		must(t, dev.updateAll())
		must(t, dev.engine.Confirm(dev.modules[0]))
		source.add("1.1", tree{"app.py": "bad"})
		must(t, dev.updateAll())
		must(t, dev.engine.RollBack(t.Context(), dev.modules[0], "it crashed"))
		if got := files(t, d, "m/main")[".version"]; got != "1.0" {
			t.Errorf("got version %s, want 1.0", got)
		}
		plan, err := dev.engine.Update(t.Context(), dev.modules[0], update.Options{})
		must(t, err)
		if plan.Action != update.Refuse || !strings.Contains(plan.Reason, "rolled back") {
			t.Errorf("got %s (%s), want it refused", plan.Action, plan.Reason)
		}
		plan, err = dev.engine.Update(t.Context(), dev.modules[0], update.Options{Again: true})
		must(t, err)
		if plan.Action != update.Upgrade {
			t.Errorf("asked for: got %s, want it", plan.Action)
		}
		s, err := journal.New(d).Load("m")
		must(t, err)
		if len(s.Rejected) != 0 {
			t.Errorf("asked for: got %v still rejected", s.Rejected)
		}
		must(t, dev.engine.RollBack(t.Context(), dev.modules[0], "again"))
		source.add("1.2", tree{"app.py": "good"})
		must(t, dev.updateAll())
		if got := files(t, d, "m/main")[".version"]; got != "1.2" {
			t.Errorf("a newer one: got version %s, want 1.2", got)
		}
	})
	t.Run("a first version that fails stays, and its trial ends", func(t *testing.T) {
		d, source := disktest.New(), newShelf("1.0")
		dev := start(d, moduleSpec{name: "m", source: source, judged: true})
		must(t, dev.updateAll())
		if err := dev.engine.RollBack(t.Context(), dev.modules[0], "it crashed"); !errors.Is(err, update.ErrNothingToGoBackTo) {
			t.Errorf("got %v, want %v", err, update.ErrNothingToGoBackTo)
		}
		wantStep(t, d, update.Idle)
		wantHistory(t, d, update.Switched, update.Failed)
		source.add("1.1", tree{"app.py": "better"})
		must(t, dev.updateAll())
		wantStep(t, d, update.Trial)
	})
	t.Run("a bad version that removed itself", func(t *testing.T) {
		for name, remove := range map[string]string{"all of it": "m/main", "what says its name": "m/main/.version", "its manifest": "m/main/.manifest"} {
			d, source := disktest.New(), newShelf("1.0")
			dev := start(d, moduleSpec{name: "m", source: source, judged: true})
			must(t, dev.updateAll())
			must(t, dev.engine.Confirm(dev.modules[0]))
			write(t, d, "m/main/secrets.py", "key")
			source.add("1.1", tree{"app.py": "bad"})
			must(t, dev.updateAll())
			must(t, disk.RemoveAll(d, remove))
			must(t, start(d, moduleSpec{name: "m", source: source, judged: true}).recoverAll())
			must(t, dev.engine.RollBack(t.Context(), dev.modules[0], "it is gone"))
			got := files(t, d, "m/main")
			if got["app.py"] != "app 1.0" || got["secrets.py"] != "key" || got[".version"] != "1.0" {
				t.Errorf("%s: got %v", name, got)
			}
			plan, err := dev.engine.Update(t.Context(), dev.modules[0], update.Options{})
			must(t, err)
			if plan.Action != update.Refuse {
				t.Errorf("%s: got %s, want the bad version refused", name, plan.Action)
			}
		}
	})
	t.Run("starts are counted", func(t *testing.T) {
		d := disktest.New()
		dev := start(d, moduleSpec{name: "m", source: newShelf("1.0"), judged: true})
		must(t, dev.updateAll())
		for want := 1; want <= 3; want++ {
			got, err := start(d, moduleSpec{name: "m", source: newShelf("1.0"), judged: true}).engine.CountStart(dev.modules[0])
			must(t, err)
			if got != want {
				t.Errorf("got %d starts, want %d", got, want)
			}
		}
		must(t, dev.engine.Confirm(dev.modules[0]))
		if got, err := dev.engine.CountStart(dev.modules[0]); got != 0 || err != nil {
			t.Errorf("without a trial: got %d, %v, want 0", got, err)
		}
	})
	t.Run("nothing to go back to", func(t *testing.T) {
		d := disktest.New()
		dev := start(d, moduleSpec{name: "m", source: newShelf("1.0"), judged: true})
		must(t, dev.updateAll())
		must(t, dev.engine.Confirm(dev.modules[0]))
		before := d.Ops()
		if err := dev.engine.RollBack(t.Context(), dev.modules[0], "bad"); !errors.Is(err, update.ErrNothingToGoBackTo) {
			t.Errorf("got %v, want %v", err, update.ErrNothingToGoBackTo)
		}
		if d.Ops() != before {
			t.Errorf("it changed the disk: %v", d.Trace()[before:])
		}
	})
}

// TestRejected is bounded, and does not hold a version that is main.
func TestRejected(t *testing.T) {
	d, source := disktest.New(), newShelf("1.0")
	dev := start(d, moduleSpec{name: "m", source: source})
	must(t, dev.updateAll())
	_, err := dev.engine.Update(t.Context(), dev.modules[0], update.Options{Reinstall: true})
	must(t, err)
	must(t, dev.engine.RollBack(t.Context(), dev.modules[0], "once more"))
	s, err := journal.New(d).Load("m")
	must(t, err)
	if len(s.Rejected) != 0 {
		t.Errorf("a version installed twice: got %v rejected, want none", s.Rejected)
	}
	for i := range 40 {
		source.add(fmt.Sprintf("1.%d", i+1), tree{"app.py": "bad"})
		must(t, dev.updateAll())
		must(t, dev.engine.RollBack(t.Context(), dev.modules[0], "bad"))
	}
	s, err = journal.New(d).Load("m")
	must(t, err)
	if len(s.Rejected) != 16 || s.Rejected[15].String() != "1.40" {
		t.Errorf("got %v, want the last 16", s.Rejected)
	}
}

// TestLongTexts keeps a server's or a program's long words from growing into the journal.
func TestLongTexts(t *testing.T) {
	d, source := disktest.New(), newShelf("1.0", "1.1")
	dev := start(d, moduleSpec{name: "m", source: source})
	must(t, dev.updateAll())
	source.err = errors.New("got " + strings.Repeat("<é", 200_000))
	_ = dev.updateAll()
	source.err = nil
	source.add("1.2", tree{"app.py": "1.2"})
	must(t, dev.updateAll())
	must(t, dev.engine.RollBack(t.Context(), dev.modules[0], strings.Repeat("<", 600_000)))
	wantHistory(t, d, update.Updated, update.Failed, update.Updated, update.RolledBack)
	for name, content := range files(t, d, ".moult") {
		if len(content) > 100<<10 {
			t.Errorf("%s: got %d bytes, want it bounded", name, len(content))
		}
	}
}

// TestHistoryThatCannotBeWritten holds no update up.
func TestHistoryThatCannotBeWritten(t *testing.T) {
	d, source := disktest.New(), newShelf("1.0")
	must(t, disk.MkdirAll(d, ".moult/history.jsonl", 0o755)) // a folder in its place
	dev := start(d, moduleSpec{name: "m", source: source})
	must(t, dev.updateAll())
	if got := files(t, d, "m/main")[".version"]; got != "1.0" {
		t.Errorf("got version %q, want 1.0", got)
	}
	last := dev.events[len(dev.events)-1]
	if last.Kind != update.Updated || last.ID != "" || !strings.Contains(last.Text, "not in the history") {
		t.Errorf("got %+v, want it told that it is not in the history", last)
	}
}

func TestHostileRelease(t *testing.T) {
	for name, files := range map[string]tree{
		"a path that leaves the slot": {"a.py": "a", "z/../../../x": "x"},
		"a link that leads out":       {"a.py": "a", "z": "-> ../../config/moult.json"},
		"a file below a link":         {"a": "-> b", "a/x": "x"},
		"no file at all":              {},
	} {
		t.Run(name, func(t *testing.T) {
			d := disktest.New()
			source := newShelf("1.0")
			dev := start(d, moduleSpec{name: "m", source: source})
			must(t, dev.updateAll())
			source.add("1.1", files)
			if err := dev.updateAll(); err == nil {
				t.Error("got nil, want it refused")
			}
			all := listAll(t, d)
			if slices.Contains(all, "x") || slices.Contains(all, "m/next") {
				t.Errorf("got %v on the disk", all)
			}
			if got := disktestFile(t, d, "m/main/.version"); got != "1.0" {
				t.Errorf("got version %s, want 1.0", got)
			}
		})
	}
}

func TestMovedTagIsTriedAgain(t *testing.T) {
	d := disktest.New()
	source := newShelf("1.0")
	source.releases[0].Commit = strings.Repeat("f", 40)
	err := start(d, moduleSpec{name: "m", source: source}).updateAll()
	if err == nil || !strings.Contains(err.Error(), "moved") || source.fetches != 3 {
		t.Errorf("got %v after %d fetches, want that the tag moved, after 3", err, source.fetches)
	}
}

func TestDiskFull(t *testing.T) {
	d := disktest.New()
	d.Space = 600 << 10
	source := newShelf()
	source.add("1.0", tree{"app.py": "small"})
	dev := start(d, moduleSpec{name: "m", source: source})
	must(t, dev.updateAll())
	source.add("1.1", tree{"a.py": "a", "big": strings.Repeat("x", 400<<10)})
	err := dev.updateAll()
	if err == nil || !strings.Contains(err.Error(), "disk full") || fault.HintOf(err) == "" {
		t.Errorf("got %v, want that the disk is full, with a hint", err)
	}
	if got := files(t, d, "m/main"); got["app.py"] != "small" || got[".version"] != "1.0" {
		t.Errorf("main: got %v", got)
	}
	if left := files(t, d, "m/next"); len(left) != 0 {
		t.Errorf("next: got %d files, want the space given back", len(left))
	}
}

// TestWayBackOnAFullDisk goes back from a version that filled the disk.
func TestWayBackOnAFullDisk(t *testing.T) {
	for name, kind := range diskKinds {
		t.Run(name, func(t *testing.T) {
			if kind.NoLinks {
				return // what the bad version wrote is carried, and without links that takes room which there is not
			}
			d, source := disktest.New(), newShelf("1.0")
			d.NoExchange, d.Space = kind.NoExchange, 4<<20
			dev := start(d, moduleSpec{name: "m", source: source, judged: true})
			must(t, dev.updateAll())
			must(t, dev.engine.Confirm(dev.modules[0]))
			source.add("1.1", tree{"app.py": "bad"})
			must(t, dev.updateAll())
			free, err := d.Free()
			must(t, err)
			write(t, d, "m/main/core.dump", strings.Repeat("x", int(free)))
			if free, _ := d.Free(); free != 0 {
				t.Fatalf("got %d bytes free, want a full disk", free)
			}
			must(t, dev.engine.RollBack(t.Context(), dev.modules[0], "no space left on device"))
			if got := disktestFile(t, d, "m/main/.version"); got != "1.0" {
				t.Errorf("got version %s, want 1.0", got)
			}
			wantStep(t, d, update.Idle)
			wantHistory(t, d, update.Switched, update.Confirmed, update.Switched, update.RolledBack)
		})
	}
}

func TestAdoptAnotherUpdatersDevice(t *testing.T) {
	d := disktest.New()
	write(t, d, "m/main/.version", "1.0\n")
	write(t, d, "m/main/app.py", "old")
	write(t, d, "m/main/secrets.py", "key")
	source := newShelf()
	source.add("1.1", tree{"app.py": "new"})
	must(t, start(d, moduleSpec{name: "m", source: source}).updateAll())
	got := files(t, d, "m/main")
	if got["app.py"] != "new" || got["secrets.py"] != "key" || got[".version"] != "1.1" {
		t.Errorf("got %v", got)
	}
	must(t, start(d, moduleSpec{name: "m", source: source}).engine.RollBack(t.Context(), start(d, moduleSpec{name: "m", source: source}).modules[0], "no"))
	if got := files(t, d, "m/main"); got["app.py"] != "old" || strings.TrimSpace(got[".version"]) != "1.0" {
		t.Errorf("rolled back: got %v", got)
	}
}

func wantStep(t *testing.T, d *disktest.Disk, want update.Step) {
	t.Helper()
	s, err := journal.New(d).Load("m")
	must(t, err)
	if s.Step != want {
		t.Errorf("step: got %q, want %q", s.Step, want)
	}
}

func wantHistory(t *testing.T, d *disktest.Disk, want ...update.Kind) {
	t.Helper()
	events, damaged, err := journal.New(d).History("m", 100)
	must(t, err)
	var got []update.Kind
	for _, e := range events {
		got = append(got, e.Kind)
	}
	if !slices.Equal(got, want) || damaged != 0 {
		t.Errorf("history: got %v and %d damaged lines, want %v", got, damaged, want)
	}
}

func listAll(t *testing.T, d *disktest.Disk) (names []string) {
	for name := range files(t, d, ".") {
		names = append(names, name)
	}
	return names
}

func disktestFile(t *testing.T, d *disktest.Disk, name string) string {
	data, err := disk.ReadFile(d, name, 1<<10)
	must(t, err)
	return string(data)
}
