package forge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"moult/archive"
	"moult/fault"
	"moult/release"
	"moult/web"
)

// maxSums is the longest checksums file that is read, in bytes: some 10,000 lines.
const maxSums = 1 << 20

// Assets streams the asset of r that Want names. What assets r has is asked of list, unless the check told it.
// The bytes are held to the digest that the forge tells, else to one that a checksums file of the same release has;
// an asset without either is refused.
func (f *Fetch) Assets(ctx context.Context, r release.Release,
	list func(ctx context.Context, tag string, meter *web.Meter) ([]release.Asset, error)) (release.Fetched, error) {
	assets := r.Assets
	if len(assets) == 0 {
		got, err := list(ctx, r.Version.String(), &f.Meter)
		if err != nil {
			return f.fetched(archive.Info{}), f.about(r, err)
		}
		assets = sound(got)
	}
	info, err := f.asset(ctx, assets)
	if err != nil && f.putErr == nil {
		err = fmt.Errorf("asset %s: %w", f.Want.Asset, err)
	}
	return f.fetched(info), f.about(r, err)
}

// sound returns the assets that an Item's Release would keep.
func sound(assets []release.Asset) []release.Asset {
	r, err := Item{Tag: "any", Assets: assets}.Release()
	if err != nil {
		return nil
	}
	return r.Assets
}

func (f *Fetch) asset(ctx context.Context, assets []release.Asset) (archive.Info, error) {
	asset, err := f.find(assets)
	if err != nil {
		return archive.Info{}, err
	}
	if asset.SHA256 == "" {
		if asset.SHA256, err = f.digest(ctx, asset.Name, assets); err != nil {
			return archive.Info{}, err
		}
	}
	return f.stream(ctx, binary(asset.URL), func(body io.Reader, length int64) (archive.Info, error) {
		return f.proved(ctx, asset, body, length)
	})
}

// binary is the request for an asset's bytes; GitHub's API would describe the asset otherwise.
func binary(address string) web.Request {
	return web.Request{URL: address, Want: web.Bytes, Header: http.Header{"Accept": {"application/octet-stream"}}}
}

func (f *Fetch) find(assets []release.Asset) (release.Asset, error) {
	var names []string
	for _, a := range assets {
		if a.Name == f.Want.Asset {
			return a, nil
		}
		names = append(names, a.Name)
	}
	has := "none"
	if len(names) > 0 {
		slices.Sort(names)
		has = strings.Join(names[:min(len(names), 20)], ", ")
	}
	return release.Asset{}, fault.Hint(fmt.Errorf("%w, the release has %s", release.ErrNotFound, has),
		`check the name that "asset" gives, and that the release is complete`)
}

// proved reads an asset's body to its end, and holds it to its length and digest.
func (f *Fetch) proved(ctx context.Context, asset release.Asset, body io.Reader, length int64) (archive.Info, error) {
	size := asset.Size
	if size == 0 {
		size = length
	}
	if size < 0 {
		return archive.Info{}, fmt.Errorf("got no length for it, want one from the forge or the server")
	}
	if length >= 0 && length != size {
		return archive.Info{}, fmt.Errorf("length: got %d, want %d", length, size)
	}
	hash := sha256.New()
	counted := &exact{r: io.TeeReader(body, hash), left: size, size: size}
	info, err := archive.ReadAsset(asset.Name, size, counted, archive.Options{Dir: f.Want.Dir, Limits: f.Want.Limits}, f.put(ctx))
	if err == nil && f.putErr == nil {
		_, err = io.Copy(io.Discard, counted) // what an archive's reader left is still to be hashed
	}
	if err != nil || f.putErr != nil {
		return info, err
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != asset.SHA256 {
		return info, fault.Hint(fmt.Errorf("sha256: got %s, want %s", got, asset.SHA256),
			"the asset is damaged or was replaced; nothing of it was installed")
	}
	return info, nil
}

// exact gives size bytes, and an error where there are fewer or more.
type exact struct {
	r          io.Reader
	left, size int64
}

func (e *exact) Read(p []byte) (int, error) {
	if int64(len(p)) > e.left+1 {
		p = p[:e.left+1]
	}
	n, err := e.r.Read(p)
	e.left -= int64(n)
	switch {
	case e.left < 0:
		return 0, fmt.Errorf("length: got more than %d", e.size)
	case err == io.EOF && e.left > 0:
		return n, fault.Transient(fmt.Errorf("length: got %d, want %d: %w", e.size-e.left, e.size, io.ErrUnexpectedEOF))
	}
	return n, err
}

// digest finds an asset's digest in the release's checksums files.
func (f *Fetch) digest(ctx context.Context, name string, assets []release.Asset) (string, error) {
	files := sumsFiles(name, assets)
	for _, file := range files[:min(len(files), 3)] { // each costs a request; the likeliest come first
		sums, err := f.read(ctx, file)
		if err != nil {
			return "", fmt.Errorf("checksums file %s: %w", file.Name, err)
		}
		if digest, ok := FindSum(sums, name, file.Name == name+".sha256"); ok {
			return digest, nil
		}
	}
	err := errors.New("got no SHA-256 for it from the forge nor from a checksums file")
	return "", fault.Hint(err, "attach a file SHA256SUMS to the release, as sha256sum writes it")
}

// read gets a small file whole.
func (f *Fetch) read(ctx context.Context, asset release.Asset) (string, error) {
	req := binary(asset.URL)
	req.Meter = &f.Meter
	resp, err := f.API.Client.Do(ctx, req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxSums+1))
	if err == nil && len(data) > maxSums {
		err = fmt.Errorf("got more than %d bytes", maxSums)
	}
	return string(data), err
}

