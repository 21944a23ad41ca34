// Package keyfile keeps a publisher's private keys in files, and finds them when something is to be signed.
//
// A key file is PKCS#8 in PEM, as openssl reads it, with the permissions 0600; one that others may read is refused, as ssh does.
// Or it is encrypted with a passphrase: the public key in PEM, so that a key is known without its passphrase, and then the
// private one as age writes it (scrypt, armored). The passphrase is asked for when the key is needed, and not before.
//
// It stands on repository.
package keyfile

import (
	"bytes"
	"crypto"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"filippo.io/age"
	"filippo.io/age/armor"

	"moult/disk"
	"moult/fault"
	"moult/repository"
)

// maxFile bounds a key file, in bytes: RSA-4096, encrypted, is a third of it.
const maxFile = 16 << 10

// workFactor makes one guess at a passphrase cost 64 MB (2^16 blocks of 1 KiB) and a fifth of a second on a PC; a small Raspberry Pi still does it.
const workFactor = 16

// File is a key file as it was read.
type File struct {
	Name      string // of the file, or what else it came from
	ID        string // under which metadata names the key
	Public    crypto.PublicKey
	Private   bool // it holds the private key
	Encrypted bool // with a passphrase
	data      []byte
}

// Read reads a key file. One with a private key that others may read is refused.
func Read(name string) (*File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: got %s, want a file", name, disk.Describe(info.Mode()))
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s: got more than %d bytes, want a key", name, maxFile)
	}
	key, err := Parse(name, data)
	if err != nil {
		return nil, err
	}
	if open := info.Mode().Perm() & 0o077; key.Private && open != 0 {
		return nil, fault.Hint(fmt.Errorf("%s: got the permissions %04o: others may read or change this private key", name, info.Mode().Perm()),
			"chmod 600 "+name+"; if somebody may have read it, make a new key and rotate")
	}
	return key, nil
}

// Parse reads a key from bytes; name says in errors where they came from.
func Parse(name string, data []byte) (*File, error) {
	public, err := repository.ParsePublic(data)
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("%s: %w", name, err), "moult key make FILE makes a key")
	}
	id, err := repository.KeyID(public)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	f := &File{Name: name, ID: id, Public: public, data: data}
	f.Encrypted = bytes.Contains(data, []byte(armor.Header))
	f.Private = f.Encrypted || bytes.Contains(data, []byte("PRIVATE KEY-----"))
	return f, nil
}

// ParseAll reads one key, or several private ones after one another, none of these encrypted: what a CI has in one secret.
func ParseAll(name string, data []byte) (all []*File, err error) {
	if bytes.Count(data, []byte("PRIVATE KEY-----")) <= 2 {
		f, err := Parse(name, data)
		return []*File{f}, err
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		f, err := Parse(name, pem.EncodeToMemory(block))
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

// Ask asks a person for the passphrase of a key.
type Ask func(name string) (string, error)

// Unlock returns the private key; ask is asked for the passphrase where there is one.
func (f *File) Unlock(ask Ask) (crypto.Signer, error) {
	if !f.Private {
		return nil, fmt.Errorf("%s: got a public key, want a private one", f.Name)
	}
	data := f.data
	if f.Encrypted {
		passphrase, err := ask(f.Name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		if data, err = decrypt(f.data, passphrase); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	key, err := repository.ParsePrivate(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	if id, err := repository.KeyID(key.Public()); err != nil || id != f.ID {
		return nil, fmt.Errorf("%s: the private key is not that of the public key above it", f.Name)
	}
	return key, nil
}

// Write makes a new key file; an empty passphrase leaves it unencrypted. A file that is there is never written over.
func Write(name string, key crypto.Signer, passphrase string) (*File, error) {
	if _, err := os.Lstat(name); err == nil {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrExist)
	}
	return write(name, key, passphrase)
}

// Encrypt encrypts a key file in its place.
func Encrypt(name, passphrase string) (*File, error) {
	f, err := Read(name)
	if err != nil {
		return nil, err
	}
	if f.Encrypted {
		return nil, fmt.Errorf("%s: it is encrypted already", name)
	}
	key, err := f.Unlock(nil)
	if err != nil {
		return nil, err
	}
	return write(name, key, passphrase)
}

// write makes name hold the key, wholly or not at all.
func write(name string, key crypto.Signer, passphrase string) (*File, error) {
	data, err := repository.PrivatePEM(key)
	if err != nil {
		return nil, err
	}
	if passphrase != "" {
		public, err := repository.PublicPEM(key.Public())
		if err != nil {
			return nil, err
		}
		if data, err = encrypt(public, data, passphrase); err != nil {
			return nil, err
		}
	}
	dir, err := disk.OpenDir(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	if err := disk.WriteFile(dir, filepath.Base(name), data, 0o600); err != nil {
		return nil, err
	}
	return Parse(name, data)
}

func encrypt(public, private []byte, passphrase string) ([]byte, error) {
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	recipient.SetWorkFactor(workFactor)
	out := bytes.NewBuffer(bytes.Clone(public))
	armored := armor.NewWriter(out)
	w, err := age.Encrypt(armored, recipient)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(private)
	if err := errors.Join(err, w.Close(), armored.Close()); err != nil {
		return nil, err
	}
	return append(out.Bytes(), '\n'), nil
}

func decrypt(data []byte, passphrase string) ([]byte, error) {
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, err
	}
	start := bytes.Index(data, []byte(armor.Header))
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(data[start:])), identity)
	if errors.As(err, new(*age.NoIdentityMatchError)) {
		return nil, fault.Hint(errors.New("the passphrase is wrong"), "without its passphrase a key is lost: make a new one and rotate")
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
