// Package git offers the tags of any git repository as releases: one in a directory, over https, or over ssh.
// It needs no git program.
//
// What guards it: over https and ssh the server is proven, by its certificate or by known_hosts, which fails closed; http proves nothing.
// A token is shown only to the https host of the URL. What a server sends is taken for hostile: lengths, counts and the sums of what
// packed objects unpack to are bounded before memory or disk is spent; the hash of each object is checked, so a commit vouches for its
// whole tree; names that git itself would not check out are refused; everything passes a [release.Guard].
//
// It stands on release, archive and fault, and on go-git's protocols and object formats (docs/adr/0003-git-through-go-git.md).
package git

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/transport"

	"moult/fault"
	"moult/release"
)

// Options are what a Source may use. The zero Options do for a public repository.
type Options struct {
	Token string // sent as the password of basic authentication, over https to the URL's host alone
	Temp  string // where a fetch from a remote keeps its pack until it returns; "" for the system's directory

	SSHKey     string   // the file of a private key without passphrase; "" for the agent and the usual files of ~/.ssh
	KnownHosts []string // "" for $SSH_KNOWN_HOSTS, or ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts

	Transport http.RoundTripper // for http and https; nil for one of the package's own, which asks the environment for a proxy
}

// Source is one git repository.
//
// Latest takes the newest tag that is a version. Where no tag is one, it takes the newest by date from a local repository, and from a remote,
// which tells names only, the last by name: nightly-2026-01-02 before nightly-2026-01-01.
// From a remote it costs one request whose answer names every branch and tag, about 60 bytes each; Memo is nil.
//
// Fetch reads a local repository in place. From a remote it costs two requests: the names again, then one pack of the tag's tree
// without history, the whole tree even where Dir is set; over ssh it is one connection. Redirects are counted too.
// The pack goes through a file below Temp. Memory grows with the number of objects, some 150 bytes each, and not with their sizes;
// except for a file that the server chose to send as a delta against another: that is held whole, with what it is built from,
// up to 512 MiB together. A pack in a local repository is read by its index, which is held whole, some 35 bytes an object of the repository.
type Source struct {
	local string              // a path, or
	end   *transport.Endpoint // a remote, without user and password where it is https
	name  string              // for messages: the URL without password
	user  *url.Userinfo
	opt   Options
}

var _ release.Source = (*Source)(nil)

// New returns the source of the repository at address: an absolute path, file://, https://, http://, ssh:// or user@host:path.
// The repository is not asked before Latest or Fetch.
func New(address string, opt Options) (*Source, error) {
	if filepath.IsAbs(address) {
		return &Source{local: filepath.Clean(address), name: address, opt: opt}, nil
	}
	scheme, _, _ := strings.Cut(address, "://")
	if scheme == address { // user@host:path; git's helper::address is none
		if strings.Contains(address, "::") || strings.ContainsAny(address, " \t\r\n") {
			return nil, wrongAddress(address)
		}
		end, err := transport.NewEndpoint(address)
		if err != nil || end.Protocol != "ssh" || end.Host == "" || end.Path == "" {
			return nil, wrongAddress(address)
		}
		return &Source{end: end, name: address, opt: opt}, nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, wrongAddress(scheme + "://…") // the text may hold a password
	}
	s := &Source{name: u.Redacted(), opt: opt}
	switch u.Scheme {
	case "file":
		if u.Host != "" && u.Host != "localhost" || !filepath.IsAbs(u.Path) {
			return nil, wrongAddress(u.Redacted())
		}
		s.local = filepath.Clean(u.Path)
		return s, nil
	case "ssh":
	case "http", "https":
		if opt.Token != "" && u.Scheme == "http" {
			return nil, fault.Hint(fmt.Errorf("repository %s: got a token for http, want https", s.name), "a token is not sent over a connection that anyone can read")
		}
		s.user, u.User = u.User, nil
		u.Path = u.EscapedPath() // go-git writes the path as it stands
		u.Path = strings.TrimSuffix(u.Path, "/")
	default:
		return nil, wrongAddress(u.Redacted())
	}
	if u.Hostname() == "" || strings.Trim(u.Path, "/") == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, wrongAddress(u.Redacted())
	}
	u.RawPath = ""
	end := &transport.Endpoint{Protocol: u.Scheme, Host: u.Hostname(), Path: u.Path}
	if strings.Contains(end.Host, ":") {
		end.Host = "[" + end.Host + "]"
	}
	if u.User != nil {
		end.User = u.User.Username()
	}
	if port := u.Port(); port != "" {
		if _, err := fmt.Sscanf(port, "%d", &end.Port); err != nil {
			return nil, wrongAddress(u.Redacted())
		}
	}
	s.end = end
	if s.opt.Transport == nil && u.Scheme != "ssh" {
		s.opt.Transport = newTransport()
	}
	return s, nil
}

