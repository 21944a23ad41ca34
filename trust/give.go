package trust

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"

	"moult/fault"
	"moult/pack"
	"moult/release"
)

// nextEntry reads the head of the next file in the pack.
func (f *fetching) nextEntry() error {
	var err error
	f.next, err = f.pack.Next()
	if err == nil {
		return nil
	}
	f.next = pack.Entry{}
	if err == io.EOF { // the pack's; the bundle must end with it
		if _, err = f.feed.bundle.Next(); err == io.EOF {
			return nil
		}
	}
	return f.bad(f.download, err)
}

// give gives every file, in the manifest's order.
func (f *fetching) give() error {
	for _, e := range f.to.Files {
		if err := f.ctx.Err(); err != nil {
			return err
		}
		var err error
		switch {
		case e.Link != "":
			err = f.put(release.File{Path: e.Path, Link: e.Link})
		case e.Length == 0:
			err = f.body(e, bytes.NewReader(nil))
		case f.next.File.Path == e.Path:
			if err = f.packed(e); err == nil {
				err = f.nextEntry()
			}
		default:
			err = f.unpacked(e)
		}
		if err != nil {
			return err
		}
		f.given[e.SHA256] = e.Path
	}
	return nil
}

// packed gives a file out of the pack. One whose base the device has altered is given whole.
func (f *fetching) packed(e release.Entry) error {
	var base io.ReaderAt
	if f.next.Base != nil {
		there, err := f.openProven(f.source.opt.Slot.Open, *f.next.Base)
		if err != nil {
			return err
		}
		if there == nil {
			return f.whole(e)
		}
		defer there.Close()
		base = there
	}
	err := f.body(e, f.pack.Body(base))
	if release.ReasonOf(err) == "" {
		return err
	}
	return f.bad(f.download, err)
}

// unpacked gives a file that the pack passed over: from the running version or from what was given before, under whatever name it
// stands there; or whole.
func (f *fetching) unpacked(e release.Entry) error {
	places := []struct {
		open func(string) (io.ReadCloser, error)
		path string
	}{{f.source.opt.Slot.Open, f.have[e.SHA256]}, {f.source.opt.Slot.OpenStaged, f.given[e.SHA256]}}
	if same, known := f.from.Find(e.Path); known && same.SHA256 == e.SHA256 {
		places[0].path = e.Path
	}
	for _, place := range places {
		if place.path == "" {
			continue
		}
		file, err := f.openProven(place.open, release.Entry{Path: place.path, Length: e.Length, SHA256: e.SHA256})
		if err != nil {
			return err
		}
		if file != nil {
			defer file.Close()
			return f.body(e, file)
		}
	}
	return f.whole(e)
}

// localFile is a file that the device has.
type localFile interface {
	io.ReadCloser
	io.ReaderAt
}

// openProven opens a file that the device has; nil where it is not what its entry says. It is read once to know,
// so that a file that the device has altered is asked for whole.
func (f *fetching) openProven(open func(string) (io.ReadCloser, error), e release.Entry) (localFile, error) {
	r, err := open(e.Path)
	if err != nil {
		return nil, nil
	}
	_, err = io.Copy(io.Discard, &proven{r: r, entry: e, left: e.Length, ctx: f.ctx})
	if err := errors.Join(f.ctx.Err(), r.Close()); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, nil
	}
	r, err = open(e.Path)
	if err != nil {
		return nil, nil
	}
	file, ok := r.(localFile)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%s: got what cannot be read at any place", path.Base(e.Path)), r.Close())
	}
	return file, nil
}

// whole gives a file by a single request.
func (f *fetching) whole(e release.Entry) error {
	if f.source.opt.Bundle != nil {
		return fault.Hint(release.Refuse(release.Missing, "%s: it is not in the bundle, and the device has altered it", e.Path),
			"take the bundle that is for any device")
	}
	answer, err := f.source.opt.Site.Open(f.ctx, "files/"+e.SHA256[:2]+"/"+e.SHA256, Ask{})
	if err != nil {
		return fmt.Errorf("%s: %w", e.Path, missing(err))
	}
	defer answer.Body.Close()
	if answer.Length >= 0 && answer.Length != e.Length {
		return release.Refuse(release.BadLength, "%s: got %d bytes, want %d", e.Path, answer.Length, e.Length)
	}
	return f.body(e, answer.Body)
}

// body gives a file to put, and proves it while it is read.
func (f *fetching) body(e release.Entry, r io.Reader) error {
	return f.put(release.File{Path: e.Path, Size: e.Length, Executable: e.Executable,
		Body: &proven{r: r, entry: e, left: e.Length, ctx: f.ctx}})
}
