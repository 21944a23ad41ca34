package git

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"

	"moult/fault"
	"moult/release"
)

// patience is how long a server may say nothing: it counts and packs a large repository before its first byte.
const patience = 2 * time.Minute

// maxRefs bounds the list of a remote's branches and tags, in bytes: a million of them.
const maxRefs = 64 << 20

// conversation is one with a remote: its names first, then a pack.
type conversation struct {
	ctx      context.Context
	cancel   context.CancelCauseFunc
	watch    *time.Timer // ends the conversation when nothing came for long
	session  transport.UploadPackSession
	refs     *packp.AdvRefs
	wire     *wire // nil over ssh
	received int64
	progress func(received, total int64)
}

// dial asks a remote for its names.
func (s *Source) dial(ctx context.Context, progress func(received, total int64)) (*conversation, error) {
	c := &conversation{progress: progress}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	c.watch = time.AfterFunc(patience, func() { c.cancel(fault.Transient(errStalled)) })
	end := *s.end // go-git follows redirects by changing it
	var err error
	if end.Protocol == "ssh" {
		var auth *gitssh.PublicKeysCallback
		if auth, err = s.sshAuth(&end); err == nil {
			c.session, err = openSSH(c.ctx, &end, auth)
		}
	} else {
		c.wire = &wire{base: s.opt.Transport, arrived: c.arrived}
		var session transport.UploadPackSession
		if session, err = githttp.NewClient(c.wire.client()).NewUploadPackSession(&end, s.httpAuth()); err == nil {
			c.session = session
		}
	}
	if err == nil {
		c.refs, err = c.session.AdvertisedReferencesContext(c.ctx)
	}
	if errors.Is(err, transport.ErrEmptyRemoteRepository) {
		c.refs, err = packp.NewAdvRefs(), nil
	}
	if err != nil {
		err = c.cause(err)
		c.close()
		return nil, err
	}
	return c, nil
}

