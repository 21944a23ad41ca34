package web_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"moult/fault"
	"moult/web"
)

func TestJitter(t *testing.T) {
	limitIsOver := map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}
	for _, c := range []struct {
		name   string
		status int
		header map[string]string
		share  time.Duration // of the bound, in percent
		waits  []time.Duration
	}{
		{"a share of the bound", 500, nil, 25, []time.Duration{time.Second / 4, time.Second / 2, time.Second}},
		{"nothing of the bound", 500, nil, 0, []time.Duration{0, 0, 0}},
		{"no less than the server asks", 503, map[string]string{"Retry-After": "7"}, 25, []time.Duration{7 * time.Second, 7 * time.Second, 7 * time.Second}},
		{"a rate limit that is over by our clock is waited for all the same", 429, limitIsOver, 0, []time.Duration{time.Second, time.Second, time.Second}},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := serve(t, func(w http.ResponseWriter, r *http.Request) {
				for name, value := range c.header {
					w.Header().Set(name, value)
				}
				w.WriteHeader(c.status)
			})
			var waits []time.Duration
			opt := quick(&waits)
			opt.Jitter = func(d time.Duration) time.Duration { return d * c.share / 100 }
			if _, err := web.New(opt).Do(t.Context(), web.Request{URL: address}); err == nil {
				t.Fatal("got no error, want one")
			}
			if !slices.Equal(waits, c.waits) {
				t.Errorf("got the waits %v, want %v", waits, c.waits)
			}
		})
	}
}

// TestOwnJitter: devices that fail together do not come back together.
func TestOwnJitter(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) })
	var waits []time.Duration
	opt := quick(&waits)
	opt.Jitter, opt.Tries, opt.MaxWait = nil, 21, time.Second
	if _, err := web.New(opt).Do(t.Context(), web.Request{URL: address}); err == nil || len(waits) != 20 {
		t.Fatalf("got %v after the waits %v, want 20 of them", err, waits)
	}
	if slices.Min(waits) < 0 || slices.Max(waits) >= time.Second || len(slices.Compact(waits)) == 1 {
		t.Errorf("got the waits %v, want them spread over less than 1s", waits)
	}
}

// TestSilentHead: a server, or a proxy, that takes a request and says nothing is left after Options.Silence.
func TestSilentHead(t *testing.T) {
	for _, viaProxy := range []bool{false, true} {
		t.Run(map[bool]string{false: "server", true: "proxy"}[viaProxy], func(t *testing.T) {
			timers := make(chan func(), 1)
			address := serve(t, func(w http.ResponseWriter, r *http.Request) {
				select {
				case end := <-timers: // the timer was set before the request left
					end()
					<-r.Context().Done()
				default: // without one it would wait for ever
				}
				panic(http.ErrAbortHandler)
			})
			opt := quick(nil)
			opt.Tries, opt.Silence = 1, 5*time.Second
			opt.After = func(d time.Duration, f func()) func() {
				if d != opt.Silence {
					t.Errorf("timer: got %v, want %v", d, opt.Silence)
				}
				timers <- f
				return func() {}
			}
			if viaProxy {
				opt.Proxy, address = through(t, address, "").Proxy, "https://forge.example.com"
			}
			_, err := web.New(opt).Do(t.Context(), web.Request{URL: address})
			if err == nil || !strings.Contains(err.Error(), "fell silent") || !fault.IsTransient(err) {
				t.Errorf("got %v (transient %t), want that it fell silent", err, fault.IsTransient(err))
			}
			if hint := fault.HintOf(err); strings.Contains(hint, "https_proxy") != viaProxy {
				t.Errorf("got the hint %q, want one on the proxy: %t", hint, viaProxy)
			}
		})
	}
}
