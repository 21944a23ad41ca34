package web_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"moult/fault"
	"moult/web"
)

func TestMaxBytes(t *testing.T) {
	for _, c := range []struct {
		name       string
		length     int
		hideLength bool
		wantErr    string
	}{
		{"as long as may be", 1000, false, ""},
		{"as long as may be, without a length", 1000, true, ""},
		{"one byte longer", 1001, false, "got more than 1000 bytes"},
		{"one byte longer, without a length", 1001, true, "got more than 1000 bytes"},
		{"far longer", 1 << 20, true, "got more than 1000 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if c.hideLength {
					http.NewResponseController(w).Flush()
				}
				io.WriteString(w, strings.Repeat("x", c.length))
			})
			opt := quick(nil)
			opt.MaxBytes = 1000
			resp, err := web.New(opt).Do(t.Context(), web.Request{URL: address})
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			got, err := io.ReadAll(resp.Body)
			if c.wantErr == "" && (err != nil || len(got) != c.length) {
				t.Errorf("got %d bytes and %v, want %d", len(got), err, c.length)
			}
			if c.wantErr != "" && (err == nil || !strings.Contains(err.Error(), c.wantErr) || fault.IsTransient(err) || len(got) > 1000) {
				t.Errorf("got %d bytes and %v, want the final error %q", len(got), err, c.wantErr)
			}
		})
	}
}

// TestMinRate gives up a server that never falls silent and never gets anywhere. A device that is slow itself is not punished.
func TestMinRate(t *testing.T) {
	for _, c := range []struct {
		name    string
		waited  time.Duration // for each piece of 100 bytes
		between time.Duration // that the device takes itself
		wantErr bool
	}{
		{"quick", time.Second / 10, 0, false},
		{"as slow as may be", time.Second, 0, false},
		{"too slow", 2 * time.Second, 0, true},
		{"the device is slow", time.Second / 10, time.Minute, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 10_000)) })
			now, looks := time.Unix(0, 0), 0
			opt := quick(nil)
			opt.Now = func() time.Time { // it is looked at before and after each wait
				if looks++; looks%2 == 0 {
					now = now.Add(c.waited)
				} else {
					now = now.Add(c.between)
				}
				return now
			}
			resp, err := web.New(opt).Do(t.Context(), web.Request{URL: address})
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			looks = 0
			var got int
			for piece := make([]byte, 100); err == nil; {
				var n int
				n, err = io.ReadFull(resp.Body, piece)
				got += n
			}
			if failed := err != io.EOF; failed != c.wantErr || failed && !fault.IsTransient(err) || !failed && got != 10_000 {
				t.Errorf("got %d bytes and %v, want an error that may pass: %v", got, err, c.wantErr)
			}
		})
	}
}

func TestTLSVersions(t *testing.T) {
	for _, c := range []struct {
		version uint16
		ok      bool
	}{{tls.VersionTLS10, false}, {tls.VersionTLS11, false}, {tls.VersionTLS12, true}, {tls.VersionTLS13, true}} {
		t.Run(tls.VersionName(c.version), func(t *testing.T) {
			asked := 0
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
			server.TLS = &tls.Config{MinVersion: c.version, MaxVersion: c.version}
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.StartTLS()
			defer server.Close()
			opt := quick(nil)
			opt.RootCAs = x509.NewCertPool()
			opt.RootCAs.AddCert(server.Certificate())
			client := web.New(opt)
			defer client.Close()
			resp, err := client.Do(t.Context(), web.Request{URL: server.URL})
			if err == nil {
				resp.Body.Close()
			}
			var alert tls.AlertError
			if (err == nil) != c.ok || (asked != 0) != c.ok || !c.ok && !errors.As(err, &alert) && !strings.Contains(err.Error(), "protocol version") {
				t.Errorf("got %v and %d requests, want an answer: %t", err, asked, c.ok)
			}
		})
	}
}
