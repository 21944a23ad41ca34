package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"

	"moult/fault"
)

// unpacked is a pack that was received, as a store. Whole objects are read where they stand in the pack;
// those that came as deltas were resolved into a second file.
type unpacked struct {
	pack, flat *os.File
	scan       *packfile.Scanner
	objects    map[plumbing.Hash]place
}

type place struct {
	at, size int64
	kind     plumbing.ObjectType
	flat     bool
}

// maxHeld bounds what resolving deltas may hold in memory: git makes no deltas of files above 512 MiB (core.bigFileThreshold).
const maxHeld = 512 << 20

// maxDepth bounds a chain of deltas, as git does (pack-objects.h, OE_DEPTH_BITS).
const maxDepth = 4095

// unpack reads a received pack through, checks its checksum, and computes the hash of each object.
func unpack(ctx context.Context, pack *os.File, maxObjects, maxBytes int64) (*unpacked, error) {
	flat, err := os.OpenFile(filepath.Join(filepath.Dir(pack.Name()), "deltas"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	if _, err := pack.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	u := &unpacker{
		unpacked:   unpacked{pack: pack, flat: flat, scan: packfile.NewScanner(&ctxSeeker{ctx, pack}), objects: map[plumbing.Hash]place{}},
		ctx:        ctx,
		bytesLeft:  maxBytes,
		heldLeft:   maxHeld,
		byOffset:   map[int64][]int{},
		byHash:     map[plumbing.Hash][]int{},
		baseHashes: map[int64]plumbing.Hash{},
	}
	if err := u.run(maxObjects); err != nil {
		flat.Close()
		// go-git gives the text of some ends alone
		if isCut(err) || strings.HasSuffix(err.Error(), io.ErrUnexpectedEOF.Error()) {
			err = fault.Transient(fmt.Errorf("pack cut: %w", io.ErrUnexpectedEOF))
		}
		return nil, fmt.Errorf("unpack: %w", err)
	}
	return &u.unpacked, nil
}

// unpacker is an unpacked in the making.
type unpacker struct {
	unpacked
	ctx                 context.Context
	bytesLeft, heldLeft int64
	flatEnd             int64
	deltas              []delta
	byOffset            map[int64][]int         // the deltas whose base stands there
	byHash              map[plumbing.Hash][]int // the deltas whose base is that object
	baseHashes          map[int64]plumbing.Hash // of the whole objects, by where they stand
	done, depth         int
}

type delta struct {
	at, length, target int64
	done               bool
}

func (u *unpacker) run(maxObjects int64) error {
	_, count, err := u.scan.Header()
	if errors.Is(err, packfile.ErrEmptyPackfile) {
		return io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	if int64(count) > maxObjects {
		return fmt.Errorf("got %d objects, want at most %d", count, maxObjects)
	}
	for range count {
		if err := u.next(); err != nil {
			return err
		}
	}
	if _, err := u.scan.Checksum(); err != nil {
		return err
	}
	for at, hash := range u.baseHashes {
		if err := u.resolve(at, hash); err != nil {
			return err
		}
	}
	if u.done != len(u.deltas) {
		return fmt.Errorf("got %d deltas without what they are built from", len(u.deltas)-u.done)
	}
	return nil
}

// next reads one object of the pack.
func (u *unpacker) next() error {
	if err := u.ctx.Err(); err != nil {
		return err
	}
	h, err := u.scan.NextObjectHeader()
	if err != nil {
		return err
	}
	if err := u.spend(h.Length); err != nil {
		return err
	}
	switch h.Type {
	case plumbing.CommitObject, plumbing.TreeObject, plumbing.BlobObject, plumbing.TagObject:
		hasher := plumbing.NewHasher(h.Type, h.Length)
		if err := u.read(hasher, h.Length); err != nil {
			return err
		}
		hash := hasher.Sum()
		u.objects[hash] = place{at: h.Offset, size: h.Length, kind: h.Type}
		u.baseHashes[h.Offset] = hash
		return nil
	case plumbing.OFSDeltaObject:
		u.byOffset[h.OffsetReference] = append(u.byOffset[h.OffsetReference], len(u.deltas))
	case plumbing.REFDeltaObject:
		u.byHash[h.Reference] = append(u.byHash[h.Reference], len(u.deltas))
	default:
		return fmt.Errorf("got an object of type %d", h.Type)
	}
	var head firstBytes
	if err := u.read(&head, h.Length); err != nil {
		return err
	}
	target, err := head.target()
	if err != nil {
		return err
	}
	u.deltas = append(u.deltas, delta{at: h.Offset, length: h.Length, target: target})
	return u.spend(target)
}

func (u *unpacker) spend(size int64) error {
	if size < 0 || size > u.bytesLeft {
		return fmt.Errorf("got an object of %d bytes, want at most %d more in the whole pack", size, u.bytesLeft)
	}
	u.bytesLeft -= size
	return nil
}

func (u *unpacker) read(w io.Writer, length int64) error {
	n, _, err := u.scan.NextObject(w)
	if err == nil && n != length {
		err = fmt.Errorf("object: got %d bytes, want %d", n, length)
	}
	return err
}

// resolve resolves what is built from the whole object at a place, if anything is.
func (u *unpacker) resolve(at int64, hash plumbing.Hash) error {
	if len(u.byOffset[at]) == 0 && len(u.byHash[hash]) == 0 {
		return nil
	}
	p := u.objects[hash]
	base, err := u.inflate(at, p.size)
	if err != nil {
		return err
	}
	defer u.release(p.size)
	return u.grow(p.kind, at, hash, base)
}

// grow resolves the deltas against base, and those against what they become.
func (u *unpacker) grow(kind plumbing.ObjectType, at int64, hash plumbing.Hash, base []byte) error {
	for _, list := range [][]int{u.byOffset[at], u.byHash[hash]} {
		for _, i := range list {
			if u.deltas[i].done { // its base stands in the pack twice
				continue
			}
			u.deltas[i].done = true
			u.done++
			if err := u.apply(kind, u.deltas[i], base); err != nil {
				return err
			}
		}
	}
	return nil
}

func (u *unpacker) apply(kind plumbing.ObjectType, d delta, base []byte) error {
	if err := u.ctx.Err(); err != nil {
		return err
	}
	change, err := u.inflate(d.at, d.length)
	if err != nil {
		return err
	}
	if err := u.hold(d.target); err != nil {
		return err
	}
	defer u.release(d.target)
	whole, err := packfile.PatchDelta(base, change)
	u.release(d.length)
	if err != nil {
		return err
	}
	hash := plumbing.ComputeHash(kind, whole)
	if _, err := u.flat.Write(whole); err != nil {
		return err
	}
	u.objects[hash] = place{at: u.flatEnd, size: int64(len(whole)), kind: kind, flat: true}
	u.flatEnd += int64(len(whole))
	if u.depth++; u.depth > maxDepth {
		return fmt.Errorf("got a chain of more than %d deltas", maxDepth)
	}
	defer func() { u.depth-- }()
	return u.grow(kind, d.at, hash, whole)
}

// inflate reads an object of the pack into memory; release gives that back.
func (u *unpacker) inflate(at, length int64) ([]byte, error) {
	if err := u.hold(length); err != nil {
		return nil, err
	}
	if _, err := u.scan.SeekObjectHeader(at); err != nil {
		return nil, err
	}
	buf := bytes.NewBuffer(make([]byte, 0, length)) // length was seen to be true
	err := u.read(buf, length)
	return buf.Bytes(), err
}

func (u *unpacker) hold(size int64) error {
	if size > u.heldLeft {
		return fault.Hint(fmt.Errorf("got deltas that need more than %d MiB of memory", maxHeld>>20), "attach large files to a release as assets")
	}
	u.heldLeft -= size
	return nil
}

func (u *unpacker) release(size int64) { u.heldLeft += size }

// firstBytes keeps the two lengths with which a delta begins, of its base and of what it becomes.
type firstBytes []byte

func (f *firstBytes) Write(p []byte) (int, error) {
	*f = append(*f, p[:min(len(p), 20-len(*f))]...)
	return len(p), nil
}

func (f firstBytes) target() (int64, error) {
	var n uint64
	rest := []byte(f)
	for range 2 {
		n = 0
		for shift := 0; ; shift += 7 {
			if len(rest) == 0 || shift > 56 {
				return 0, fmt.Errorf("delta: got no lengths")
			}
			b := rest[0]
			rest = rest[1:]
			n |= uint64(b&0x7f) << shift
			if b < 0x80 {
				break
			}
		}
	}
	return int64(n), nil // below 2^63, as no shift passes 56
}

func (u *unpacked) open(h plumbing.Hash) (content, error) {
	p, ok := u.objects[h]
	if !ok {
		return content{}, fmt.Errorf("object %s: got none in the pack", h)
	}
	c := content{kind: p.kind, size: p.size}
	if p.flat {
		c.ReadCloser = io.NopCloser(io.NewSectionReader(u.flat, p.at, p.size))
		return c, nil
	}
	if _, err := u.scan.SeekObjectHeader(p.at); err != nil {
		return content{}, fmt.Errorf("object %s: %w", h, err)
	}
	var err error
	c.ReadCloser, err = u.scan.ReadObject()
	return c, err
}

func (u *unpacked) close() { u.flat.Close() }

// ctxSeeker ends with its context.
type ctxSeeker struct {
	ctx context.Context
	io.ReadSeeker
}

func (c *ctxSeeker) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.ReadSeeker.Read(p)
}
