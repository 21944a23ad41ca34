package web_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"moult/fault"
	"moult/release"
	"moult/web"
)

// quick returns options that wait for nothing and note the waits.
func quick(waits *[]time.Duration) web.Options {
	return web.Options{
		Version: "1.2.3",
		Sleep: func(ctx context.Context, d time.Duration) error {
			if waits != nil {
				*waits = append(*waits, d)
			}
			return ctx.Err()
		},
		Jitter: func(d time.Duration) time.Duration { return d },
		Now:    func() time.Time { return time.Unix(1_700_000_000, 0) },
	}
}

func serve(t *testing.T, h http.HandlerFunc) string {
	server := httptest.NewServer(h)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return server.URL
}

func TestRetries(t *testing.T) {
	seconds := func(list ...float64) (waits []time.Duration) {
		for _, s := range list {
			waits = append(waits, time.Duration(s*float64(time.Second)))
		}
		return waits
	}
	for _, c := range []struct {
		name   string
		status int
		header map[string]string
		waits  []time.Duration
		asked  int
	}{
		{"backs off and doubles", 500, nil, seconds(1, 2, 4), 4},
		{"as long as the server asks", 503, map[string]string{"Retry-After": "7"}, seconds(7, 7, 7), 4},
		{"no less than its own wait", 503, map[string]string{"Retry-After": "1"}, seconds(1, 2, 4), 4},
		{"until a date", 429, map[string]string{"Retry-After": time.Unix(1_700_000_009, 0).UTC().Format(http.TimeFormat)}, seconds(9, 9, 9), 4},
		{"not where it asks for too much", 429, map[string]string{"Retry-After": "31"}, nil, 1},
		{"until a rate limit ends", 403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1700000020"}, seconds(20, 20, 20), 4},
		{"not where a rate limit lasts", 403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1700003600"}, nil, 1},
		{"a rate limit that is over", 429, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}, seconds(1, 2, 4), 4},
		{"a nonsense wait", 503, map[string]string{"Retry-After": "-5 weeks"}, seconds(1, 2, 4), 4},
		{"not what is final", 404, map[string]string{"Retry-After": "1", "X-RateLimit-Remaining": "0"}, nil, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked := 0
			address := serve(t, func(w http.ResponseWriter, r *http.Request) {
				asked++
				for name, value := range c.header {
					w.Header().Set(name, value)
				}
				w.WriteHeader(c.status)
			})
			var waits []time.Duration
			var meter web.Meter
			_, err := web.New(quick(&waits)).Do(t.Context(), web.Request{URL: address, Meter: &meter})
			var status *web.StatusError
			if !errors.As(err, &status) || status.Status != c.status {
				t.Fatalf("got %v, want status %d", err, c.status)
			}
			if asked != c.asked || meter.Requests != asked {
				t.Errorf("got %d requests, counted %d, want %d", asked, meter.Requests, c.asked)
			}
			if len(waits) != len(c.waits) {
				t.Fatalf("got the waits %v, want %v", waits, c.waits)
			}
			for i := range waits {
				if waits[i] != c.waits[i] {
					t.Errorf("got the waits %v, want %v", waits, c.waits)
				}
			}
		})
	}
}

func TestToken(t *testing.T) {
	const secret = "Bearer s3cret"
	var saw string
	address := serve(t, func(w http.ResponseWriter, r *http.Request) { saw = r.Header.Get("Authorization") })
	at, _ := url.Parse(address)
	_, port, _ := net.SplitHostPort(at.Host)
	for _, c := range []struct {
		name, host, url string
		want            bool
	}{
		{"its host and port", at.Host, address, true},
		{"another port", "127.0.0.1:1", address, false},
		{"no port", "127.0.0.1", address, false},
		{"another host that ends alike", "1" + at.Host, address, false},
		{"localhost is another host", at.Host, "http://localhost:" + port, false},
		{"localhost is loopback", "localhost:" + port, "http://localhost:" + port, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, err := web.New(quick(nil)).With(web.Access{Host: c.host, Header: "Authorization", Value: secret})
			if err != nil {
				t.Fatal(err)
			}
			saw = "no request"
			if _, err := client.Do(t.Context(), web.Request{URL: c.url}); err != nil {
				t.Fatal(err)
			}
			if (saw == secret) != c.want || saw == "no request" {
				t.Errorf("got the header %q, want the token: %t", saw, c.want)
			}
		})
	}
}

func TestCertificates(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name     string
		from, to time.Time
		host     string
		trusted  bool
		hint     string
	}{
		{"not yet valid", now.Add(time.Hour), now.Add(2 * time.Hour), "127.0.0.1", true, "clock is behind"},
		{"expired", now.Add(-2 * time.Hour), now.Add(-time.Hour), "127.0.0.1", true, "expired"},
		{"unknown authority", now.Add(-time.Hour), now.Add(time.Hour), "127.0.0.1", false, "not known here"},
		{"another host's", now.Add(-time.Hour), now.Add(time.Hour), "127.0.0.2", true, "another host's"},
	} {
		t.Run(c.name, func(t *testing.T) {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: c.from, NotAfter: c.to, IPAddresses: []net.IP{net.ParseIP(c.host)},
				IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
			der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
			if err != nil {
				t.Fatal(err)
			}
			asked := 0
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
			server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
			server.Config.ErrorLog = nil
			server.StartTLS()
			defer server.Close()
			opt := quick(nil)
			opt.Now, opt.RootCAs = time.Now, x509.NewCertPool()
			if c.trusted {
				cert, err := x509.ParseCertificate(der)
				if err != nil {
					t.Fatal(err)
				}
				opt.RootCAs.AddCert(cert)
			}
			_, err = web.New(opt).Do(t.Context(), web.Request{URL: server.URL})
			if err == nil || fault.IsTransient(err) || !strings.Contains(fault.HintOf(err), c.hint) || asked != 0 {
				t.Errorf("got %v (hint %q, transient %t), want a final error with the hint %q", err, fault.HintOf(err), fault.IsTransient(err), c.hint)
			}
		})
	}
}

