package sourcetest

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"
)

// Fault is one way in which a Forge answers wrong. next gives the right answer.
type Fault func(f *Forge, w http.ResponseWriter, r *http.Request, next http.Handler)

type broken struct {
	match func(*http.Request) bool
	times int // left; below 0: without end
	fault Fault
}

// Break makes the next requests that match (nil: any) go wrong, as many times as said; a negative number is without end.
// Of several faults that match, the first one put in acts.
func (f *Forge) Break(match func(*http.Request) bool, times int, fault Fault) {
	if match == nil {
		match = func(*http.Request) bool { return true }
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.breaks = append(f.breaks, &broken{match, times, fault})
}

// Mend ends all faults.
func (f *Forge) Mend() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.breaks = nil
}

// IsArchive matches the requests whose answer is an archive's bytes, after redirects.
func IsArchive(r *http.Request) bool {
	path := r.URL.Path
	return strings.Contains(path, "tar.gz") && !strings.Contains(path, "/archive/refs/")
}

// Status answers with a status, and headers as name, value, name, value …
func Status(status int, headers ...string) Fault {
	return func(_ *Forge, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"message":%q}`, http.StatusText(status))
	}
}

// RateLimited answers as GitHub does to who asked too often, until reset.
func RateLimited(reset time.Time) Fault {
	return Status(http.StatusForbidden, "X-Ratelimit-Limit", "60", "X-Ratelimit-Remaining", "0", "X-Ratelimit-Used", "60",
		"X-Ratelimit-Resource", "core", "X-Ratelimit-Reset", strconv.FormatInt(reset.Unix(), 10))
}

// WebPage answers 200 with a login page, as a captive portal does.
func WebPage() Fault {
	return func(_ *Forge, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write([]byte("<!doctype html><title>Guest network</title><p>Accept the terms to go on."))
	}
}

// Redirect sends the asker to another address.
func Redirect(address string) Fault {
	return func(_ *Forge, w http.ResponseWriter, r *http.Request, _ http.Handler) {
		http.Redirect(w, r, address, http.StatusFound)
	}
}

// RedirectLoop sends the asker back to where it asks.
func RedirectLoop() Fault {
	return func(_ *Forge, w http.ResponseWriter, r *http.Request, _ http.Handler) {
		http.Redirect(w, r, r.URL.RequestURI(), http.StatusFound)
	}
}

// Cut breaks the connection after n bytes of the right body.
func Cut(n int) Fault {
	return rewrite(func(_ *Forge, w http.ResponseWriter, _ *http.Request, body []byte) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		send(w, body[:min(n, len(body))])
		panic(http.ErrAbortHandler)
	})
}

// Shorten ends the right body early by n bytes, and says that it is whole.
func Shorten(n int) Fault {
	return rewrite(func(_ *Forge, w http.ResponseWriter, _ *http.Request, body []byte) {
		w.Header().Set("Content-Length", strconv.Itoa(max(len(body)-n, 0)))
		w.Write(body[:max(len(body)-n, 0)])
	})
}

// WrongLength announces n bytes more than come.
func WrongLength(n int) Fault {
	return rewrite(func(_ *Forge, w http.ResponseWriter, _ *http.Request, body []byte) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)+n))
		send(w, body)
		panic(http.ErrAbortHandler)
	})
}

// Chunked gives the right body without its length, in small pieces.
func Chunked() Fault {
	return rewrite(func(_ *Forge, w http.ResponseWriter, _ *http.Request, body []byte) {
		for len(body) > 0 {
			n := min(37, len(body))
			send(w, body[:n])
			body = body[n:]
		}
	})
}

// Silent says nothing more after n bytes of the right body; below 0, no head either.
func Silent(n int) Fault {
	silent := func(f *Forge, r *http.Request) {
		select {
		case f.silent <- struct{}{}:
		case <-r.Context().Done():
		}
		<-r.Context().Done()
	}
	if n < 0 {
		return func(f *Forge, _ http.ResponseWriter, r *http.Request, _ http.Handler) {
			silent(f, r)
			panic(http.ErrAbortHandler)
		}
	}
	return rewrite(func(f *Forge, w http.ResponseWriter, r *http.Request, body []byte) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		send(w, body[:min(n, len(body))])
		silent(f, r)
		panic(http.ErrAbortHandler)
	})
}

// Endless goes on with filler after n bytes of the right body, until nobody listens.
func Endless(n int, filler byte) Fault {
	return rewrite(func(_ *Forge, w http.ResponseWriter, _ *http.Request, body []byte) {
		send(w, body[:min(n, len(body))])
		for more := bytes.Repeat([]byte{filler}, 64<<10); ; {
			if _, err := w.Write(more); err != nil {
				return
			}
		}
	})
}

// Gate holds the rest back after n bytes of the right body, until open is closed.
func Gate(n int, open <-chan struct{}) Fault {
	return rewrite(func(_ *Forge, w http.ResponseWriter, r *http.Request, body []byte) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		send(w, body[:min(n, len(body))])
		select {
		case <-open:
			w.Write(body[min(n, len(body)):])
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	})
}

// Body answers 200 with a body in place of the right one, under the right one's headers.
func Body(text string) Fault {
	return rewrite(func(_ *Forge, w http.ResponseWriter, _ *http.Request, _ []byte) { w.Write([]byte(text)) })
}

// rewrite makes the right answer, and gives its head to w and its body to how.
func rewrite(how func(f *Forge, w http.ResponseWriter, r *http.Request, body []byte)) Fault {
	return func(f *Forge, w http.ResponseWriter, r *http.Request, next http.Handler) {
		right := httptest.NewRecorder()
		next.ServeHTTP(right, r)
		for name, values := range right.Header() {
			w.Header()[name] = values
		}
		w.Header().Del("Content-Length")
		if right.Code != http.StatusOK {
			w.WriteHeader(right.Code)
		}
		how(f, w, r, right.Body.Bytes())
	}
}

func send(w http.ResponseWriter, p []byte) {
	w.Write(p)
	http.NewResponseController(w).Flush()
}
