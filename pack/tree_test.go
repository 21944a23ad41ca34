package pack_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"

	"moult/release"
)

// tree is a release in memory: the content of each path. A content that begins with "-> " is a link.
type tree map[string]string

func (tr tree) manifest(version string) *release.Manifest {
	m := &release.Manifest{Module: "m", Version: release.MustVersion(version)}
	for path, content := range tr {
		e := release.Entry{Path: path}
		if target, isLink := strings.CutPrefix(content, "-> "); isLink {
			e.Link = target
		} else {
			e.Length = int64(len(content))
			e.SHA256 = digestOf(content)
		}
		m.Files = append(m.Files, e)
	}
	if _, err := m.Encode(); err != nil { // sorts and checks
		panic(err)
	}
	return m
}

func digestOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

func (tr tree) open(e release.Entry) (io.ReadCloser, error) {
	content, ok := tr[e.Path]
	if !ok {
		return nil, fmt.Errorf("%s: %w", e.Path, os.ErrNotExist)
	}
	return io.NopCloser(strings.NewReader(content)), nil
}

// byDigest returns a content of that digest, as a device finds what a pack passes over.
func (tr tree) byDigest(sha256 string) (string, bool) {
	for _, content := range tr {
		if digestOf(content) == sha256 {
			return content, true
		}
	}
	return "", false
}

func readerAt(content string) io.ReaderAt { return bytes.NewReader([]byte(content)) }
