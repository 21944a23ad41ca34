// Package trusttest is a repository whose every key is in a test's hands: it signs whatever it is asked to, and so plays every thief,
// liar and bungler that a device must stand up to. It serves its files over HTTP and packs them into bundles.
package trusttest

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"embed"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// Key signs, and always comes to the same signature of the same bytes.
type Key struct {
	ID     string
	Public *metadata.Key
	sign   func(payload []byte) ([]byte, error)
}

// Ed25519 returns the key of a name: the same name is the same key.
func Ed25519(name string) Key {
	seed := sha256.Sum256([]byte(name))
	private := ed25519.NewKeyFromSeed(seed[:])
	return newKey(private.Public(), func(payload []byte) ([]byte, error) { return ed25519.Sign(private, payload), nil })
}

// keys are RSA keys of 2048 bits for tests alone: everybody has them.
//
//go:embed keys/*.pem
var keys embed.FS

// RSA returns the checked-in key of a name: root, timestamp, snapshot, targets, author; timestamp-2, snapshot-2, author-2; thief.
func RSA(name string) Key {
	data, err := keys.ReadFile("keys/" + name + ".pem")
	check(err)
	block, _ := pem.Decode(data)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	check(err)
	private := parsed.(*rsa.PrivateKey)
	return newKey(private.Public(), func(payload []byte) ([]byte, error) {
		sum := sha256.Sum256(payload)
		// the salt comes from what is signed: vectors made again are the same
		return rsa.SignPSS(&stream{seed: append([]byte(name), sum[:]...)}, private, crypto.SHA256, sum[:],
			&rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	})
}

// stream is the same bytes for the same seed.
type stream struct {
	seed []byte
	n    uint64
	left bytes.Buffer
}

func (s *stream) Read(p []byte) (int, error) {
	for s.left.Len() < len(p) {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(s.seed[:len(s.seed):len(s.seed)], s.n))
		s.left.Write(sum[:])
		s.n++
	}
	return io.ReadFull(&s.left, p)
}

func newKey(public crypto.PublicKey, sign func([]byte) ([]byte, error)) Key {
	key, err := metadata.KeyFromPublicKey(public)
	check(err)
	id, err := key.ID()
	check(err)
	return Key{id, key, sign}
}

// check is for what cannot fail: a test's own doing.
func check(err error) {
	if err != nil {
		panic(fmt.Sprintf("trusttest: %v", err))
	}
}
