package gitlab

import (
	"net/url"
	"testing"

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
	sourcetest.FuzzReleases(f, `[{"tag_name":"v1.0","upcoming_release":false,"description":"n","released_at":"2024-01-01T00:00:00Z","commit":{"id":"079e90101242458910cccd35eab0e211dfc359c0"},"assets":{"links":[{"name":"a","url":"https://x/a","direct_asset_url":"https://x/b"}]},"_links":{"self":"https://x"}}]`, anySource(f).item)
}

// FuzzLocation: a tag comes only of a redirect on the same host, and can be written back.
func FuzzLocation(f *testing.F) {
	f.Add("https://forge.local/api/v4/projects/24/releases/v1.0%2Bb%231%252F")
	f.Add("/api/v4/projects/24/releases/permalink/latest")
	at, _ := url.Parse("https://forge.local/api/v4/projects/owner%2Frepo/releases/permalink/latest")
	f.Fuzz(func(t *testing.T, location string) {
		tag, err := readLocation(at, location)
		if err != nil {
			if tag != "" {
				t.Fatalf("got %q of what was refused", tag)
			}
			return
		}
		if again, err := readLocation(at, "https://forge.local/api/v4/projects/1/releases/"+url.PathEscape(tag)); err != nil || again != tag {
			t.Fatalf("written back: got %q, %v, want %q", again, err, tag)
		}
	})
}
