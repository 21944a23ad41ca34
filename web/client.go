// Package web is HTTP for devices: requests to forges over networks that fail, lie and stall.
//
// It guards tokens and patience. Parties: the device, the hosts it asks, and whoever stands between or is redirected to.
// Threats: a token that leaves for a host it is not for, or over an unencrypted wire; a redirect from https to http;
// an answer without end or without bytes; a login page taken for an archive. A token goes only to the very host and port
// that it is for, over https (or http on loopback), and no longer once a redirect led elsewhere. Certificates are always verified.
//
// It stands on fault and release.
package web

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"moult/clock"
)

// Options are what a Client is made of; the zero Options are good ones.
type Options struct {
	Version string         // of this program, for User-Agent: moult/VERSION
	RootCAs *x509.CertPool // nil: the system's

	Tries    int           // of one request; 0: 4
	MaxWait  time.Duration // between two tries; an answer that asks for more is an error; 0: 30 s, what a person would wait
	Dial     time.Duration // to connect, and again for TLS; 0: 20 s, as a small board's TLS takes its time
	Silence  time.Duration // the longest that a server may be silent, before its answer and within a body; 0: 30 s
	MinRate  int64         // the fewest bytes of a body within a minute of waiting for it, unless it ends; 0: 6,000, a tenth of what a bad link brings
	MaxJSON  int64         // the longest JSON answer, unpacked; 0: 8 MiB
	MaxBytes int64         // the longest other body; 0: 4 GiB

	// What a test controls; each may be nil.
	Sleep  func(context.Context, time.Duration) error    // between two tries
	Jitter func(time.Duration) time.Duration             // of [0, d)
	Now    func() time.Time                              // to say how long a rate limit lasts, and to see a server that is too slow
	Proxy  func(*http.Request) (*url.URL, error)         // of a request's URL; nil: http.ProxyFromEnvironment, which spares loopback
	After  func(d time.Duration, f func()) (stop func()) // calls f after d of silence unless stopped
}

// Client makes requests. It is safe for use by several goroutines; what [Client.With] gives shares its connections.
type Client struct {
	opt       Options
	transport *http.Transport
	access    []Access
}

// Access is a token, and the one host that it is for.
type Access struct {
	Host   string // with its port, as HostPort gives it: "api.github.com:443"
	Header string // "Authorization", "PRIVATE-TOKEN"
	Value  string // the whole header value; "" where there is no token
	Key    string // where a person sets it, for hints: "github.token"
}

// New returns a Client with opt.
func New(opt Options) *Client {
	set(&opt.Tries, 4)
	set(&opt.MaxWait, 30*time.Second)
	set(&opt.Dial, 20*time.Second)
	set(&opt.Silence, 30*time.Second)
	set(&opt.MinRate, 6000)
	set(&opt.MaxJSON, 8<<20)
	set(&opt.MaxBytes, 4<<30)
	if opt.Version == "" {
		opt.Version = "dev"
	}
	if opt.Sleep == nil {
		opt.Sleep = clock.Sleep
	}
	if opt.Jitter == nil {
		opt.Jitter = func(d time.Duration) time.Duration { return rand.N(d) }
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Proxy == nil {
		opt.Proxy = http.ProxyFromEnvironment
	}
	if opt.After == nil {
		opt.After = func(d time.Duration, f func()) func() { t := time.AfterFunc(d, f); return func() { t.Stop() } }
	}
	return &Client{opt: opt, transport: &http.Transport{
		Proxy:                  opt.Proxy,
		OnProxyConnectResponse: connected,
		DialContext:            (&net.Dialer{Timeout: opt.Dial, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: opt.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    opt.Dial,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,      // bytes are counted as they come
		MaxResponseHeaderBytes: 256 << 10, // GitHub's are 6 KiB
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        30 * time.Second,
		ExpectContinueTimeout:  time.Second,
	}}
}

// set gives an option its default.
func set[T int | int64 | time.Duration](option *T, otherwise T) {
	if *option == 0 {
		*option = otherwise
	}
}

// With returns a Client that has one more access. It refuses a token that no header can carry.
func (c *Client) With(a Access) (*Client, error) {
	if strings.ContainsFunc(a.Value, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
		return nil, fmt.Errorf("%s: got a token with a line break or another character that no header can carry", a.Key)
	}
	with := *c
	with.access = append(slices.Clip(c.access), a)
	return &with, nil
}

// Close drops the connections that wait for further use.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// accessFor returns the access that a URL's host has; ok is false where no token may go there.
func (c *Client) accessFor(u *url.URL) (a Access, ok bool) {
	for _, a := range c.access {
		if a.Host == HostPort(u) {
			return a, a.Value != "" && (u.Scheme == "https" || u.Scheme == "http" && IsLoopback(u.Hostname()))
		}
	}
	return Access{}, false
}

// HostPort returns a URL's host in lower case and its port, which may be the scheme's own.
func HostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// IsLoopback reports whether a URL's host is this machine itself.
func IsLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
