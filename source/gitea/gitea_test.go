package gitea

import (
	"testing"

	"moult/release"
	"moult/source/forge"
	"moult/source/sourcetest"
	"moult/web"
)

func TestSource(t *testing.T) {
	sourcetest.RunForge(t, sourcetest.ForgeHarness{
		Kind: forge.Gitea, Check: [2]int{1, 1}, Fetch: [2]int{1, 1},
		New: func(t *testing.T, client *web.Client, base, path, token string) release.Source {
			source, err := New(client, base, path, Options{Token: token})
			if err != nil {
				t.Fatal(err)
			}
			return source
		},
	})
}
