package keyfile_test

import (
	"bytes"
	"crypto"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"moult/fault"
	"moult/keyfile"
	"moult/repository"
)

func newKey(t *testing.T, kind repository.Kind) crypto.Signer {
	t.Helper()
	key, err := repository.Generate(kind)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func saying(passphrase string) keyfile.Ask {
	return func(string) (string, error) { return passphrase, nil }
}

func TestKeepsKeys(t *testing.T) {
	for _, kind := range []repository.Kind{repository.RSA2048, repository.Ed25519, repository.ECDSA} {
		for _, passphrase := range []string{"", "correct horse"} {
			if passphrase != "" && kind != repository.Ed25519 { // half a second each
				continue
			}
			name := filepath.Join(t.TempDir(), "online.pem")
			key := newKey(t, kind)
			written, err := keyfile.Write(name, key, passphrase)
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(name)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: got %v, %v, want the permissions 0600", kind, info.Mode(), err)
			}
			f, err := keyfile.Read(name)
			if err != nil || f.ID != written.ID || !f.Private || f.Encrypted != (passphrase != "") {
				t.Fatalf("%s: got %+v, %v", kind, f, err)
			}
			got, err := f.Unlock(saying(passphrase))
			if err != nil || !got.(interface{ Equal(crypto.PrivateKey) bool }).Equal(key) {
				t.Errorf("%s: got another key, %v", kind, err)
			}
			if _, err := keyfile.Write(name, key, ""); !errors.Is(err, fs.ErrExist) {
				t.Errorf("%s: written over: got %v", kind, err)
			}
		}
	}
}

func TestEncrypt(t *testing.T) {
	name := filepath.Join(t.TempDir(), "root.pem")
	key := newKey(t, repository.Ed25519)
	if _, err := keyfile.Write(name, key, ""); err != nil {
		t.Fatal(err)
	}
	plain, _ := os.ReadFile(name)
	f, err := keyfile.Encrypt(name, "correct horse")
	if err != nil || !f.Encrypted {
		t.Fatalf("got %+v, %v", f, err)
	}
	data, _ := os.ReadFile(name)
	secret := strings.Split(string(plain), "\n")[1]
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 || bytes.Contains(data, []byte(secret)) || bytes.Contains(data, []byte("PRIVATE KEY")) {
		t.Errorf("got %v, %v and the private key in %q", info.Mode(), err, data)
	}
	if _, err := f.Unlock(saying("wrong")); err == nil || !strings.Contains(err.Error(), "passphrase is wrong") {
		t.Errorf("a wrong passphrase: got %v", err)
	}
	if got, err := f.Unlock(saying("correct horse")); err != nil || !got.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(key.Public()) {
		t.Errorf("got %v", err)
	}
	if _, err := keyfile.Encrypt(name, "again"); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("encrypted twice: got %v", err)
	}
	// another's public key above the private one is noticed
	public, _ := repository.PublicPEM(newKey(t, repository.Ed25519).Public())
	swapped := append(public, data[bytes.Index(data, []byte("-----BEGIN AGE")):]...)
	if err := os.WriteFile(name, swapped, 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err = keyfile.Read(name); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Unlock(saying("correct horse")); err == nil || !strings.Contains(err.Error(), "not that of the public key") {
		t.Errorf("swapped: got %v", err)
	}
}

func TestRefused(t *testing.T) {
	private, _ := repository.PrivatePEM(newKey(t, repository.Ed25519))
	tests := []struct {
		name string
		data []byte
		perm fs.FileMode
		says string
	}{
		{"others may read it", private, 0o644, "0644"},
		{"the group may read it", private, 0o640, "0640"},
		{"no key", []byte("hello"), 0o600, "no PEM"},
		{"too long", bytes.Repeat([]byte("a"), 20<<10), 0o600, "more than"},
		{"a certificate", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), 0o600, "CERTIFICATE"},
	}
	for _, test := range tests {
		name := filepath.Join(t.TempDir(), "key.pem")
		if err := os.WriteFile(name, test.data, test.perm); err != nil {
			t.Fatal(err)
		}
		_, err := keyfile.Read(name)
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.says)
		}
		if strings.Contains(test.name, "may") && !strings.Contains(fault.HintOf(err), "chmod 600") {
			t.Errorf("%s: got the hint %q", test.name, fault.HintOf(err))
		}
	}
}

func TestRing(t *testing.T) {
	dir := t.TempDir()
	online, root := newKey(t, repository.Ed25519), newKey(t, repository.Ed25519)
	a, err := keyfile.Write(filepath.Join(dir, "online.pem"), online, "")
	if err != nil {
		t.Fatal(err)
	}
	b, err := keyfile.Write(filepath.Join(dir, "root.pem"), root, "secret")
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	ring := keyfile.NewRing(func(string) (string, error) { asked++; return "secret", nil })
	if err := ring.AddDir(dir); err != nil || ring.Len() != 2 {
		t.Fatalf("got %d keys, %v", ring.Len(), err)
	}
	if _, err := ring.Signer(a.ID); err != nil || asked != 0 {
		t.Errorf("online: got %v, asked %d times, want none", err, asked)
	}
	for range 2 {
		if _, err := ring.Signer(b.ID); err != nil || asked != 1 {
			t.Errorf("root: got %v, asked %d times, want once", err, asked)
		}
	}
	if _, err := ring.Signer(strings.Repeat("0", 64)); !errors.Is(err, repository.ErrNoKey) {
		t.Errorf("another: got %v", err)
	}
	if used := ring.Used(); len(used) != 2 || used[0].ID != a.ID {
		t.Errorf("used: got %v", used)
	}
}
