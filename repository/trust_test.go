package repository_test

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"moult/disk"
	"moult/release"
	"moult/repository"
)

// TestTrustedRoot puts somebody else's chain of roots under a repository, which names the publisher's keys for all but the root:
// what proves itself there is not proven to who trusts a root of the true chain.
func TestTrustedRoot(t *testing.T) {
	r := newRig(t, repository.Ed25519)
	r.add("irrigation", "v1.9", treeOld)
	first, err := disk.ReadFile(r.disk, "metadata/1.root.json", 1<<20)
	must(t, err)
	pin := fmt.Sprintf("%x", sha256.Sum256(first))
	rotate := func(r *rig, add repository.Rotation) {
		_, err := r.open(r.disk).Rotate(t.Context(), r.keys, add)
		must(t, err)
	}
	fresh := newKey(t, repository.Ed25519)
	r.keys = ring(t, r.root, r.online, fresh)
	rotate(r, repository.Rotation{Role: repository.Online, Add: publics(fresh)})
	newest, err := r.open(r.disk).NewestRoot()
	must(t, err)

	thief := newRig(t, repository.Ed25519)
	thief.add("irrigation", "v1.9", treeNew)
	thief.keys = ring(t, thief.root, thief.online, r.online)
	rotate(thief, repository.Rotation{Role: repository.Online, Add: publics(r.online)})

	for _, test := range []struct {
		name string
		at   *rig
		pin  string
		want release.Reason
	}{
		{"the first root of the chain", r, pin, ""},
		{"the newest root of the chain", r, fmt.Sprintf("%x", sha256.Sum256(newest)), ""},
		{"none", r, "", ""},
		{"another chain", thief, pin, release.Untrusted},
		{"another chain, to who trusts none", thief, "", ""},
	} {
		repo := test.at.open(test.at.disk)
		repo.Trust(test.pin)
		_, err := repo.Sign(t.Context(), test.at.keys, true)
		if got := release.ReasonOf(err); got != test.want || (err == nil) != (test.want == "") {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
	// a chain without its last rotation is an older state: the newest root that was seen tells
	must(t, r.disk.Remove("metadata/2.root.json"))
	repo := r.open(r.disk)
	repo.Trust(fmt.Sprintf("%x", sha256.Sum256(newest)))
	if _, err := repo.Sign(t.Context(), r.keys, true); release.ReasonOf(err) == "" {
		t.Errorf("the last root gone: got %v, want a refusal", err)
	}
}
