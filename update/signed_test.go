package update_test

import (
	"testing"
	"time"

	"moult/disk/disktest"
	"moult/trust"
	"moult/trust/trusttest"
)

// TestPowerCutOfASignedUpdate is the loop with a signed repository and its bundles: what is trusted and what is kept of a download
// is cut, too.
func TestPowerCutOfASignedUpdate(t *testing.T) {
	for _, name := range []string{"exchange and links", "renames and copies"} {
		kind := diskKinds[name]
		for way, bundles := range map[string]bool{"bundles": true, "single requests": false} {
			t.Run(name+"/"+way, func(t *testing.T) {
				old := trusttest.New(time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC), trusttest.Ed25519)
				old.AddModule("irrigation")
				old.AddModule("updater")
				old.Add("irrigation", "1.9.0", trusttest.Release{Files: irrigationOld})
				old.Add("updater", "2.0", trusttest.Release{Files: updaterOld})
				old.Publish()
				site := &trusttest.Site{Repo: old}
				specs := []moduleSpec{{name: "irrigation", signed: site, keep: []string{"settings.py"}}, {name: "updater", signed: site}}
				d := disktest.New()
				d.NoExchange, d.NoLinks = kind.NoExchange, kind.NoLinks
				_, err := trust.NewStore(d).Install(old.Files["metadata/1.root.json"], false)
				must(t, err)
				fresh := cutDeviceOf(t, d, specs)

				updated := old.Copy()
				updated.Add("irrigation", "1.10.0", trusttest.Release{Files: irrigationNew})
				updated.Add("updater", "2.1", trusttest.Release{Files: updaterNew})
				updated.Root.Version = 2
				updated.PutRoot()
				updated.Publish()
				if bundles {
					updated.PutBundles("irrigation", "stable", "1.10.0", "1.9.0")
					updated.PutBundles("updater", "stable", "2.1", "2.0")
				}
				site.Repo = updated
				powerCuts(t, fresh, specs, (*device).updateAll, "1.10.0 2.1")
			})
		}
	}
}
