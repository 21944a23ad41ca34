package repository_test

import (
	"crypto/rsa"
	"strings"
	"testing"
	"time"

	"moult/disk"
	"moult/repository"
)

// TestRSAExponent refuses, before anything is published with it, a key that no device accepts.
func TestRSAExponent(t *testing.T) {
	key, err := repository.Generate(repository.RSA2048)
	must(t, err)
	public := *key.Public().(*rsa.PublicKey)
	if _, err := repository.KeyID(&public); err != nil {
		t.Fatal(err)
	}
	public.E = 3
	if _, err := repository.KeyID(&public); err == nil || !strings.Contains(err.Error(), "exponent 3") {
		t.Errorf("got %v, want the exponent refused", err)
	}
}

// TestLongTimestamp refuses settings that would let a freeze last: settings.json is not signed.
func TestLongTimestamp(t *testing.T) {
	r := newRig(t, repository.Ed25519)
	for life, good := range map[string]bool{"90d": true, "91d": false} {
		settings := `{"expires":{"root":"365d","targets":"365d","module":"365d","snapshot":"30d","timestamp":"` + life + `"},"keep":5,"window":12}`
		must(t, disk.WriteFile(r.disk, "settings.json", []byte(settings), 0o644))
		_, err := repository.Open(r.disk, time.Now)
		if good && err != nil || !good && (err == nil || !strings.Contains(err.Error(), "expires.timestamp: got 91d, want 1m to 90d")) {
			t.Errorf("%s: got %v", life, err)
		}
	}
}
