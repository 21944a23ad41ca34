package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"moult/fault"
)

// Request is one question to a server; redirects and further tries are part of it.
type Request struct {
	Method string // "" is GET; HEAD
	URL    string // http or https, without user or password
	Header http.Header
	Want   Content
	Stay   bool   // a redirect is the answer, and not followed
	Also   []int  // statuses beside 200 that are an answer and no error, such as 304
	Meter  *Meter // counts what the request cost; may be nil
}

// Content is what kind of body a request is made for.
type Content int

// Where a page stands for JSON or for bytes, a captive portal answered.
const (
	Anything Content = iota
	JSON
	Bytes
)

// Meter counts requests (redirects and further tries too) and the bytes of bodies as they were on the wire.
// One Meter is for one goroutine.
type Meter struct {
	Requests int
	Received int64
	Progress func(received, total int64) // told as the bytes of a body arrive; total is -1 where it is unknown; may be nil
}

// Response is an answer that was wanted. Its Body must be closed. A read error of Body is transient where the body was cut
// or the server fell silent.
type Response struct {
	Status int
	Header http.Header
	URL    *url.URL // that answered, after redirects
	Length int64    // of Body; -1 where it is unknown
	Body   io.ReadCloser
}

// MaxRedirects bounds the redirects that one request follows; GitHub needs two for an asset of a renamed repository.
const MaxRedirects = 5

// Do makes a request. An answer whose status was not asked for is a [*StatusError], but for a 407, which is a proxy's
// and not the server's.
func (c *Client) Do(ctx context.Context, req Request) (*Response, error) {
	if req.Method == "" {
		req.Method = http.MethodGet
	}
	if req.Meter == nil {
		req.Meter = new(Meter)
	}
	u, err := parseURL(req.URL)
	if err != nil {
		return nil, err
	}
	withToken := true
	for hop := 0; ; hop++ {
		resp, err := c.try(ctx, req, u, withToken)
		if err != nil {
			return nil, err
		}
		location := resp.Header.Get("Location")
		if req.Stay || location == "" || !isRedirect(resp.Status) {
			return resp, nil
		}
		resp.Body.Close()
		next, err := follow(u, location)
		if err != nil {
			return nil, fault.Hint(fmt.Errorf("%s %s: %w", req.Method, Redact(u), err), "another than the forge may have answered; check the url and the network")
		}
		if hop == MaxRedirects {
			return nil, fault.Hint(fmt.Errorf("%s %s: got more than %d redirects", req.Method, Redact(u), MaxRedirects), wrongForge)
		}
		if next.Scheme != u.Scheme || HostPort(next) != HostPort(u) {
			withToken = false // and it stays so: who redirects us back must not choose what we ask with our token
		}
		u = next
	}
}

func isRedirect(status int) bool {
	return slices.Contains([]int{301, 302, 303, 307, 308}, status)
}

// follow returns where a redirect from u leads.
func follow(u *url.URL, location string) (*url.URL, error) {
	next, err := u.Parse(location)
	if err != nil {
		return nil, errors.New("got a redirect to what is no URL")
	}
	if u.Scheme == "https" && next.Scheme != "https" {
		return nil, fmt.Errorf("got a redirect from https to %s, want https", Redact(next))
	}
	next.User, next.Fragment = nil, ""
	return parseURL(next.String())
}

// maxHost is the longest host and port, in bytes: a name has at most 253 (RFC 1035, clause 2.3.4), ":65535" has 6.
// The errors of net and net/http name it in full.
const maxHost = 253 + 6

func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("url: got what is no URL") // the text may hold a secret
	}
	switch {
	case len(u.Host) > maxHost:
		return nil, fmt.Errorf("url %s: got a host of %d bytes, want at most %d", Redact(u), len(u.Host), maxHost)
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("url %s: got the scheme %q, want https or http", Redact(u), shorten(u.Scheme, maxShown))
	case u.Host == "":
		return nil, fmt.Errorf("url %s: got no host", Redact(u))
	case u.User != nil:
		return nil, fmt.Errorf("url %s: got a user or password in it, want none", Redact(u))
	}
	u.Fragment = ""
	return u, nil
}

// maxShown is how much of a URL is shown, in bytes: two lines of a terminal, and more than a forge's own need.
const maxShown = 200

// Redact returns a URL that can be shown: without user, password, query and fragment, which may hold secrets,
// and in at most 200 bytes, as a redirect's may have a path of any length.
func Redact(u *url.URL) string {
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	return shorten(shown.String(), maxShown)
}

// shorten returns a text of at most so many bytes, with "…" at its end where it was longer.
func shorten(text string, most int) string {
	const more = "…"
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-len(more)], "") + more
}

// accept judges an answer: what is no answer to the request is an error.
func (c *Client) accept(req Request, u *url.URL, resp *http.Response, b *body) error {
	status := resp.StatusCode
	switch {
	case status == http.StatusOK, slices.Contains(req.Also, status):
	case isRedirect(status) && resp.Header.Get("Location") != "":
		return nil
	default:
		return c.statusError(req, u, resp, b)
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if req.Want != Anything && status == http.StatusOK && (kind == "text/html" || strings.HasPrefix(kind, "application/xhtml")) {
		return portal(fmt.Errorf("%s %s: got a web page, want %s", req.Method, Redact(u), req.Want))
	}
	return nil
}

// String says what a request is made for.
func (c Content) String() string { return [...]string{"an answer", "JSON", "a file"}[c] }
