package trusttest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Handler serves a repository's files as a static web server does: with ETags and ranges.
type Handler struct {
	mu   sync.Mutex
	repo *Repo
	// Do, where it is set, may answer in the files' place: it reports whether it did.
	Do func(w http.ResponseWriter, req *http.Request) bool
}

// NewHandler serves a repository.
func NewHandler(r *Repo) *Handler { return &Handler{repo: r} }

// Serve changes what is served.
func (h *Handler) Serve(r *Repo) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.repo = r
}

// ServeHTTP notes each request as "GET path", or "GET path from N".
func (h *Handler) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	h.mu.Lock()
	name := strings.TrimPrefix(req.URL.Path, "/")
	data, there := h.repo.Files[name]
	line := req.Method + " " + name
	if from, ok := strings.CutPrefix(req.Header.Get("Range"), "bytes="); ok {
		line += " from " + strings.TrimSuffix(from, "-")
	}
	h.repo.Requests = append(h.repo.Requests, line)
	h.mu.Unlock()
	if h.Do != nil && h.Do(w, req) {
		return
	}
	if !there {
		http.NotFound(w, req)
		return
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(data)))
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(data))
}