// openSSH connects, which go-git does without a context: an attempt that is given up closes itself once it ends.
func openSSH(ctx context.Context, end *transport.Endpoint, auth *gitssh.PublicKeysCallback) (transport.UploadPackSession, error) {
	type opened struct {
		session transport.UploadPackSession
		err     error
	}
	done := make(chan opened, 1)
	go func() {
		session, err := gitssh.NewClient(nil).NewUploadPackSession(end, auth)
		done <- opened{session, err}
	}()
	select {
	case o := <-done:
		if o.err != nil {
			return nil, o.err // go-git's session is a nil that does not look like one
		}
		return o.session, nil
	case <-ctx.Done():
		go func() {
			if o := <-done; o.err == nil {
				o.session.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

func (c *conversation) close() {
	c.watch.Stop()
	if c.session != nil {
		c.session.Close()
	}
	c.cancel(nil)
}

// arrived counts bytes as they come.
func (c *conversation) arrived(n int) {
	c.watch.Reset(patience)
	c.received += int64(n)
	if c.progress != nil && n > 0 {
		c.progress(c.received, -1)
	}
}

// cause returns why a conversation failed: go-git drops what the network said, and keeps the text of what it made of it.
func (c *conversation) cause(err error) error {
	if cause := context.Cause(c.ctx); cause != nil {
		return cause
	}
	if c.wire != nil && c.wire.err != nil {
		return c.wire.err
	}
	return err
}

func (s *Source) latestRemote(ctx context.Context, channel release.Channel) (release.Release, error) {
	c, err := s.dial(ctx, nil)
	if err != nil {
		return release.Release{}, err
	}
	defer c.close()
	var all []release.Release
	for name := range c.refs.References {
		tag, ok := strings.CutPrefix(name, tagPrefix)
		if !ok {
			continue
		}
		if v, err := release.ParseVersion(tag); err == nil {
			all = append(all, release.Release{Version: v, Commit: c.commit(name).String()})
		}
	}
	return newest(channel, all)
}

// commit returns what a tag leads to, as the remote says.
func (c *conversation) commit(ref string) plumbing.Hash {
	if peeled, ok := c.refs.Peeled[ref]; ok {
		return peeled
	}
	return c.refs.References[ref]
}

func (s *Source) fetchRemote(ctx context.Context, r release.Release, want release.Want, put func(release.File) error) (fetched release.Fetched, err error) {
	c, err := s.dial(ctx, want.Progress)
	if err != nil {
		return fetched, err
	}
	defer c.close()
	defer func() {
		fetched.Received = c.received
		if c.wire != nil {
			fetched.Requests = c.wire.requests
		}
	}()
	name := r.Version.String()
	tag, ok := c.refs.References[tagPrefix+name]
	if !ok {
		return fetched, missingTag(name)
	}
	if err := sameCommit(name, c.commit(tagPrefix+name).String(), r.Commit); err != nil {
		return fetched, err
	}
	var temp string
	if err = os.MkdirAll(cmp.Or(s.opt.Temp, os.TempDir()), 0o700); err == nil {
		temp, err = os.MkdirTemp(s.opt.Temp, "moult-git-")
	}
	if err != nil {
		return fetched, fmt.Errorf("fetch: %w", err)
	}
	defer os.RemoveAll(temp)
	pack, err := os.OpenFile(filepath.Join(temp, "pack"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fetched, fmt.Errorf("fetch: %w", err)
	}
	defer pack.Close()
	maxObjects, maxBytes := bounds(want.Limits)
	if err := c.receive(tag, pack, maxBytes); err != nil {
		return fetched, err
	}
	c.watch.Stop() // the rest is between the pack and put
	objects, err := unpack(c.ctx, pack, maxObjects, maxBytes)
	if err != nil {
		return fetched, err
	}
	defer objects.close()
	p, err := peel(objects, tag)
	if err != nil {
		return fetched, fmt.Errorf("tag %s: %w", name, err)
	}
	fetched.Commit = p.commit.String()
	if err := sameCommit(name, fetched.Commit, r.Commit); err != nil {
		return fetched, err
	}
	return fetched, walk(c.ctx, objects, p.tree, want, put)
}

// receive asks for one object, with its tree and without history, and writes the pack.
func (c *conversation) receive(tag plumbing.Hash, pack *os.File, maxBytes int64) error {
	request := packp.NewUploadPackRequestFromCapabilities(c.refs.Capabilities)
	request.Wants = []plumbing.Hash{tag}
	if c.refs.Capabilities.Supports(capability.Shallow) {
		request.Depth = packp.DepthCommits(1)
		if err := request.Capabilities.Set(capability.Shallow); err != nil {
			return err
		}
	}
	if c.refs.Capabilities.Supports(capability.NoProgress) {
		if err := request.Capabilities.Set(capability.NoProgress); err != nil {
			return err
		}
	}
	response, err := c.session.UploadPack(c.ctx, request)
	if err != nil {
		err = fmt.Errorf("fetch: %w", c.cause(err))
		if answered(err) {
			return err
		}
		return fault.Transient(err) // the names came, so this is the way to the server, or the server's trouble
	}
	defer response.Close()
	var body io.Reader = response
	switch {
	case request.Capabilities.Supports(capability.Sideband64k):
		body = sideband.NewDemuxer(sideband.Sideband64k, response)
	case request.Capabilities.Supports(capability.Sideband):
		body = sideband.NewDemuxer(sideband.Sideband, response)
	}
	if c.wire == nil {
		body = &counted{body, c.arrived}
	}
	to := &fileWriter{pack, maxBytes, nil}
	if _, err := io.Copy(to, body); err != nil {
		if to.err != nil {
			return fmt.Errorf("fetch: %w", to.err)
		}
		// whatever a server or the way to it says in the middle of a pack
		return fault.Transient(fmt.Errorf("fetch: %w", c.cause(err)))
	}
	return nil
}

// answered reports whether an error is a server's final word.
func answered(err error) bool {
	var status *plumbing.UnexpectedError
	return errors.As(err, &status) || errors.Is(err, transport.ErrAuthenticationRequired) ||
		errors.Is(err, transport.ErrAuthorizationFailed) || errors.Is(err, transport.ErrRepositoryNotFound)
}

// fileWriter tells its own errors from those of what it is copied from.
type fileWriter struct {
	*os.File
	left int64
	err  error
}

func (w *fileWriter) Write(p []byte) (int, error) {
	if w.left -= int64(len(p)); w.left < 0 {
		w.err = errors.New("got a larger pack than the limits allow")
		return 0, w.err
	}
	n, err := w.File.Write(p)
	w.err = err
	return n, err
}

// ReadFrom hides that of os.File, which would go past Write.
func (w *fileWriter) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{w}, r)
}

type counted struct {
	io.Reader
	arrived func(int)
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.arrived(n)
	return n, err
}
