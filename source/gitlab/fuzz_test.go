package gitlab

import (
	"encoding/json"
	"net/url"
	"reflect"
	"testing"

	"moult/release"
	"moult/source/forge"
	"moult/web"
)

func anySource(t testing.TB) *Source {
	source, err := New(web.New(web.Options{}), "https://forge.local", "owner/repo", Options{Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// FuzzRelease: of what a forge answers, what is accepted has a valid tag and is the same after JSON; what is refused gives no release.
func FuzzRelease(f *testing.F) {
	f.Add([]byte(`[{"tag_name":"v1.0","upcoming_release":false,"description":"n","released_at":"2024-01-01T00:00:00Z","commit":{"id":"079e90101242458910cccd35eab0e211dfc359c0"},"assets":{"links":[{"name":"a","url":"https://x/a","direct_asset_url":"https://x/b"}]},"_links":{"self":"https://x"}}]`))
	source := anySource(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		var list []wireRelease
		if json.Unmarshal(data, &list) != nil {
			return
		}
		var items []forge.Item
		for _, w := range list {
			items = append(items, source.item(w))
		}
		r, ok := forge.Pick(release.Beta, items)
		if !ok {
			if !reflect.DeepEqual(r, release.Release{}) {
				t.Fatalf("got %+v with nothing picked", r)
			}
			return
		}
		if _, err := release.ParseVersion(r.Version.String()); err != nil {
			t.Fatal(err)
		}
		for _, a := range r.Assets {
			if u, err := url.Parse(a.URL); err != nil || u.Scheme != "https" {
				t.Fatalf("asset %q: got the URL %q, want https as the forge has", a.Name, a.URL)
			}
		}
		encoded, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var again release.Release
		if err := json.Unmarshal(encoded, &again); err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("after JSON: got %+v, %v, want %+v", again, err, r)
		}
	})
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
