package gitea

import (
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
	sourcetest.FuzzReleases(f, `[{"tag_name":"v1.0","draft":false,"prerelease":true,"body":"n","html_url":"https://codeberg.org/o/r","published_at":"2024-01-01T00:00:00Z","assets":[{"name":"a","size":3,"browser_download_url":"https://codeberg.org/a"}]}]`, anySource(f).item)
}
