package sourcetest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// object is a JSON object as it goes over the wire.
type object map[string]any

// answer writes JSON under an ETag, or 304 to who has it.
func answer(w http.ResponseWriter, r *http.Request, etag bool, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if sum := sha256.Sum256(data); etag {
		tag := `W/"` + hex.EncodeToString(sum[:]) + `"`
		w.Header().Set("Etag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.Write(data)
}

func refuse(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	w.Write(data)
}

// page returns the part of all that a request asks for, and names the next in a Link header.
func page[T any](f *Forge, w http.ResponseWriter, r *http.Request, all []T, sizeKey string, size int) []T {
	query := r.URL.Query()
	if n, err := strconv.Atoi(query.Get(sizeKey)); err == nil && n > 0 && n < 100 {
		size = n
	} else if err == nil && n >= 100 {
		size = 100
	}
	number, err := strconv.Atoi(query.Get("page"))
	if err != nil || number < 1 {
		number = 1
	}
	from, to := min((number-1)*size, len(all)), min(number*size, len(all))
	if to < len(all) {
		query.Set("page", strconv.Itoa(number+1))
		next := f.URL + r.URL.EscapedPath() + "?" + query.Encode()
		query.Set("page", strconv.Itoa((len(all)+size-1)/size))
		last := f.URL + r.URL.EscapedPath() + "?" + query.Encode()
		w.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next", <%s>; rel="last"`, next, last))
	}
	return all[from:to]
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func digest(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// escape escapes a tag as forges do in addresses: its slashes stay.
func escape(tag string) string {
	parts := strings.Split(tag, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

// asset answers with an asset's bytes.
func (f *Forge) asset(w http.ResponseWriter, repo *Repo, tag, name string) {
	if i, ok := repo.find(tag); ok {
		for _, a := range repo.Releases[i].Assets {
			if a.Name == name {
				w.Header().Set("Content-Type", "application/octet-stream")
				w.Header().Set("Content-Length", strconv.Itoa(len(a.Content)))
				w.Write([]byte(a.Content))
				return
			}
		}
	}
	http.Error(w, "404: Not Found", http.StatusNotFound)
}

// visible returns the indices of the releases that a list shows.
func (r *Repo) visible() []int {
	var list []int
	for i := range r.Releases {
		if !r.Releases[i].Draft {
			list = append(list, i)
		}
	}
	return list
}
