package github

import (
	"net/url"
	"strings"
	"testing"

	"moult/source/forge"
	"moult/source/sourcetest"
	"moult/web"
)

func anySource(t testing.TB) *Source {
	source, err := New(web.New(web.Options{}), "https://forge.local", "owner/repo", Options{Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// FuzzRelease reads lists of releases.
func FuzzRelease(f *testing.F) {
	sourcetest.FuzzReleases(f, `[{"tag_name":"v1.0","draft":false,"prerelease":true,"body":"n","html_url":"https://github.com/o/r","published_at":"2024-01-01T00:00:00Z","assets":[{"name":"a","state":"uploaded","size":3,"digest":"sha256:00","url":"https://api.github.com/a","browser_download_url":"https://github.com/a"}]}]`, anySource(f).item)
}

// FuzzLocation: a tag comes only of a redirect on the same host, and can be written back.
func FuzzLocation(f *testing.F) {
	f.Add("https://forge.local/owner/repo/releases/tag/v1.0%2Bb%231%252F")
	f.Add("/owner/repo/releases")
	f.Add("/owner/new/releases/latest")
	f.Add("/login?return_to=x")
	at, _ := url.Parse("https://forge.local/owner/repo/releases/latest")
	f.Fuzz(func(t *testing.T, location string) {
		next, tag, err := readLocation(at, location)
		if err != nil {
			if next != nil || tag != "" {
				t.Fatalf("got %v, %q of what was refused", next, tag)
			}
			return
		}
		if next.Scheme != "https" || !strings.EqualFold(next.Hostname(), "forge.local") || next.User != nil {
			t.Fatalf("got %v, want it on the same host", next)
		}
		if tag == "" {
			return
		}
		if _, again, err := readLocation(at, "https://forge.local/owner/repo/releases/tag/"+forge.EscapePath(tag)); err != nil || again != tag {
			t.Fatalf("written back: got %q, %v, want %q", again, err, tag)
		}
	})
}
