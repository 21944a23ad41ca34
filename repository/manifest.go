package repository

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"moult/release"
)

// manifest reads a release's manifest, and holds it to what the role says.
func (v *View) manifest(t Target) (*release.Manifest, error) {
	data, err := v.manifestBytes(t)
	if err != nil {
		return nil, err
	}
	m, err := release.ParseManifest(data)
	if err != nil {
		return nil, release.Refuse(release.BadFormat, "%s: %w", t.path(), err)
	}
	again, err := m.Encode()
	switch {
	case err != nil:
		return nil, release.Refuse(release.BadFormat, "%s: %w", t.path(), err)
	case !bytes.Equal(again, data):
		return nil, release.Refuse(release.BadFormat, "%s: the same manifest has other bytes", t.path())
	case m.Module != t.Module:
		return nil, release.Refuse(release.WrongModule, "%s: module: got %q, want %q", t.path(), m.Module, t.Module)
	case m.Version.String() != t.Version.String():
		return nil, release.Refuse(release.Mismatch, "%s: version: got %q, want %q", t.path(), m.Version, t.Version)
	}
	return m, nil
}

func (v *View) manifestBytes(t Target) ([]byte, error) {
	data, err := readFile(v.disk, t.path(), t.Length)
	switch {
	case err != nil:
		return nil, err
	case int64(len(data)) != t.Length:
		return nil, release.Refuse(release.BadLength, "%s: length: got %d, want %d", t.path(), len(data), t.Length)
	}
	if digest := sha256.Sum256(data); hex.EncodeToString(digest[:]) != t.SHA256 {
		return nil, release.Refuse(release.BadHash, "%s: got another hash than the role says", t.path())
	}
	return data, nil
}

// open opens a file of a release.
func (v *View) open(e release.Entry) (io.ReadCloser, error) { return v.disk.Open(FilePath(e.SHA256)) }

func parseCustom(f *metadata.TargetFiles) (c custom, err error) {
	if f.Custom != nil {
		err = json.Unmarshal(*f.Custom, &c)
	}
	if err != nil {
		return c, release.Refuse(release.BadFormat, "custom: %w", err)
	}
	return c, nil
}

func hexBytes(text string) (metadata.HexBytes, error) {
	data, err := hex.DecodeString(text)
	if err != nil || len(data) != sha256.Size {
		return nil, fmt.Errorf("sha256: got %q, want 64 hex digits", text)
	}
	return data, nil
}