func wrongAddress(address string) error {
	return fmt.Errorf("repository: got %q, want an absolute path, file://, https://, ssh:// or user@host:path", address)
}

// Latest returns the newest release that q's channel allows.
func (s *Source) Latest(ctx context.Context, q release.Query) (release.Answer, error) {
	if err := ctx.Err(); err != nil {
		return release.Answer{}, err
	}
	latest := s.latestRemote
	if s.local != "" {
		latest = s.latestLocal
	}
	r, err := latest(ctx, q.Channel)
	if err != nil {
		return release.Answer{}, s.explain(ctx, err)
	}
	return release.Answer{Release: r}, nil
}

// Fetch streams the files of r into put. It gives no assets: git has none.
func (s *Source) Fetch(ctx context.Context, r release.Release, want release.Want, put func(release.File) error) (release.Fetched, error) {
	if err := ctx.Err(); err != nil {
		return release.Fetched{}, err
	}
	if want.Asset != "" {
		return release.Fetched{}, fault.Hint(fmt.Errorf("asset %s: %w", want.Asset, release.ErrNotFound), "a plain git repository has no assets; leave the asset out to install its tree")
	}
	var refused error
	guarded := func(f release.File) error {
		refused = put(f)
		return refused
	}
	guard := release.NewGuard(want.Limits)
	pass := func(f release.File) error { return guard.Pass(f, guarded) }
	fetch := s.fetchRemote
	if s.local != "" {
		fetch = s.fetchLocal
	}
	fetched, err := fetch(ctx, r, want, pass)
	if err != nil {
		if refused != nil {
			return fetched, refused
		}
		return fetched, s.explain(ctx, err)
	}
	return fetched, nil
}

// newest picks a release from tags by name, the last name first.
func newest(channel release.Channel, tags []release.Release) (release.Release, error) {
	slices.SortStableFunc(tags, func(a, b release.Release) int { return strings.Compare(b.Version.String(), a.Version.String()) })
	r, ok := channel.Newest(tags)
	if !ok {
		return r, fault.Hint(fmt.Errorf("%w on channel %s among %d tags", release.ErrNoRelease, channel, len(tags)), "push a tag such as v1.0 to release")
	}
	return r, nil
}

// missingTag says that the repository has no such tag.
func missingTag(tag string) error {
	return fault.Hint(fmt.Errorf("tag %s: %w", tag, release.ErrNotFound), "the tag was removed or renamed; check for releases again")
}

// sameCommit refuses a tag that was moved since it was checked.
func sameCommit(tag, got, want string) error {
	if want == "" || got == want {
		return nil
	}
	return fault.Hint(fault.Transient(fmt.Errorf("tag %s: got commit %.12s, want %.12s", tag, got, want)),
		"the tag was moved after the check; check again")
}

// errStalled is why a conversation ends that brings no more bytes.
var errStalled = errors.New("no answer for two minutes")
