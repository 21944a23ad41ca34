package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"moult/fault"
)

// errProxyAuth is why a proxy lets nothing through: RFC 9110, clause 15.5.8.
var errProxyAuth = errors.New("the proxy wants a user and password")

// proxyStatus is a proxy's answer to CONNECT where it makes no tunnel.
type proxyStatus int

func (s proxyStatus) Error() string {
	return fmt.Sprintf("the proxy makes no connection: got status %d %s", int(s), http.StatusText(int(s)))
}

// connected judges a proxy's answer to CONNECT, of which net/http would keep no more than the words.
func connected(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	switch resp.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusProxyAuthRequired:
		return errProxyAuth
	}
	return proxyStatus(resp.StatusCode)
}

// hasProxy reports whether a proxy stands between us and a URL.
func (c *Client) hasProxy(u *url.URL) bool {
	proxy, err := c.opt.Proxy(&http.Request{URL: u})
	return proxy != nil && err == nil
}

// proxyError says in a person's words what is wrong with the proxy to u; nil where err is not the proxy's.
// It shows the proxy's host and port at most, as its user and password stand in its URL.
func proxyError(req Request, u *url.URL, err error) error {
	var (
		setting = u.Scheme + "_proxy" // where http.ProxyFromEnvironment finds it
		without = ", or name " + u.Hostname() + " in no_proxy where it is reached without a proxy"
		status  proxyStatus
		dial    *net.OpError
		dns     *net.DNSError
		verify  *tls.CertificateVerificationError
		noTLS   tls.RecordHeaderError
	)
	asked := func(says string) error { return fmt.Errorf("%s %s: %s: %w", req.Method, Redact(u), says, err) }
	switch {
	case errors.Is(err, errProxyAuth):
		return fault.Hint(fmt.Errorf("%s %s: %w", req.Method, Redact(u), err), "put the right ones into "+setting+", as in http://USER:PASSWORD@HOST:PORT, with / @ # and % in them written as %2F %40 %23 and %25")
	case errors.As(err, &status):
		err = fault.Hint(fmt.Errorf("%s %s: %w", req.Method, Redact(u), err), "ask who runs the proxy whether it lets "+u.Hostname()+" through; check "+setting+without)
		if status >= 500 {
			return fault.Transient(err)
		}
		return err
	case !errors.As(err, &dial) || dial.Op != "proxyconnect": // net/http's word for all until the proxy is reached
		return nil
	case errors.As(err, &dns):
		return fault.Transient(fault.Hint(asked("the proxy's name "+dns.Name+" was not found"), "check "+setting+", the network and its DNS"+without))
	case errors.As(err, &verify):
		return fault.Hint(asked("the proxy's certificate does not convince"), "check the clock and "+setting+", and install the certificate of the authority that signed the proxy's")
	case errors.As(err, &noTLS):
		return fault.Hint(asked("the proxy does not speak TLS"), "write http:// before the proxy's host in "+setting)
	}
	return fault.Transient(fault.Hint(asked("the proxy does not answer"), "check "+setting+" and that the proxy runs"+without))
}
