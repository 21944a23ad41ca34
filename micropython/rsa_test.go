package micropython_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

type rsaCase struct {
	Name      string `json:"name"`
	Key       string `json:"key"`
	Digest    string `json:"digest"`
	Signature string `json:"signature"`
	Want      *bool  `json:"want"` // nil: the key is refused
}

// TestRSA verifies signatures of Go's in pure MicroPython, and refuses all that RFC 8017, 9.1.2 has refused.
func TestRSA(t *testing.T) {
	yes, no := true, false
	var cases []rsaCase
	sum := sha256.Sum256([]byte("what is signed"))
	add := func(name string, public any, signature []byte, want *bool) {
		der, err := x509.MarshalPKIXPublicKey(public)
		must(t, err)
		key := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		cases = append(cases, rsaCase{name, string(key), hex.EncodeToString(sum[:]), hex.EncodeToString(signature), want})
	}
	pss := func(key *rsa.PrivateKey, digest []byte, salt int) []byte {
		signature, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest, &rsa.PSSOptions{SaltLength: salt})
		must(t, err)
		return signature
	}
	other := sha256.Sum256([]byte("something else"))
	for _, bits := range []int{2048, 2049, 2052, 3072, 4096} { // at 2049 the encoded message is a byte shorter than the modulus
		key, err := rsa.GenerateKey(rand.Reader, bits)
		must(t, err)
		name := func(what string) string { return fmt.Sprint(bits, " bits: ", what) }
		good := pss(key, sum[:], 32)
		add(name("good"), &key.PublicKey, good, &yes)
		add(name("of something else"), &key.PublicKey, pss(key, other[:], 32), &no)
		add(name("a shorter salt"), &key.PublicKey, pss(key, sum[:], 20), &no)
		add(name("a longer salt"), &key.PublicKey, pss(key, sum[:], 40), &no)
		for _, at := range []int{0, len(good) / 2, len(good) - 1} {
			bad := append([]byte(nil), good...)
			bad[at] ^= 1
			add(name(fmt.Sprint("another bit in byte ", at)), &key.PublicKey, bad, &no)
		}
		add(name("cut"), &key.PublicKey, good[1:], &no)
		add(name("a byte before it"), &key.PublicKey, append([]byte{0}, good...), &no)
		add(name("empty"), &key.PublicKey, nil, &no)
		add(name("zero"), &key.PublicKey, make([]byte, len(good)), &no)
		above := new(big.Int).Add(new(big.Int).SetBytes(good), key.N) // the same number to the modulus
		if len(above.Bytes()) == len(good) {
			add(name("above the modulus"), &key.PublicKey, above.Bytes(), &no)
		}
		crafted := func(what string, change func(db, trailer []byte), want *bool) {
			add(name(what), &key.PublicKey, craft(key, sum[:], change), want)
		}
		crafted("crafted well", func(_, _ []byte) {}, &yes)
		crafted("another trailer", func(_, trailer []byte) { trailer[0] = 0xbb }, &no)
		crafted("padding that is not zero", func(db, _ []byte) { db[5] = 1 }, &no)
		crafted("no one behind the padding", func(db, _ []byte) { db[len(db)-33] = 2 }, &no)
		old, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		must(t, err)
		add(name("PKCS #1 v1.5"), &key.PublicKey, old, &no)
	}
	small, err := rsa.GenerateKey(rand.Reader, 2040)
	must(t, err)
	add("a key of 2040 bits", &small.PublicKey, pss(small, sum[:], 32), nil)
	small.PublicKey.E = 3
	add("another exponent", &small.PublicKey, nil, nil)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	add("a key that is not RSA", &curve.PublicKey, nil, nil)
	cases = append(cases, rsaCase{Name: "no key", Key: "key"})
	data, err := json.Marshal(cases)
	must(t, err)
	file := filepath.Join(t.TempDir(), "cases.json")
	must(t, os.WriteFile(file, data, 0o600))
	everywhere(t, func(t *testing.T, which string) {
		if out := runIn(t, which, abs(t, "tests/rsa.py"), file); out != fmt.Sprintf("cases %d\n", len(cases)) {
			t.Errorf("want %d cases and no word more\n%s", len(cases), out)
		}
	})
}

// craft signs an encoded message (RFC 8017, 9.1.1) that is changed before its mask.
func craft(key *rsa.PrivateKey, digest []byte, change func(db, trailer []byte)) []byte {
	bits := key.N.BitLen() - 1
	salt, trailer := make([]byte, 32), []byte{0xbc}
	h := sha256.Sum256(slices.Concat(make([]byte, 8), digest, salt))
	db := make([]byte, (bits+7)/8-33)
	db[len(db)-33] = 1
	change(db, trailer)
	for i := range db {
		mask := sha256.Sum256(append(h[:len(h):len(h)], 0, 0, 0, byte(i/32)))
		db[i] ^= mask[i%32]
	}
	db[0] &= 0xff >> (8*((bits+7)/8) - bits)
	em := new(big.Int).SetBytes(slices.Concat(db, h[:], trailer))
	return em.Exp(em, key.D, key.N).FillBytes(make([]byte, key.Size()))
}
