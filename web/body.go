package web

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"moult/fault"
)

// errSilent is why a request ends whose server says nothing more, errSlow of one that says next to nothing, for ever.
var (
	errSilent = errors.New("the server fell silent")
	errSlow   = errors.New("the server sends next to nothing")
)

// body is an answer's body: counted, bounded, and ended when the server falls silent.
type body struct {
	c           *Client
	req         Request
	u           *url.URL
	parent, ctx context.Context
	cancel      context.CancelCauseFunc
	r           io.ReadCloser
	left, total int64
	received    int64
	err         error

	waited time.Duration // for the bytes since the last look at the rate
	came   int64         // those bytes
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	stop := b.c.opt.After(b.c.opt.Silence, func() { b.cancel(errSilent) })
	asked := b.c.opt.Now()
	n, err := b.r.Read(p)
	stop()
	if err == nil {
		err = b.tooSlow(n, b.c.opt.Now().Sub(asked))
	}
	b.received += int64(n)
	b.req.Meter.Received += int64(n)
	if n > 0 && b.req.Meter.Progress != nil {
		b.req.Meter.Progress(b.received, b.total)
	}
	if b.left -= int64(n); b.left < 0 {
		err = fmt.Errorf("%s %s: got more than %d bytes", b.req.Method, Redact(b.u), b.c.opt.MaxBytes)
		n = 0
	} else if err != nil && err != io.EOF {
		err = b.failed(err)
	}
	b.err = err
	return n, err
}

// tooSlow ends a body that keeps a device waiting without ever falling silent. What the device itself takes its time for does not count.
func (b *body) tooSlow(n int, waited time.Duration) error {
	b.came += int64(n)
	if b.waited += waited; b.waited < time.Minute {
		return nil
	}
	if b.came < b.c.opt.MinRate {
		b.cancel(errSlow)
		return errSlow
	}
	b.waited, b.came = 0, 0
	return nil
}

// failed says why a body could not be read to its end.
func (b *body) failed(err error) error {
	switch cause := context.Cause(b.ctx); {
	case b.parent.Err() != nil:
		return b.c.ended(b.parent, b.req, b.u)
	case cause != nil:
		err = cause
	}
	err = fmt.Errorf("%s %s: body cut after %d bytes: %w", b.req.Method, Redact(b.u), b.received, err)
	return fault.Transient(fault.Hint(err, "the connection broke; the download starts again by itself"))
}

// maxDrain is how much of an unread body is read so that the connection can serve again: less than a new TLS handshake costs.
const maxDrain = 4 << 10

// Close ends the answer.
func (b *body) Close() error {
	for buf := make([]byte, 512); b.err == nil && b.total >= 0 && b.total-b.received <= maxDrain; {
		b.Read(buf)
	}
	b.err = errors.New("read of a closed body")
	err := b.r.Close()
	b.cancel(nil)
	return err
}

// GetJSON makes a request and reads its JSON into v, unless the answer has no content to read (304, or a redirect that stays).
func (c *Client) GetJSON(ctx context.Context, req Request, v any) (*Response, error) {
	req.Want = JSON
	if req.Header = req.Header.Clone(); req.Header == nil {
		req.Header = http.Header{}
	}
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := c.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.Status != http.StatusOK {
		return resp, nil
	}
	if err := c.decode(resp, v); err != nil {
		return nil, fmt.Errorf("read the JSON of %s: %w", Redact(resp.URL), err)
	}
	return resp, nil
}

// Probe asks a URL what is there, without a token: it returns the status, whatever it is, and the JSON of a short answer in v
// where it is JSON. Redirects are not followed. Only a request that brings no answer at all is an error.
func (c *Client) Probe(ctx context.Context, address string, v any) (status int, err error) {
	bare := *c
	bare.access = nil
	resp, err := bare.Do(ctx, Request{URL: address, Stay: true, Header: http.Header{"Accept": {"application/json"}}})
	var refused *StatusError
	if errors.As(err, &refused) {
		json.Unmarshal(refused.body, v) // what is no JSON tells nothing
		return refused.Status, nil
	}
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	if err == nil {
		json.Unmarshal(data, v)
	}
	return resp.Status, err
}

func (c *Client) decode(resp *Response, v any) error {
	var r io.Reader = resp.Body
	if strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		unzip, err := gzip.NewReader(r)
		if err != nil {
			return cut(err)
		}
		r = unzip
	}
	data, err := io.ReadAll(io.LimitReader(r, c.opt.MaxJSON+1))
	if err != nil {
		return cut(err)
	}
	if int64(len(data)) > c.opt.MaxJSON {
		return fault.Hint(fmt.Errorf("got more than %d bytes", c.opt.MaxJSON), wrongForge)
	}
	if err := json.Unmarshal(data, v); err != nil {
		var shape *json.UnmarshalTypeError
		if errors.As(err, &shape) {
			return fault.Hint(fmt.Errorf("got another shape than is documented: %w", err), wrongForge)
		}
		return portal(fmt.Errorf("got what is no JSON: %w", err))
	}
	return nil
}

// cut marks an answer that ended early.
func cut(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.Transient(err)
	}
	return err
}
