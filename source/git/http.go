package git

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"

	"moult/fault"
)

// maxPage bounds the text that comes with an error, in bytes: go-git reads it whole.
const maxPage = 64 << 10

func newTransport() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = patience
	t.TLSHandshakeTimeout = 30 * time.Second // a small board needs its time
	return t
}

// httpAuth proves who asks: by the token, or by what the URL itself holds. go-git sends it to the URL's origin alone.
func (s *Source) httpAuth() transport.AuthMethod {
	switch {
	case s.opt.Token != "":
		// GitHub wants this name, GitLab, Gitea and Forgejo take any
		return &githttp.BasicAuth{Username: "x-access-token", Password: s.opt.Token}
	case s.user != nil:
		password, _ := s.user.Password()
		return &githttp.BasicAuth{Username: s.user.Username(), Password: password}
	}
	return nil
}

// wire counts the requests and bytes of one conversation, bounds them, and keeps the error of the network.
type wire struct {
	base     http.RoundTripper
	arrived  func(n int)
	requests int
	err      error
}

func (w *wire) client() *http.Client { return &http.Client{Transport: w} }

func (w *wire) RoundTrip(request *http.Request) (*http.Response, error) {
	w.requests++
	response, err := w.base.RoundTrip(request)
	if err != nil {
		w.err = networkError(err)
		return nil, w.err
	}
	w.arrived(0)
	switch code := response.StatusCode; {
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= 500:
		response.Body.Close()
		w.err = fault.Transient(fmt.Errorf("got HTTP status %s", response.Status))
		return nil, w.err
	case code >= 300:
		response.Body = &wireBody{response.Body, w, maxPage, false}
	case strings.HasSuffix(request.URL.Path, "/info/refs"):
		response.Body = &wireBody{response.Body, w, maxRefs, true}
	default:
		response.Body = &wireBody{response.Body, w, -1, true} // the pack is bounded as it is written
	}
	return response, nil
}

// wireBody counts a body. Its end is an error of the limit where it counts, and the end where it is but a page.
type wireBody struct {
	io.ReadCloser
	wire    *wire
	left    int64 // -1 for any length
	refuses bool
}

func (b *wireBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		if b.refuses {
			b.wire.err = fmt.Errorf("got more than %d bytes of branches and tags", maxRefs)
			return 0, b.wire.err
		}
		return 0, io.EOF
	}
	if b.left > 0 {
		p = p[:min(int64(len(p)), b.left)]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left > 0 {
		b.left -= int64(n)
	}
	b.wire.arrived(n)
	if err != nil && !errors.Is(err, io.EOF) {
		b.wire.err = networkError(err)
		err = b.wire.err
	}
	return n, err
}
