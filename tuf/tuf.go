// Package tuf holds the form that metadata has in a signed repository (docs/formats.md, Metadata): its sizes, its bytes, its keys.
// Whoever publishes and whoever reads are held to the same, so that nothing is signed that no device takes.
//
// It stands on go-tuf's metadata, and does no I/O.
package tuf

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
)

// The largest metadata that a Linux device takes, in bytes.
const (
	MaxRoot      = 64 << 10
	MaxTimestamp = 16 << 10
	MaxMetadata  = 1 << 20 // snapshot, targets, a module's role
)

// ErrForm means that the bytes of signed, as they stand in a file, are not those that were signed.
var ErrForm = errors.New("the bytes that were signed are not those of the file: want compact JSON with sorted keys, without <, > and &")

// CheckSigned holds a file of metadata to the canonical bytes of its signed part: another reader of the same file then finds the same
// in it, whatever it does with a key that stands twice. The line ends of a key's PEM, escaped in the file, count as one byte each.
func CheckSigned(signed any, file []byte) error {
	var raw struct{ Signed json.RawMessage }
	if err := json.Unmarshal(file, &raw); err != nil {
		return err
	}
	canonical, err := cjson.EncodeCanonical(signed)
	if err != nil {
		return err
	}
	if !bytes.Equal(bytes.ReplaceAll(raw.Signed, []byte(`\n`), []byte("\n")), canonical) {
		return ErrForm
	}
	return nil
}

// CheckKey refuses public keys of kinds and sizes that are not allowed: RSA has 2048 to 4096 bits and the exponent that a board's
// sixteen squarings reach, ECDSA is on P-256.
func CheckKey(public crypto.PublicKey) error {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < 2048 || bits > 4096 {
			return fmt.Errorf("key: got RSA with %d bits, want 2048 to 4096", bits)
		}
		if k.E != 65537 {
			return fmt.Errorf("key: got RSA with the exponent %d, want 65537", k.E)
		}
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return fmt.Errorf("key: got ECDSA on %s, want P-256", k.Curve.Params().Name)
		}
	case ed25519.PublicKey:
		if len(k) != ed25519.PublicKeySize {
			return fmt.Errorf("key: got Ed25519 with %d bytes, want %d", len(k), ed25519.PublicKeySize)
		}
	default:
		return fmt.Errorf("key: got a %T, want RSA, ECDSA on P-256 or Ed25519", public)
	}
	return nil
}
