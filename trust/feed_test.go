package trust_test

import (
	"bytes"
	"testing"

	"moult/pack"
	"moult/release"
	"moult/trust/trusttest"
)

// TestManyRootsInABundle brings more roots than a bundle may have, none of which leads on from the one that is held: they are not inflated
// to be passed over for ever.
func TestManyRootsInABundle(t *testing.T) {
	d := newDevice(t, newRepo(trusttest.Ed25519))
	var bundle bytes.Buffer
	w, err := pack.NewWriter(&bundle, 12)
	must(t, err)
	must(t, w.Section(pack.Module, 0, []byte("irrigation")))
	for version := range uint64(300) {
		must(t, w.Section(pack.Root, version+10, []byte("{}")))
	}
	must(t, w.Close())
	d.stick = bundle.Bytes()
	if _, err := d.update(); release.ReasonOf(err) != release.BadLength {
		t.Errorf("got %v, want it refused as %s", err, release.BadLength)
	}
}
