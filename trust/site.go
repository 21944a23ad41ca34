package trust

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"moult/fault"
	"moult/release"
	"moult/web"
)

// Site is where a repository's files are: a web server or a folder. Nothing that it says is believed.
type Site interface {
	// Open opens a file below the repository. It is release.ErrNotFound where there is none.
	Open(ctx context.Context, name string, ask Ask) (*Answer, error)
}

// Ask is how a file is asked for.
type Ask struct {
	From int64  // this many bytes are there already; the file is only to be continued where it still is that of ETag
	ETag string // with From 0: where the file still is this one, it need not come
}

// Answer is a file, or a part of it. Its Body must be closed, where there is one.
type Answer struct {
	Unchanged bool  // the file is the one of Ask.ETag: there is no Body
	From      int64 // where Body begins: Ask.From, or 0 for the whole of another file
	Length    int64 // of the whole file; -1 where it is unknown
	ETag      string
	Body      io.ReadCloser
}

// OpenSite returns the site of a URL: http, https or file, or of an absolute path. Requests through client are counted by meter.
func OpenSite(address string, client *web.Client, meter *web.Meter) (Site, error) {
	if filepath.IsAbs(address) {
		return folder(address), nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("repository: got what is no URL")
	}
	switch u.Scheme {
	case "file":
		return folder(filepath.FromSlash(u.Path)), nil
	case "http", "https":
		return &server{client, meter, strings.TrimSuffix(address, "/")}, nil
	}
	return nil, fmt.Errorf("repository: got the scheme %.20q, want http, https or file", u.Scheme)
}

type server struct {
	client *web.Client
	meter  *web.Meter
	base   string
}

func (s *server) Open(ctx context.Context, name string, ask Ask) (*Answer, error) {
	var parts []string
	for part := range strings.SplitSeq(name, "/") {
		parts = append(parts, url.PathEscape(part))
	}
	req := web.Request{URL: s.base + "/" + strings.Join(parts, "/"), Header: http.Header{}, Want: web.Bytes, Meter: s.meter}
	switch {
	case ask.From > 0: // RFC 9110, clauses 13.1.5 and 14.2
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", ask.From))
		req.Header.Set("If-Range", ask.ETag)
		req.Also = []int{http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable}
	case ask.ETag != "":
		req.Header.Set("If-None-Match", ask.ETag)
		req.Also = []int{http.StatusNotModified}
	}
	resp, err := s.client.Do(ctx, req)
	var status *web.StatusError
	if errors.As(err, &status) && status.Status == http.StatusForbidden && !status.Limited { // what stores answer for a file that they do not have
		return nil, fmt.Errorf("%w: %w", release.ErrNotFound, err)
	}
	if err != nil {
		return nil, err
	}
	answer := &Answer{Length: resp.Length, ETag: resp.Header.Get("ETag"), Body: resp.Body}
	switch resp.Status {
	case http.StatusNotModified:
		resp.Body.Close()
		answer.Unchanged, answer.Body = true, nil
	case http.StatusRequestedRangeNotSatisfiable: // it is another file, and shorter
		resp.Body.Close()
		return s.Open(ctx, name, Ask{})
	case http.StatusPartialContent:
		var from, to, total int64
		if _, err := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &total); err != nil || from != ask.From || to != total-1 {
			resp.Body.Close()
			return s.Open(ctx, name, Ask{})
		}
		answer.From, answer.Length = from, total
	}
	return answer, nil
}

// folder is a repository in a folder, as on a stick or a share.
type folder string

func (f folder) Open(_ context.Context, name string, ask Ask) (*Answer, error) {
	file, err := os.OpenInRoot(string(f), filepath.FromSlash(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", release.ErrNotFound, err)
	}
	if err != nil {
		return nil, fault.Hint(err, "check that the folder of the repository is there, and may be read")
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: got what is no file", name)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	answer := &Answer{Length: info.Size(), ETag: fmt.Sprintf(`"%d-%d"`, info.Size(), info.ModTime().UnixNano()), Body: file}
	switch {
	case ask.ETag != answer.ETag:
	case ask.From == 0:
		file.Close()
		answer.Unchanged, answer.Body = true, nil
	default:
		if answer.From, err = file.Seek(ask.From, io.SeekStart); err != nil {
			file.Close()
			return nil, err
		}
	}
	return answer, nil
}

// single makes single requests to a site: one for each part.
type single struct{ site Site }

func (s single) get(ctx context.Context, it item) ([]byte, error) {
	answer, err := s.site.Open(ctx, it.path, Ask{})
	if err != nil {
		return nil, err
	}
	return readAll(answer, it)
}

// readAll reads a whole answer, no more than the item may have.
func readAll(answer *Answer, it item) ([]byte, error) {
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, it.limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > it.limit {
		return nil, release.Refuse(release.BadLength, "%s: got more than %d bytes", it.path, it.limit)
	}
	return data, nil
}
