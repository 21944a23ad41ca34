package web

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"moult/fault"
	"moult/release"
)

// StatusError is an answer of a status that was not asked for. A 404 or 410 is a release.ErrNotFound too.
type StatusError struct {
	Method  string
	URL     string // as Redact shows it
	Status  int
	Message string        // what the server said, in short; may be ""
	Limited bool          // the server counts our requests, and they are used up
	Wait    time.Duration // how long it wants us to wait; 0 where it does not say
	Until   time.Time     // the end of Wait

	body []byte // its beginning
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("%s %s: got status %d %s", e.Method, e.URL, e.Status, http.StatusText(e.Status))
	if e.Message != "" && !strings.EqualFold(e.Message, http.StatusText(e.Status)) {
		text += fmt.Sprintf(" (%s)", e.Message)
	}
	if e.Limited {
		text += ", the limit of requests is used up"
	}
	if !e.Until.IsZero() {
		text += ", try again after " + e.Until.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	return text
}

// Unwrap makes a 404 a release.ErrNotFound.
func (e *StatusError) Unwrap() error {
	if e.Status == http.StatusNotFound || e.Status == http.StatusGone {
		return release.ErrNotFound
	}
	return nil
}

// wrongForge is the hint where a server speaks otherwise than it should.
const wrongForge = `check the url, and that "forge" names what answers there`

// maxMessage is how much of a server's own words is shown, in bytes.
const maxMessage = 120

func (c *Client) statusError(req Request, u *url.URL, resp *http.Response, b *body) error {
	if resp.StatusCode == http.StatusProxyAuthRequired {
		return proxyError(req, u, errProxyAuth)
	}
	e := &StatusError{Method: req.Method, URL: Redact(u), Status: resp.StatusCode, Wait: c.retryAfter(resp)}
	e.body, _ = io.ReadAll(io.LimitReader(b, maxRefusal)) // the status says enough where the body breaks
	e.Message = message(e.body)
	if e.Wait > 0 {
		e.Until = c.opt.Now().Add(e.Wait)
	}
	a, hasToken := c.accessFor(u)
	key := a.Key
	if n := len(c.access); key == "" && n > 0 {
		key = c.access[n-1].Key // a host that the forge itself sent us to
	}
	if key == "" {
		key = "a token for " + u.Host
	}
	limited := e.Status == http.StatusForbidden && (e.Wait > 0 || resp.Header.Get("X-RateLimit-Remaining") == "0")
	switch {
	case limited, e.Status == http.StatusTooManyRequests:
		e.Limited = true
		if hasToken {
			return fault.Transient(fault.Hint(e, "wait, or check less often"))
		}
		return fault.Transient(fault.Hint(e, "wait, or set "+key+", which has a higher limit"))
	case e.Status == http.StatusUnauthorized, e.Status == http.StatusForbidden:
		if hasToken {
			return fault.Hint(e, "check "+key+": it may have expired, or not be allowed to read this repository")
		}
		return fault.Hint(e, "set "+key+" to one that may read this repository")
	case e.Status == http.StatusNotFound, e.Status == http.StatusGone:
		if hasToken {
			return fault.Hint(e, "check the url, and that "+key+" may read this repository")
		}
		return fault.Hint(e, "check the url; where the repository is private, set "+key)
	case e.Status == http.StatusNetworkAuthenticationRequired: // RFC 6585, clause 6
		return portal(e)
	case e.Status == http.StatusRequestTimeout, e.Status >= 500:
		return fault.Transient(fault.Hint(e, "the server has trouble; try again later"))
	}
	return fault.Hint(e, wrongForge)
}

// maxRefusal is how much is read of an answer that refuses, in bytes; GitHub's are below 300, GitHub Enterprise's /meta is longer.
const maxRefusal = 64 << 10

// message returns a server's own word on an error, harmless to show.
func message(body []byte) string {
	var said struct{ Message string }
	if json.Unmarshal(body, &said) != nil {
		return ""
	}
	return shorten(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, said.Message), maxMessage)
}

// portal marks an answer that another party than the server gave.
func portal(err error) error {
	return fault.Transient(fault.Hint(err, "a login page or captive portal answered; check the network that the device is in"))
}

// ended is the error of a request whose context has ended.
func (c *Client) ended(ctx context.Context, req Request, u *url.URL) error {
	return fmt.Errorf("%s %s: %w", req.Method, Redact(u), ctx.Err())
}

// networkError says in a person's words why no answer came. All but a certificate that does not convince may pass by itself.
func (c *Client) networkError(req Request, u *url.URL, err error) error {
	if err := proxyError(req, u, err); err != nil {
		return err
	}
	network := "the network"
	if c.hasProxy(u) {
		network += ", the proxy and " + u.Scheme + "_proxy"
	}
	err = fmt.Errorf("%s %s: %w", req.Method, Redact(u), err)
	var (
		dns      *net.DNSError
		unknown  x509.UnknownAuthorityError
		wrong    x509.HostnameError
		invalid  x509.CertificateInvalidError
		verify   *tls.CertificateVerificationError
		noTLS    tls.RecordHeaderError
		timedOut net.Error
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		if c.opt.Now().Before(invalid.Cert.NotBefore) {
			return fault.Hint(err, "the server's certificate is not yet valid: the device's clock is behind; set the clock")
		}
		return fault.Hint(err, "the server's certificate has expired, or the device's clock is ahead; check the clock")
	case errors.As(err, &unknown):
		return fault.Hint(err, "who signed the server's certificate is not known here: install that authority's certificate, or check whether a login page answers in the server's place")
	case errors.As(err, &wrong):
		return fault.Hint(err, "the certificate is another host's: check the url, or whether a login page answers in the server's place")
	case errors.As(err, &invalid), errors.As(err, &verify):
		return fault.Hint(err, "the server's certificate is not valid")
	case errors.As(err, &noTLS):
		return fault.Hint(err, "the server does not speak TLS there: check the url's port and whether it is http")
	case errors.Is(err, errSilent):
		return fault.Transient(fault.Hint(err, "the server gave no answer in time; check "+network+" and try again later"))
	case errors.As(err, &dns):
		return fault.Transient(fault.Hint(err, "the name "+dns.Name+" was not found: check the url, the network and its DNS"))
	case errors.Is(err, syscall.ECONNREFUSED):
		return fault.Transient(fault.Hint(err, "nothing listens there: check the url's host and port, and that the server runs"))
	case errors.As(err, &timedOut) && timedOut.Timeout():
		return fault.Transient(fault.Hint(err, "the server gave no answer in time; check "+network+" and try again later"))
	}
	return fault.Transient(fault.Hint(err, "check "+network))
}
