package sourcetest

import (
	"encoding/json"
	"net/url"
	"reflect"
	"testing"

	"moult/release"
	"moult/source/forge"
)

// FuzzReleases is the property of every forge's list of releases: of what it answers, what is accepted has a valid tag, addresses
// as safe as the forge's own, and is the same after JSON; what is refused gives no release. W is the forge's JSON of a release,
// seed one list of them as the forge documents it.
func FuzzReleases[W any](f *testing.F, seed string, item func(W) forge.Item) {
	f.Add([]byte(seed))
	f.Fuzz(func(t *testing.T, data []byte) {
		var list []W
		if json.Unmarshal(data, &list) != nil {
			return
		}
		var items []forge.Item
		for _, w := range list {
			items = append(items, item(w))
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
