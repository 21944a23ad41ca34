package keyfile

import (
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"moult/repository"
)

// Ring finds private keys among files. A key is unlocked when it is first needed.
type Ring struct {
	ask      Ask
	files    map[string]*File
	unlocked repository.Ring
	used     []*File
}

var _ repository.Keys = (*Ring)(nil)

// NewRing returns a ring without keys. Ask may be nil where no person is there.
func NewRing(ask Ask) *Ring {
	if ask == nil {
		ask = func(string) (string, error) {
			return "", errors.New("it is encrypted, and there is nobody to ask for its passphrase")
		}
	}
	return &Ring{ask: ask, files: map[string]*File{}, unlocked: repository.Ring{}}
}

// Add adds a file that was read. Public keys are passed over.
func (r *Ring) Add(f *File) {
	if f.Private && r.files[f.ID] == nil {
		r.files[f.ID] = f
	}
}

// AddFile adds a key file.
func (r *Ring) AddFile(name string) error {
	f, err := Read(name)
	if err != nil {
		return err
	}
	if !f.Private {
		return fmt.Errorf("%s: got a public key, want a private one", name)
	}
	r.Add(f)
	return nil
}

// AddDir adds the key files of a folder, those whose names end in .pem or .key.
func (r *Ring) AddDir(name string) error {
	entries, err := os.ReadDir(name)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); e.IsDir() || strings.HasPrefix(e.Name(), ".") || ext != ".pem" && ext != ".key" {
			continue
		}
		f, err := Read(filepath.Join(name, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		r.Add(f)
	}
	return nil
}

// Len returns how many keys there are.
func (r *Ring) Len() int { return len(r.files) }

// Signer returns the private key of an id; repository.ErrNoKey where it is not in the ring.
func (r *Ring) Signer(id string) (crypto.Signer, error) {
	if key := r.unlocked[id]; key != nil {
		return key, nil
	}
	f := r.files[id]
	if f == nil {
		return nil, repository.ErrNoKey
	}
	key, err := f.Unlock(r.ask)
	if err != nil {
		return nil, err
	}
	r.unlocked[id] = key
	r.used = append(r.used, f)
	return key, nil
}

// Used lists the files whose keys were taken, in the order of their names.
func (r *Ring) Used() []*File {
	return slices.SortedFunc(slices.Values(r.used), func(a, b *File) int { return strings.Compare(a.Name, b.Name) })
}
