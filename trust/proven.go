package trust

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"

	"moult/release"
)

// proven reads a file that ends well only where it has the length and the hash of its entry.
type proven struct {
	r     io.Reader
	ctx   context.Context
	entry release.Entry
	left  int64
	sum   hash.Hash
}

func (p *proven) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	if p.sum == nil {
		p.sum = sha256.New()
	}
	n, err := p.r.Read(b)
	p.sum.Write(b[:n])
	p.left -= int64(n)
	switch {
	case p.left < 0:
		return 0, release.Refuse(release.BadLength, "%s: got more than %d bytes", p.entry.Path, p.entry.Length)
	case err != io.EOF:
		return n, err
	case p.left > 0:
		return n, release.Refuse(release.BadLength, "%s: got %d bytes, want %d", p.entry.Path, p.entry.Length-p.left, p.entry.Length)
	}
	if got := hex.EncodeToString(p.sum.Sum(nil)); got != p.entry.SHA256 {
		return n, release.Refuse(release.BadHash, "%s: got SHA-256 %s, want %s", p.entry.Path, got, p.entry.SHA256)
	}
	return n, io.EOF
}
