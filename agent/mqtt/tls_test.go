package mqtt_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moult/agent/mqtt"
	"moult/agent/mqtt/brokertest"
)

// authority signs certificates, for a test.
type authority struct {
	t    *testing.T
	dir  string
	File string // its own certificate
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.cert = &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	a.File, _, a.key = a.sign(name, a.cert)
	return a
}

// issue makes a certificate and its key, with what change changes.
func (a *authority) issue(name string, change func(*x509.Certificate)) (cert, key string) {
	a.t.Helper()
	c := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(c)
	}
	cert, key, _ = a.sign(name, c)
	return cert, key
}

func (a *authority) sign(name string, c *x509.Certificate) (cert, key string, private *ecdsa.PrivateKey) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(a.t, err)
	parent, signer := a.cert, a.key
	if signer == nil {
		signer = private
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, private.Public(), signer)
	must(a.t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	must(a.t, err)
	cert, key = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")
	must(a.t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(a.t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	return cert, key, private
}

// TestConnect tries what a broker may want against what a device has. Where it does not fit, the log says why, and what to do.
func TestConnect(t *testing.T) {
	ca, other := newAuthority(t, "ca"), newAuthority(t, "other")
	cert, key := ca.issue("broker", nil)
	expired, expiredKey := ca.issue("expired", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	elsewhere, elsewhereKey := ca.issue("elsewhere", func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"broker.example"} })
	device, deviceKey := ca.issue("device", nil)
	stranger, strangerKey := other.issue("stranger", nil)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	must(t, os.WriteFile(empty, nil, 0o600))
	users := map[string]string{"garden": "s3cret/pass:word"}
	const online = ": online"
	tests := []struct {
		name   string
		broker brokertest.Config
		scheme string
		user   string
		change func(*mqtt.Options)
		want   string // in the log
	}{
		{name: "plain", scheme: "mqtt", want: online},
		{name: "user and password", broker: brokertest.Config{Users: users}, scheme: "mqtt", user: "garden:s3cret%2Fpass%3Aword@", want: online},
		{name: "another password", broker: brokertest.Config{Users: users}, scheme: "mqtt", user: "garden:hunter2@",
			want: "connect: not authorised: the broker refuses this user and password, or the lack of them (see mqtt.url in the configuration, and the broker's users)"},
		{name: "no user", broker: brokertest.Config{Users: users}, scheme: "mqtt", want: "not authorised"},
		{name: "WebSockets", broker: brokertest.Config{WebSockets: true}, scheme: "ws", want: online},
		{name: "WebSockets with TLS and user", broker: brokertest.Config{WebSockets: true, Cert: cert, Key: key, Users: users}, scheme: "wss", user: "garden:s3cret%2Fpass%3Aword@",
			change: func(opt *mqtt.Options) { opt.CA = ca.File }, want: online},
		{name: "no WebSockets there", scheme: "ws", want: "connect: "},
		{name: "TLS", broker: brokertest.Config{Cert: cert, Key: key}, scheme: "mqtts",
			change: func(opt *mqtt.Options) { opt.CA = ca.File }, want: online},
		{name: "TLS, the system's CAs", broker: brokertest.Config{Cert: cert, Key: key}, scheme: "mqtts",
			want: "certificate signed by unknown authority (if the broker has a CA of its own, give its certificate as mqtt.ca)"},
		{name: "TLS, another CA", broker: brokertest.Config{Cert: cert, Key: key}, scheme: "mqtts",
			change: func(opt *mqtt.Options) { opt.CA = other.File }, want: "(is " + other.File + " the CA that signed the broker's certificate?)"},
		{name: "TLS, an expired certificate", broker: brokertest.Config{Cert: expired, Key: expiredKey}, scheme: "mqtts",
			change: func(opt *mqtt.Options) { opt.CA = ca.File }, want: "(is the device's clock right? It says 20"},
		{name: "TLS, a clock at 1970", broker: brokertest.Config{Cert: cert, Key: key}, scheme: "mqtts",
			change: func(opt *mqtt.Options) {
				opt.CA, opt.Now = ca.File, func() time.Time { return time.Unix(100, 0) }
			},
			want: "(is the device's clock right? It says 1970-01-01 00:01 UTC)"},
		{name: "TLS, a certificate for another name", broker: brokertest.Config{Cert: elsewhere, Key: elsewhereKey}, scheme: "mqtts",
			change: func(opt *mqtt.Options) { opt.CA = ca.File }, want: "(use the name that the broker's certificate is for)"},
		{name: "a client certificate", broker: brokertest.Config{Cert: cert, Key: key, CA: ca.File}, scheme: "mqtts",
			change: func(opt *mqtt.Options) { opt.CA, opt.Cert, opt.Key = ca.File, device, deviceKey }, want: online},
		{name: "no client certificate", broker: brokertest.Config{Cert: cert, Key: key, CA: ca.File}, scheme: "mqtts",
			change: func(opt *mqtt.Options) { opt.CA = ca.File }, want: "mqtt.cert and mqtt.key)"},
		{name: "a stranger's client certificate", broker: brokertest.Config{Cert: cert, Key: key, CA: ca.File}, scheme: "mqtts",
			change: func(opt *mqtt.Options) { opt.CA, opt.Cert, opt.Key = ca.File, stranger, strangerKey }, want: "mqtt.cert and mqtt.key)"},
		{name: "TLS where there is none", scheme: "mqtts", change: func(opt *mqtt.Options) { opt.CA = ca.File }, want: "connect: "},
		{name: "none where there is TLS", broker: brokertest.Config{Cert: cert, Key: key}, scheme: "mqtt", want: "connect: "},
		{name: "no CA file", scheme: "mqtts", change: func(opt *mqtt.Options) { opt.CA = "/nowhere/ca.pem" }, want: "connect: open /nowhere/ca.pem: no such file"},
		{name: "an empty CA file", scheme: "mqtts", change: func(opt *mqtt.Options) { opt.CA = empty }, want: "got no certificate, want at least one in PEM"},
		{name: "a key that is another's", scheme: "mqtts", change: func(opt *mqtt.Options) { opt.Cert, opt.Key = device, strangerKey },
			want: "the device's certificate: tls: private key does not match"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := brokertest.Start(t, test.broker)
			d := run(t, test.scheme+"://"+test.user+b.Host, newJournal(t), test.change)
			defer func() {
				if t.Failed() {
					t.Log(b.Log())
				}
			}()
			d.logged.wait(t, test.want)
			if test.want == online {
				d.record("e1")
				for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
					if sent, err := d.journal.Sent(); err != nil || time.Now().After(deadline) {
						t.Fatalf("the event is not sent: %v", err)
					} else if sent == 1 {
						break
					}
				}
			}
			must(t, d.end())
			log := d.logged.String()
			for _, secret := range []string{"s3cret", "hunter2", "garden:"} {
				if strings.Contains(log, secret) {
					t.Errorf("%q is in the log:\n%s", secret, log)
				}
			}
			t.Log(log)
		})
	}
}