// sumsFiles returns the assets that may list checksums for name, the likeliest first.
func sumsFiles(name string, assets []release.Asset) []release.Asset {
	rank := func(a release.Asset) int {
		if a.Name == name+".sha256" {
			return 0
		}
		if i := slices.Index([]string{"SHA256SUMS", "SHA256SUMS.txt", "checksums.txt", "sha256sum.txt"}, a.Name); i >= 0 {
			return i + 1
		}
		if lower := strings.ToLower(a.Name); strings.Contains(lower, "checksums") && strings.HasSuffix(lower, ".txt") {
			return 9
		}
		return -1
	}
	var files []release.Asset
	for _, a := range assets {
		if rank(a) >= 0 && a.Name != name {
			files = append(files, a)
		}
	}
	slices.SortStableFunc(files, func(a, b release.Asset) int { return rank(a) - rank(b) })
	return files
}

// FindSum finds the SHA-256 of name in a checksums file: lines "HASH  NAME" and "HASH *NAME" as GNU's sha256sum writes them,
// or "SHA256 (NAME) = HASH" as BSD's. Where own is set the file is about name alone, and a bare HASH will do.
// A file that has two different digests for name has none.
func FindSum(sums, name string, own bool) (digest string, ok bool) {
	for line := range strings.Lines(sums) {
		hash, of := parseSum(strings.TrimRight(line, "\r\n"))
		if hash == "" || of != name && !(own && of == "") {
			continue
		}
		if ok && hash != digest {
			return "", false
		}
		digest, ok = hash, true
	}
	return digest, ok
}

// parseSum reads one line; hash is "" where it is none of a SHA-256.
func parseSum(line string) (hash, name string) {
	if rest, bsd := strings.CutPrefix(line, "SHA256 ("); bsd {
		i := strings.LastIndex(rest, ") = ")
		if i < 0 {
			return "", ""
		}
		name, hash = rest[:i], rest[i+len(") = "):]
	} else {
		hash, name, _ = strings.Cut(strings.TrimSpace(line), " ")
		// GNU marks the mode by a second space or a star; "./" is what find gives it.
		name = strings.TrimPrefix(strings.TrimPrefix(strings.TrimLeft(name, " "), "*"), "./")
	}
	if raw, err := hex.DecodeString(hash); err != nil || len(raw) != sha256.Size {
		return "", ""
	}
	return strings.ToLower(hash), name
}

// SafeURL returns an asset's address when it is as safe as the forge's own, else "": a forge on https has no assets on http.
// Where a forge gives its own host on http, as one behind a proxy does that does not know of it, the address is made https.
func SafeURL(base *url.URL, address string) string {
	u, err := base.Parse(address)
	if err != nil {
		return ""
	}
	if base.Scheme == "https" && u.Scheme == "http" && strings.EqualFold(u.Hostname(), base.Hostname()) {
		u.Scheme, u.Host = base.Scheme, base.Host
	}
	if u.Scheme != "https" && u.Scheme != base.Scheme {
		return ""
	}
	return u.String()
}
