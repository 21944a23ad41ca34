package repository

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"moult/fault"
	"moult/tuf"
)

// Kind is a kind of key. A MicroPython board reads RSA alone, and checks 2048 bits in a tenth of a second.
type Kind string

// The kinds of keys.
const (
	RSA2048 Kind = "rsa"
	RSA3072 Kind = "rsa-3072"
	RSA4096 Kind = "rsa-4096"
	Ed25519 Kind = "ed25519"
	ECDSA   Kind = "ecdsa"
)

// Kinds lists them all, the default first.
func Kinds() []Kind { return []Kind{RSA2048, RSA3072, RSA4096, Ed25519, ECDSA} }

// Generate makes a private key.
func Generate(kind Kind) (crypto.Signer, error) {
	switch kind {
	case RSA2048:
		return rsa.GenerateKey(rand.Reader, 2048)
	case RSA3072:
		return rsa.GenerateKey(rand.Reader, 3072)
	case RSA4096:
		return rsa.GenerateKey(rand.Reader, 4096)
	case Ed25519:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case ECDSA:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	return nil, fmt.Errorf("key: got the kind %q, want one of %q", kind, Kinds())
}

// Keys finds private keys. [Ring] holds them in memory; package keyfile reads them from files when they are needed.
type Keys interface {
	// Signer returns the private key of an id; ErrNoKey where it is not at hand.
	Signer(id string) (crypto.Signer, error)
}

// ErrNoKey means that a private key is not at hand.
var ErrNoKey = errors.New("the private key is not at hand")

// Ring is keys in memory, by their ids.
type Ring map[string]crypto.Signer

var _ Keys = Ring(nil)

// NewRing returns a ring of these keys.
func NewRing(keys ...crypto.Signer) (Ring, error) {
	ring := Ring{}
	for _, key := range keys {
		id, err := KeyID(key.Public())
		if err != nil {
			return nil, err
		}
		ring[id] = key
	}
	return ring, nil
}

// Signer returns the private key of an id.
func (r Ring) Signer(id string) (crypto.Signer, error) {
	if key, there := r[id]; there {
		return key, nil
	}
	return nil, ErrNoKey
}

// KeyID returns the id under which metadata names a public key: the SHA-256 of its canonical form, in hex (TUF 4.2).
func KeyID(public crypto.PublicKey) (string, error) {
	_, id, err := tufKey(public)
	return id, err
}

// tufKey returns a public key as metadata holds it, and refuses what docs/formats.md has not.
func tufKey(public crypto.PublicKey) (*metadata.Key, string, error) {
	if err := tuf.CheckKey(public); err != nil {
		return nil, "", err
	}
	key, err := metadata.KeyFromPublicKey(public)
	if err != nil {
		return nil, "", fmt.Errorf("key: %w", err)
	}
	id, err := key.ID()
	return key, id, err
}

// PrivatePEM writes a private key as PKCS#8 in PEM.
func PrivatePEM(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// PublicPEM writes a public key as PKIX in PEM.
func PublicPEM(key crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// ParsePrivate reads a private key in PEM: PKCS#8, and what openssl wrote before it. One that no role may have is refused.
func ParsePrivate(data []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("key: got no PEM")
	}
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("key: got a PEM block %q, want %q", block.Type, "PRIVATE KEY")
	}
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("key: got a %T, which cannot sign", key)
	}
	_, _, err = tufKey(signer.Public())
	return signer, err
}

// ParsePublic reads a public key in PEM, or the public half of a private one. One that no role may have is refused.
func ParsePublic(data []byte) (crypto.PublicKey, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("key: got no PEM")
	}
	if block.Type != "PUBLIC KEY" {
		key, err := ParsePrivate(data)
		if err != nil {
			return nil, err
		}
		return key.Public(), nil
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	_, _, err = tufKey(key)
	return key, err
}

// signBytes signs as a key's scheme in docs/formats.md says. The salt of PSS is as long as the hash: verifiers refuse others.
func signBytes(key crypto.Signer, payload []byte) ([]byte, error) {
	digest := sha256.Sum256(payload)
	switch key.Public().(type) {
	case ed25519.PublicKey:
		return key.Sign(rand.Reader, payload, crypto.Hash(0))
	case *rsa.PublicKey:
		return key.Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	}
	return key.Sign(rand.Reader, digest[:], crypto.SHA256)
}

// signatory is who may sign a role: some keys, and how many of them it takes.
type signatory struct {
	role      string
	ids       []string
	threshold int
}

// pick chooses from the keys at hand those that all of the signatories need, and no more: a signature costs a board a tenth of a second.
func pick(keys Keys, all ...signatory) (map[string]crypto.Signer, error) {
	picked := map[string]crypto.Signer{}
	for _, s := range all {
		count := 0
		var missing []string
		ids := slices.Clone(s.ids)
		slices.SortStableFunc(ids, func(a, b string) int { return has(picked, b) - has(picked, a) })
		for _, id := range ids {
			if count == s.threshold {
				break
			}
			if picked[id] == nil {
				key, err := keys.Signer(id)
				if errors.Is(err, ErrNoKey) {
					missing = append(missing, Short(id))
					continue
				}
				if err != nil {
					return nil, err
				}
				picked[id] = key
			}
			count++
		}
		if count < s.threshold {
			return nil, fault.Hint(fmt.Errorf("sign %s: got %d of %d keys, want also %s: %w", s.role, count, s.threshold, oneOf(s.threshold-count, missing), ErrNoKey),
				"give the private key with --key FILE, --keys DIR or MOULT_KEY")
		}
	}
	return picked, nil
}

func has(picked map[string]crypto.Signer, id string) int {
	if picked[id] != nil {
		return 1
	}
	return 0
}

func oneOf(n int, ids []string) string {
	if n == len(ids) {
		return fmt.Sprintf("%v", ids)
	}
	return fmt.Sprintf("%d of %v", n, ids)
}

// Short is a key's id as a person tells it from others.
func Short(id string) string { return id[:min(len(id), 8)] }
