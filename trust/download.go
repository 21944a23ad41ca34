package trust

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"path"
	"strings"

	"moult/disk"
	"moult/release"
	"moult/tuf"
)

// DownloadDir is where a bundle's bytes are kept until the update has ended, below the device's root.
const DownloadDir = ".moult/download"

const (
	// slack is what a bundle may have beyond the contents that it is allowed, in bytes: heads of sections and blocks.
	slack = 64 << 10
	// metadataRoom bounds a bundle up to its manifest: the roots of a year, and one of each other kind.
	metadataRoom = 16*tuf.MaxRoot + tuf.MaxTimestamp + 3*tuf.MaxMetadata + slack
	// syncEvery is how many bytes a power cut may cost.
	syncEvery = 1 << 20
	// spare is left free on the disk by what is only kept for convenience.
	spare = 1 << 20
)

// shelf keeps the bytes of one module's bundle, so that a download that was cut goes on where it was cut. What is kept is
// believed no more than what comes: a power cut may have left anything in it.
type shelf struct {
	disk   disk.Disk
	module string
}

// label says what the kept bytes are of.
type label struct {
	Path  string `json:"path"`
	ETag  string `json:"etag"`
	Total int64  `json:"total"` // -1 where it is unknown
	have  int64
}

func (s shelf) part() string  { return path.Join(DownloadDir, s.module+".part") }
func (s shelf) label() string { return path.Join(DownloadDir, s.module+".json") }

// find returns what is kept of a file; nil where there is nothing of it.
func (s shelf) find(name string) *label {
	data, err := disk.ReadFile(s.disk, s.label(), 4096)
	if err != nil {
		return nil
	}
	var l label
	info, err := s.disk.Lstat(s.part())
	if err != nil || json.Unmarshal(data, &l) != nil || l.Path != name || !info.Mode().IsRegular() || info.Size() == 0 {
		return nil
	}
	if l.have = info.Size(); l.Total >= 0 && l.have > l.Total {
		return nil
	}
	return &l
}

// drop forgets what is kept.
func (s shelf) drop() error {
	if there, err := disk.Exists(s.disk, DownloadDir); err != nil || !there {
		return err
	}
	if err := errors.Join(disk.Remove(s.disk, s.label()), disk.Remove(s.disk, s.part())); err != nil {
		return err
	}
	return s.disk.SyncDir(DownloadDir)
}