func TestNetworkErrors(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := "http://" + closed.Addr().String()
	closed.Close()
	plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	for _, c := range []struct {
		name, url, hint string
		transient       bool
	}{
		{"refused", refused, "nothing listens", true},
		{"no such name", "https://no-such-name.invalid", "was not found", true},
		{"no TLS there", strings.Replace(plain, "http:", "https:", 1), "does not speak TLS", false},
		{"user in the URL", "https://me:s3cret@127.0.0.1/", "", false},
		{"another scheme", "ftp://127.0.0.1/", "", false},
		{"no host", "https:///x", "", false},
		{"no URL", "https://%zz", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := web.New(quick(nil)).Do(t.Context(), web.Request{URL: c.url})
			if err == nil {
				t.Fatal("got no error, want one")
			}
			if !strings.Contains(fault.HintOf(err), c.hint) || fault.IsTransient(err) != c.transient || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %v (hint %q, transient %t)", err, fault.HintOf(err), fault.IsTransient(err))
			}
		})
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(404)
		w.Write([]byte(`{"message":"no\u001b[31m such thing"}`))
	})
	_, err := web.New(quick(nil)).Do(t.Context(), web.Request{URL: address + "/x?token=s3cret#s3cret"})
	if !errors.Is(err, release.ErrNotFound) || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("got %q, want a 404 without query, fragment and control characters", err)
	}
}

func TestJSON(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write([]byte(`{"name":"` + strings.Repeat("n", 1000) + `"}`))
	z.Close()
	bomb := new(bytes.Buffer)
	z = gzip.NewWriter(bomb)
	z.Write(bytes.Repeat([]byte(" "), 9<<20))
	z.Close()
	for _, c := range []struct {
		name, encoding string
		body           []byte
		says           string
	}{
		{"packed", "gzip", packed.Bytes(), ""},
		{"not packed", "", []byte(`{"name":"n"}`), ""},
		{"packed and cut", "gzip", packed.Bytes()[:20], "unexpected EOF"},
		{"packed bomb", "gzip", bomb.Bytes(), "more than 8388608 bytes"},
		{"cut", "", []byte(`{"name":`), "no JSON"},
		{"list for an object", "", []byte(`[]`), "shape"},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Accept-Encoding") != "gzip" || r.Header.Get("User-Agent") != "moult/1.2.3" {
					t.Errorf("got the headers %v", r.Header)
				}
				if c.encoding != "" {
					w.Header().Set("Content-Encoding", c.encoding)
				}
				w.Header().Set("Content-Type", "application/json")
				w.Write(c.body)
			})
			var v struct{ Name string }
			var meter web.Meter
			_, err := web.New(quick(nil)).GetJSON(t.Context(), web.Request{URL: address, Meter: &meter}, &v)
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
			if err == nil && meter.Received != int64(len(c.body)) {
				t.Errorf("received: got %d bytes, want the %d on the wire", meter.Received, len(c.body))
			}
		})
	}
}

func TestContextEndsAWait(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) })
	ctx, cancel := context.WithCancel(t.Context())
	opt := quick(nil)
	opt.Sleep = func(ctx context.Context, _ time.Duration) error { cancel(); return ctx.Err() }
	if _, err := web.New(opt).Do(ctx, web.Request{URL: address}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestContextEndsABody(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("begin"))
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	resp, err := web.New(quick(nil)).Do(ctx, web.Request{URL: address})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	io.ReadFull(resp.Body, make([]byte, 5))
	cancel()
	if _, err := resp.Body.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) || fault.IsTransient(err) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// TestUnreadBodyIsClosedAtOnce: a server that holds the rest of a body back does not hold Close, which reads only what is short.
func TestUnreadBodyIsClosedAtOnce(t *testing.T) {
	for name, length := range map[string]string{"without a length": "", "long": "1000000"} {
		t.Run(name, func(t *testing.T) {
			address := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if length != "" {
					w.Header().Set("Content-Length", length)
				}
				w.Write([]byte("begin"))
				http.NewResponseController(w).Flush()
				<-r.Context().Done()
			})
			reads, closing := 0, false
			opt := quick(nil)
			opt.After = func(_ time.Duration, f func()) func() {
				if closing { // it waits for bytes: end it, and count it
					reads++
					f()
				}
				return func() {}
			}
			resp, err := web.New(opt).Do(t.Context(), web.Request{URL: address})
			if err != nil {
				t.Fatal(err)
			}
			closing = true
			resp.Body.Close()
			if reads != 0 {
				t.Errorf("close: got %d reads, want none", reads)
			}
		})
	}
}

func TestKeptConnection(t *testing.T) {
	var peers []string
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		peers = append(peers, r.RemoteAddr)
		w.Write([]byte("short"))
	})
	client := web.New(quick(nil))
	for range 2 {
		resp, err := client.Do(t.Context(), web.Request{URL: address})
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if peers[0] != peers[1] {
		t.Errorf("got two connections for two requests, want one")
	}
}

// TestNoSecondPost: what may have done its work is not sent again.
func TestNoSecondPost(t *testing.T) {
	asked := 0
	address := serve(t, func(w http.ResponseWriter, r *http.Request) { asked++; w.WriteHeader(500) })
	if _, err := web.New(quick(nil)).Do(t.Context(), web.Request{Method: "POST", URL: address}); err == nil || asked != 1 {
		t.Errorf("got %v after %d requests, want an error after 1", err, asked)
	}
}
