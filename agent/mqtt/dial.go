package mqtt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"moult/fault"
)

// connectTime bounds a connection's opening, TLS and MQTT's greeting included: a board's TLS over a bad link takes seconds.
const connectTime = 20 * time.Second

var ports = map[string]string{"mqtt": "1883", "mqtts": "8883", "ws": "80", "wss": "443"}

// parseURL takes user and password out of a broker's URL. No error of it shows any of the URL.
func parseURL(text string) (*url.URL, *url.Userinfo, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, nil, errors.New("got what is no broker's URL, want one such as mqtt://user:password@broker:1883")
	}
	port, known := ports[u.Scheme]
	if !known {
		return nil, nil, errors.New("got a broker's URL of another kind, want one that begins with mqtt://, mqtts://, ws:// or wss://")
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	if strings.HasPrefix(u.Scheme, "ws") && strings.Trim(u.Path, "/") == "" {
		u.Path = "/mqtt" // as EMQX and HiveMQ have it; mosquitto takes any
	}
	user := u.User
	u.User = nil
	return u, user, nil
}

func (c *Client) secure() bool { return c.broker.Scheme == "mqtts" || c.broker.Scheme == "wss" }

// tlsConfig reads the certificates. They are read at every connection, so that renewed ones are taken.
func (c *Client) tlsConfig() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.broker.Hostname(), Time: c.opt.Now}
	if c.opt.CA != "" {
		pem, err := os.ReadFile(c.opt.CA)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: got no certificate, want at least one in PEM", c.opt.CA)
		}
	}
	if c.opt.Cert != "" {
		own, err := tls.LoadX509KeyPair(c.opt.Cert, c.opt.Key)
		if err != nil {
			return nil, fmt.Errorf("the device's certificate: %w", err)
		}
		conf.Certificates = []tls.Certificate{own}
	}
	return conf, nil
}

// open opens the connection that MQTT runs over.
func (c *Client) open(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	var conf *tls.Config
	if c.secure() {
		var err error
		if conf, err = c.tlsConfig(); err != nil {
			return nil, err
		}
	}
	switch c.broker.Scheme {
	case "ws", "wss":
		return paho.NewWebsocket(c.broker.String(), conf, connectTime, nil, nil)
	case "mqtts":
		return (&tls.Dialer{Config: conf}).DialContext(ctx, "tcp", c.broker.Host)
	default:
		return (&net.Dialer{}).DialContext(ctx, "tcp", c.broker.Host)
	}
}

// explain says what a connection's failure means, and what a person can do about it.
func (c *Client) explain(err error) error {
	var (
		invalid  x509.CertificateInvalidError
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		record   tls.RecordHeaderError
		remote   *net.OpError
	)
	hint := ""
	if both, ok := err.(interface{ Unwrap() []error }); ok && errors.Is(err, packets.ErrorNetworkError) {
		err = both.Unwrap()[1] // the first says no more than that there was one
	}
	switch {
	case errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword), errors.Is(err, packets.ErrorRefusedNotAuthorised):
		err, hint = errors.New("not authorised: the broker refuses this user and password, or the lack of them"), "see mqtt.url in the configuration, and the broker's users"
	case errors.Is(err, packets.ErrorRefusedIDRejected):
		err, hint = fmt.Errorf("the broker refuses the client id %q", c.opt.ClientID), "it may want another one for this user"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		hint = fmt.Sprintf("is the device's clock right? It says %s", c.opt.Now().UTC().Format("2006-01-02 15:04 MST"))
	case errors.As(err, &unknown):
		hint = "if the broker has a CA of its own, give its certificate as mqtt.ca"
		if c.opt.CA != "" {
			hint = fmt.Sprintf("is %s the CA that signed the broker's certificate?", c.opt.CA)
		}
	case errors.As(err, &hostname):
		hint = "use the name that the broker's certificate is for"
	case errors.As(err, &record):
		hint = "the broker speaks no TLS at this port; is it one of mqtt://?"
	case errors.As(err, &remote) && remote.Op == "remote error":
		hint = "the broker wants another client certificate, or one at all: mqtt.cert and mqtt.key"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF):
		hint = "the broker hung up; does it want TLS at this port (mqtts://)?"
		if c.secure() {
			hint = "the broker hung up; does it speak TLS at this port, and want no client certificate (mqtt.cert and mqtt.key)?"
		}
	}
	return fault.Transient(hinted(plain(err), hint))
}

// plain leaves out of an error between which ports it was: that is another one each time, and would be logged each time.
func plain(err error) error {
	var op *net.OpError
	if !errors.As(err, &op) || op.Source == nil {
		return err
	}
	if op.Timeout() {
		return errors.New("the broker does not answer")
	}
	return op.Err
}

func hinted(err error, hint string) error {
	if hint == "" {
		return err
	}
	return fault.Hint(err, hint)
}
