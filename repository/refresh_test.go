package repository_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"syscall"
	"testing"
	"time"

	"moult/disk"
	"moult/disk/disktest"
	"moult/repository"
)

// changing is a web server over a repository that is changed after so many requests.
type changing struct {
	disk.Reader
	after disk.Reader
	left  int
}

func (c *changing) Open(name string) (io.ReadCloser, error) {
	if c.left == 0 {
		return c.after.Open(name)
	}
	c.left--
	return c.Reader.Open(name)
}

// TestChangedInTheMiddle changes the repository after each request that a device makes in one refresh: what it began it can end.
func TestChangedInTheMiddle(t *testing.T) {
	changes := map[string]func(r *rig, repo *repository.Repository) error{
		"add": func(r *rig, repo *repository.Repository) error {
			_, err := repo.Add(t.Context(), r.keys, head("irrigation", "v1.10"), treeNew.fill)
			return err
		},
		"another module": func(r *rig, repo *repository.Repository) error {
			_, err := repo.Add(t.Context(), r.keys, head("updater", "2.0"), treeNew.fill)
			return err
		},
		"prune": func(r *rig, repo *repository.Repository) error {
			_, err := repo.Prune(t.Context(), r.keys, 1)
			return err
		},
		"sign": func(r *rig, repo *repository.Repository) error {
			r.now = r.now.Add(20 * 24 * time.Hour)
			_, err := repo.Sign(t.Context(), r.keys, true)
			r.now = start
			return err
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, repository.Ed25519)
			r.add("irrigation", "v1.8", treeOld)
			r.add("irrigation", "v1.9", treeOld)
			after := r.disk.Copy()
			must(t, change(r, r.open(after)))
			for n := range 12 {
				c := newDevice(t, r.disk)
				got, err := c.read(&changing{r.disk, after, n}, r.now, "irrigation", "v1.9")
				if err != nil || !maps.Equal(got, treeOld.seen()) {
					t.Errorf("changed after %d requests: got %q, %v", n, got, err)
				}
			}
		})
	}
}

// TestDiskErrorAtEveryOperation lets one operation fail, as on a full or a worn disk. Publishing may fail; devices see the repository of before
// or after, and the next command ends well.
func TestDiskErrorAtEveryOperation(t *testing.T) {
	for name, kind := range diskKinds {
		t.Run(name, func(t *testing.T) {
			r := newRigOn(t, kind, repository.Ed25519)
			r.add("irrigation", "v1.9", treeOld)
			fresh := r.disk.Copy()
			w := &watcher{r, newDevice(t, fresh), map[string]string{}}
			run := func(d *disktest.Disk) error {
				repo, err := repository.Open(d, r.clock)
				if err == nil {
					_, err = repo.Add(t.Context(), r.keys, head("irrigation", "v1.10"), treeNew.fill)
				}
				return err
			}
			whole := fresh.Copy()
			must(t, run(whole))
			failed := 0
			for n := range whole.Ops() {
				where := fmt.Sprintf("no space at operation %d (%s)", n, whole.Trace()[n])
				d := fresh.Copy()
				d.FailAt(n, syscall.ENOSPC)
				err := run(d)
				if err != nil {
					failed++
				}
				if err != nil && !errors.Is(err, syscall.ENOSPC) {
					t.Errorf("%s: got %v", where, err)
				}
				d.FailAt(-1, nil)
				_, err = repository.Open(d, r.clock)
				must(t, err)
				w.assertServes(where, d)
				must(t, run(d))
				if got := w.assertServes(where+", then done again", d); got != "v1.10 true, root 1" {
					t.Errorf("%s, then done again: got %s", where, got)
				}
				r.assertWhole(where+", then done again", d)
			}
			if failed < whole.Ops()*9/10 {
				t.Errorf("%d of %d faults failed the command: most should", failed, whole.Ops())
			}
		})
	}
}