// begin makes place for the bytes of a file, and returns where to write them.
func (s shelf) begin(l label) (disk.File, error) {
	if err := s.drop(); err != nil {
		return nil, err
	}
	if err := disk.MkdirAll(s.disk, DownloadDir, 0o755); err != nil {
		return nil, err
	}
	data, err := json.Marshal(l)
	if err != nil {
		return nil, err
	}
	if err := disk.WriteFile(s.disk, s.label(), data, 0o644); err != nil {
		return nil, err
	}
	f, err := s.disk.Create(s.part(), 0o644)
	if err != nil {
		return nil, err
	}
	if err := s.disk.SyncDir(DownloadDir); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// download is a bundle on its way: first the bytes that are kept, then those that come, which are kept in turn.
type download struct {
	shelf   shelf
	kept    io.ReadCloser // nil where none is, or all were read
	body    io.ReadCloser // nil where all was kept
	to      disk.File     // nil where nothing is kept
	meter   func(n int64) // told of the bytes that were read; may be nil
	left    int64         // that may still be read
	resumed bool          // something was kept of an earlier run
	unsafe  int64         // bytes written since the last sync
	total   int64
	etag    string // "" where it is unknown
	ended   bool
}

// errUnchanged means that the file is the one that was seen.
var errUnchanged = errors.New("unchanged")

// maxETag bounds an ETag that is remembered, in bytes.
const maxETag = 1024

// openDownload opens a file of the site for reading, of which at most limit bytes are taken. Whole says that what is kept
// was read to its end by this very run: then nobody needs to be asked. Where nothing is kept, and the file still is the one
// whose ETag was seen, it is errUnchanged.
func openDownload(ctx context.Context, site Site, s shelf, name string, whole bool, limit int64, seen string) (*download, error) {
	l := s.find(name)
	d := &download{shelf: s, left: limit}
	if l != nil && whole {
		return d, d.replay(l)
	}
	ask := Ask{ETag: seen}
	if l != nil {
		ask = Ask{}
	}
	if l != nil && isStrong(l.ETag) {
		ask = Ask{ETag: l.ETag}
		if l.have != l.Total {
			ask.From = l.have
		}
	}
	answer, err := site.Open(ctx, name, ask)
	if err != nil {
		return nil, err
	}
	d.body, d.total, d.etag = answer.Body, answer.Length, answer.ETag
	switch {
	case answer.Unchanged && l == nil:
		return nil, errUnchanged
	case answer.Unchanged:
		return d, d.replay(l)
	case answer.From > 0:
		d.resumed = true
		if err := d.replay(l); err != nil {
			return nil, errors.Join(err, d.Close())
		}
		d.to, err = s.disk.Append(s.part(), 0o644)
	default:
		d.to, err = s.begin(label{Path: name, ETag: answer.ETag, Total: answer.Length})
	}
	if err != nil { // a full disk, or one that cannot be written to, only costs the resuming
		d.stopKeeping()
	}
	return d, nil
}

// isStrong reports whether an ETag can be resumed by: RFC 9110, clause 13.1.5.
func isStrong(etag string) bool { return etag != "" && !strings.HasPrefix(etag, "W/") }

func (d *download) replay(l *label) (err error) {
	d.total, d.resumed, d.etag = l.Total, true, l.ETag
	d.kept, err = d.shelf.disk.Open(d.shelf.part())
	return err
}

// allow raises the bytes that may be read.
func (d *download) allow(more int64) { d.left += more }

func (d *download) Read(p []byte) (int, error) {
	n, err := d.read(p)
	if d.left -= int64(n); d.left < 0 {
		return 0, release.Refuse(release.BadLength, "bundle: got more bytes than what it holds can have")
	}
	if n > 0 && d.meter != nil {
		d.meter(int64(n))
	}
	return n, err
}

func (d *download) read(p []byte) (int, error) {
	if d.kept != nil {
		n, err := d.kept.Read(p)
		if err != io.EOF {
			return n, err
		}
		err = d.kept.Close()
		d.kept = nil
		if n > 0 || err != nil {
			return n, err
		}
	}
	if d.body == nil {
		d.ended = true
		return 0, io.EOF
	}
	n, err := d.body.Read(p)
	d.keep(p[:n])
	d.ended = d.ended || err == io.EOF
	return n, err
}

// keep writes down what came. Where the disk has no room for it, it goes on without.
func (d *download) keep(p []byte) {
	if d.to == nil || len(p) == 0 {
		return
	}
	_, err := d.to.Write(p)
	if d.unsafe += int64(len(p)); err == nil && d.unsafe >= syncEvery {
		d.unsafe = 0
		if err = d.to.Sync(); err == nil {
			var free int64
			if free, err = d.shelf.disk.Free(); err == nil && free < spare {
				err = disk.ErrTooLarge
			}
		}
	}
	if err != nil {
		d.stopKeeping()
	}
}

func (d *download) stopKeeping() {
	if d.to != nil {
		_ = d.to.Close()
		d.to = nil
	}
	_ = d.shelf.drop() // what is left of it is found to be something else, or too old
}

// finish reads on a little, so that the rest of a small bundle is there when it is wanted, and closes.
func (d *download) finish() (whole bool, err error) {
	if _, err := io.CopyN(io.Discard, d, min(slack, max(d.left, 0))); err != nil && err != io.EOF {
		return false, errors.Join(err, d.Close())
	}
	return d.ended && (d.to != nil || d.body == nil), d.Close()
}

// Close ends the download; what came of it is kept.
func (d *download) Close() error {
	var all []error
	if d.kept != nil {
		all = append(all, d.kept.Close())
	}
	if d.body != nil {
		all = append(all, d.body.Close())
	}
	if d.to != nil {
		all = append(all, disk.Finish(d.to, nil))
	}
	d.kept, d.body, d.to = nil, nil, nil
	return errors.Join(all...)
}