// TestRenewedCA: certificates are read again at the next connection.
func TestRenewedCA(t *testing.T) {
	ca, other := newAuthority(t, "ca"), newAuthority(t, "other")
	cert, key := ca.issue("broker", nil)
	b := brokertest.Start(t, brokertest.Config{Cert: cert, Key: key})
	file := filepath.Join(t.TempDir(), "ca.pem")
	install := func(from string) {
		data, err := os.ReadFile(from)
		must(t, err)
		must(t, os.WriteFile(file+".new", data, 0o600))
		must(t, os.Rename(file+".new", file))
	}
	install(other.File)
	d := run(t, "mqtts://"+b.Host, newJournal(t), func(opt *mqtt.Options) { opt.CA = file })
	d.logged.wait(t, "unknown authority")
	install(ca.File)
	d.logged.wait(t, ": online")
}

// TestOldTLS: a server that offers no more than TLS 1.1 is refused by the device itself.
func TestOldTLS(t *testing.T) {
	ca := newAuthority(t, "ca")
	cert, key := ca.issue("broker", nil)
	pair, err := tls.LoadX509KeyPair(cert, key)
	must(t, err)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).Handshake() // it must fail; the device says how
			conn.Close()
		}
	}()
	d := run(t, "mqtts://"+l.Addr().String(), newJournal(t), func(opt *mqtt.Options) { opt.CA = ca.File })
	d.logged.wait(t, "protocol version")
}
