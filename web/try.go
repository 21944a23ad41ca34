package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"moult/fault"
)

// firstWait is the longest wait before the second try; it doubles with each further one.
const firstWait = time.Second

// try makes one hop of a request, again where that may help: the network failed, or the server is busy.
// The wait is chosen at random up to a bound that doubles, so that many devices do not come back at once.
func (c *Client) try(ctx context.Context, req Request, u *url.URL, withToken bool) (*Response, error) {
	bound := min(firstWait, c.opt.MaxWait)
	for n := 1; ; n++ {
		resp, err := c.once(ctx, req, u, withToken)
		again := req.Method == http.MethodGet || req.Method == http.MethodHead // the others may have done their work
		if err == nil || ctx.Err() != nil || !again || !fault.IsTransient(err) || n >= c.opt.Tries {
			return resp, err
		}
		wait := c.opt.Jitter(bound)
		if asked, ok := askedWait(err); ok {
			if asked > c.opt.MaxWait {
				return nil, err
			}
			wait = max(wait, asked)
		}
		if c.opt.Sleep(ctx, wait) != nil || ctx.Err() != nil {
			return nil, c.ended(ctx, req, u)
		}
		bound = min(2*bound, c.opt.MaxWait)
	}
}

// askedWait returns how long the server wants us to wait.
func askedWait(err error) (time.Duration, bool) {
	var status *StatusError
	if !errors.As(err, &status) || status.Wait == 0 {
		return 0, false
	}
	return status.Wait, true
}

// once sends a request to one URL and takes the answer's head.
func (c *Client) once(parent context.Context, req Request, u *url.URL, withToken bool) (*Response, error) {
	if parent.Err() != nil {
		return nil, c.ended(parent, req, u)
	}
	ctx, cancel := context.WithCancelCause(parent)
	wire, err := http.NewRequestWithContext(ctx, req.Method, u.String(), nil)
	if err != nil {
		cancel(nil)
		return nil, errors.New("url: got what is no URL")
	}
	for name, values := range req.Header {
		wire.Header[http.CanonicalHeaderKey(name)] = values
	}
	wire.Header.Set("User-Agent", "moult/"+c.opt.Version)
	if a, ok := c.accessFor(u); ok && withToken {
		wire.Header.Set(a.Header, a.Value)
	}
	req.Meter.Requests++
	stop := c.opt.After(c.opt.Silence, func() { cancel(errSilent) })
	resp, err := c.transport.RoundTrip(wire)
	stop()
	if err != nil {
		cause := context.Cause(ctx)
		cancel(nil)
		if parent.Err() != nil {
			return nil, c.ended(parent, req, u)
		}
		if cause != nil {
			err = cause
		}
		return nil, c.networkError(req, u, err)
	}
	body := &body{c: c, req: req, u: u, parent: parent, ctx: ctx, cancel: cancel, r: resp.Body, left: c.opt.MaxBytes, total: resp.ContentLength}
	if err := c.accept(req, u, resp, body); err != nil {
		body.Close()
		return nil, err
	}
	return &Response{Status: resp.StatusCode, Header: resp.Header, URL: u, Length: resp.ContentLength, Body: body}, nil
}

// retryAfter reads how long a server that refuses or has trouble wants us to wait: the header of RFC 9110, clause 10.2.3,
// and GitHub's own of its rate limit; 0 is none.
func (c *Client) retryAfter(resp *http.Response) time.Duration {
	limits := resp.StatusCode == http.StatusForbidden || resp.StatusCode == http.StatusTooManyRequests
	if !limits && resp.StatusCode < 500 && resp.StatusCode != http.StatusRequestTimeout {
		return 0
	}
	text := resp.Header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(c.opt.Now()), 0)
	}
	if limits && resp.Header.Get("X-RateLimit-Remaining") == "0" {
		if seconds, err := strconv.ParseInt(resp.Header.Get("X-RateLimit-Reset"), 10, 40); err == nil {
			return max(time.Unix(seconds, 0).Sub(c.opt.Now()), time.Second) // a clock that is ahead gives no time in the past
		}
	}
	return 0
}
