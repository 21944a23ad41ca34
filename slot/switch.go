package slot

import (
	"errors"
	"fmt"
	"path"

	"moult/disk"
	"moult/release"
	"moult/update"
)

// Switch makes next main and main prev. The cases are those of the table at the package's head.
func (s *Slots) Switch(from, to release.Version) error {
	if err := s.doSwitch(from, to); err != nil {
		return fmt.Errorf("switch to %s: %w", to, err)
	}
	return nil
}

func (s *Slots) doSwitch(from, to release.Version) error {
	look, err := s.Look()
	if err != nil {
		return err
	}
	same := from.String() == to.String()
	switch {
	case !look.Main.There && !look.Next.There:
		return fmt.Errorf("neither %s nor %s is there", s.place.Main, s.place.Next)
	case !look.Main.There && is(look.Next, to): // cut between the two renames, or a first install
		return s.rename(s.place.Next, s.place.Main)
	case !look.Next.There && is(look.Main, to): // done
		return nil
	case is(look.Main, to) && !same: // exchanged
		return s.putAway(s.place.Next)
	case !look.Next.There:
		return fmt.Errorf("%s is gone", s.place.Next)
	}
	if whole, err := disk.Exists(s.disk, path.Join(s.place.Next, ManifestFile)); err != nil {
		return err
	} else if !whole {
		return fmt.Errorf("%s is not whole: got no %s in it", s.place.Next, ManifestFile)
	}
	if look.Main.There {
		if err := s.carry(s.place.Main, s.place.Next); err != nil {
			return err
		}
	}
	if err := s.seal(to); err != nil {
		return err
	}
	if err := s.drop(s.place.Prev); err != nil {
		return err
	}
	if !look.Main.There {
		return s.rename(s.place.Next, s.place.Main)
	}
	if !same {
		err := s.exchange(s.place.Main, s.place.Next)
		if err == nil {
			return s.putAway(s.place.Next)
		}
		if !errors.Is(err, disk.ErrUnsupported) {
			return err
		}
	}
	if err := s.rename(s.place.Main, s.place.Prev); err != nil {
		return err
	}
	return s.rename(s.place.Next, s.place.Main)
}

// seal says that next is whole.
func (s *Slots) seal(v release.Version) error {
	return disk.WriteFile(s.disk, path.Join(s.place.Next, VersionFile), []byte(v.String()), 0o644)
}

// putAway makes the old version, which an exchange left at name, prev.
func (s *Slots) putAway(name string) error {
	if err := s.drop(s.place.Prev); err != nil {
		return err
	}
	return s.rename(name, s.place.Prev)
}

// RollBack makes prev main again and drops what was main.
//
//	main   next   prev   what it means                         what RollBack does
//	bad    any    old    not begun                             all of it, from the start
//	–      bad    old    cut between the two renames           prev → main, drop next
//	old    –      bad    exchanged, the bad not yet dropped    drop prev
//	old    bad    –      renamed, the bad not yet dropped      drop next
func (s *Slots) RollBack(from, to release.Version) error {
	if err := s.rollBack(from, to); err != nil {
		return fmt.Errorf("roll back to %s: %w", to, err)
	}
	return nil
}

func (s *Slots) rollBack(from, to release.Version) error {
	look, err := s.Look()
	if err != nil {
		return err
	}
	same := from.String() == to.String()
	switch {
	case !look.Main.There && is(look.Prev, to):
		return s.backAndDrop()
	case look.Main.There && !look.Prev.There && is(look.Main, to):
		return s.Discard()
	case is(look.Main, to) && !same:
		return s.drop(s.place.Prev)
	case !look.Prev.There:
		return update.ErrNothingToGoBackTo
	}
	if err := s.carry(s.place.Main, s.place.Prev); err != nil {
		return err
	}
	if err := s.Discard(); err != nil {
		return err
	}
	if !same {
		err := s.exchange(s.place.Main, s.place.Prev)
		if err == nil {
			return s.drop(s.place.Prev)
		}
		if !errors.Is(err, disk.ErrUnsupported) {
			return err
		}
	}
	if err := s.rename(s.place.Main, s.place.Next); err != nil {
		return err
	}
	return s.backAndDrop()
}

func (s *Slots) backAndDrop() error {
	if err := s.rename(s.place.Prev, s.place.Main); err != nil {
		return err
	}
	return s.Discard()
}

func is(c update.Copy, v release.Version) bool {
	return c.There && c.Version.String() == v.String()
}

func (s *Slots) rename(from, to string) error {
	if err := s.disk.Rename(from, to); err != nil {
		return err
	}
	return s.disk.SyncDir(path.Dir(to))
}

func (s *Slots) exchange(a, b string) error {
	if err := s.disk.Exchange(a, b); err != nil {
		return err
	}
	return s.disk.SyncDir(path.Dir(a))
}
