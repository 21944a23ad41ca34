// Package github is the source of releases on GitHub and GitHub Enterprise.
//
// It stands on source/forge. Without a token a check on the stable channel is one request for the page
// HOST/owner/repo/releases/latest, whose redirect names the tag: it costs nothing of the API's budget of 60 requests an hour
// an address. With a token it is one conditional request to the API. The token goes to the API's host alone.
package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"moult/fault"
	"moult/release"
	"moult/source/forge"
	"moult/web"
)

// Options are what a Source may be given.
type Options struct {
	Token string // for a private repository, or for a higher limit of requests
	API   string // "" is https://api.github.com for github.com, BASE/api/v3 for a GitHub Enterprise
}

// Source is one repository.
type Source struct {
	api        forge.API
	base       *url.URL
	path       string // owner/repo, escaped
	web, repos string // HOST/owner/repo and API/repos/owner/repo
}

var _ release.Source = (*Source)(nil)

// New returns the source of the repository at base and path, as forge.ParseRepo gives them.
func New(client *web.Client, base, path string, opt Options) (*Source, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("github: url %q: got no scheme and host", base)
	}
	if strings.Count(path, "/") != 1 {
		return nil, fault.Hint(fmt.Errorf("github: url %s/%s: got the path %q, want owner/repo", base, path, path),
			"give the repository's own address, as https://github.com/owner/repo")
	}
	if u.Hostname() == "www.github.com" {
		u.Host = "github.com"
	}
	if opt.API == "" {
		opt.API = u.String() + "/api/v3"
		if u.Host == "github.com" {
			opt.API = "https://api.github.com"
		}
	}
	opt.API = strings.TrimSuffix(opt.API, "/")
	api, err := url.Parse(opt.API)
	if err != nil || api.Host == "" || api.Scheme != u.Scheme && api.Scheme != "https" {
		return nil, fmt.Errorf("github: api %q: got no URL as safe as %s, want one such as https://api.github.com", opt.API, base)
	}
	access := web.Access{Host: web.HostPort(api), Header: "Authorization", Key: "github.token"}
	if opt.Token != "" {
		access.Value = "Bearer " + opt.Token
	}
	asked, err := forge.NewAPI(client, access, http.Header{
		"Accept":               {"application/vnd.github+json"},
		"X-Github-Api-Version": {"2022-11-28"},
	})
	if err != nil {
		return nil, err
	}
	path = forge.EscapePath(path)
	return &Source{
		api: asked, base: u, path: path, web: u.String() + "/" + path, repos: opt.API + "/repos/" + path,
	}, nil
}

// Latest asks for the newest release.
func (s *Source) Latest(ctx context.Context, q release.Query) (release.Answer, error) {
	return forge.Latest(ctx, s.web, q, s.latest)
}

func (s *Source) latest(ctx context.Context, q release.Query) (release.Answer, error) {
	list := func() (release.Answer, error) {
		return forge.List(ctx, s.api, s.repos+"/releases?per_page=100", q, s.item)
	}
	if !q.Channel.IsStable() {
		return list()
	}
	if !s.api.Auth {
		r, err := s.redirect(ctx)
		if err != nil || q.Channel.Allows(r) {
			return release.Answer{Release: r}, err
		}
		return list() // the latest is one whose tag says that it is a pre-release
	}
	answer, ok, err := forge.Newest(ctx, s.api, s.repos+"/releases/latest", q, s.item)
	switch {
	case forge.IsNotFound(err):
		return list() // which tells a repository without a release from one that is not there
	case err != nil || ok:
		return answer, err
	}
	return list()
}

// redirect reads the latest tag from where the page of the latest release leads.
func (s *Source) redirect(ctx context.Context) (release.Release, error) {
	at, err := s.base.Parse(s.web + "/releases/latest")
	if err != nil {
		return release.Release{}, err
	}
	for range web.MaxRedirects {
		resp, err := s.api.Client.Do(ctx, web.Request{Method: http.MethodHead, URL: at.String(), Want: web.Bytes, Stay: true})
		if err != nil {
			return release.Release{}, err
		}
		resp.Body.Close()
		location := resp.Header.Get("Location")
		if location == "" {
			return release.Release{}, portal(fmt.Errorf("HEAD %s: got status %d, want a redirect to the latest release", web.Redact(at), resp.Status))
		}
		next, tag, err := readLocation(at, location)
		if err != nil {
			return release.Release{}, fmt.Errorf("HEAD %s: %w", web.Redact(at), err)
		}
		if tag != "" {
			return forge.Item{Tag: tag, Page: next.String()}.Release()
		}
		at = next // the repository was renamed
	}
	return release.Release{}, fmt.Errorf("HEAD %s: got more than %d redirects", web.Redact(at), web.MaxRedirects)
}

func portal(err error) error {
	return fault.Transient(fault.Hint(err, `a login page or captive portal answered, or the host is no GitHub: check the network, and "forge"`))
}

// readLocation reads where /owner/repo/releases/latest leads:
//
//	…/owner/repo/releases/tag/TAG   to the latest release
//	…/owner/repo/releases           to the list, where there is none
//	…/owner/name/releases/latest    to the repository's new name
//	…/login?return_to=…             to the login of a GitHub Enterprise that shows nothing to strangers
//
// Anywhere else, and on another host, another than GitHub answered.
func readLocation(at *url.URL, location string) (next *url.URL, tag string, err error) {
	next, err = at.Parse(location)
	if err != nil {
		return nil, "", portal(errors.New("got a redirect to what is no URL"))
	}
	if next.Scheme != at.Scheme || web.HostPort(next) != web.HostPort(at) || next.User != nil {
		return nil, "", portal(fmt.Errorf("got a redirect to %s, want one on %s", web.Redact(next), at.Host))
	}
	parts := strings.SplitN(strings.TrimPrefix(next.EscapedPath(), "/"), "/", 5)
	switch {
	case len(parts) == 1 && parts[0] == "login":
		return nil, "", fault.Hint(fmt.Errorf("got a redirect to the login page: %w", release.ErrNotFound), "the server shows nothing to strangers: set github.token")
	case len(parts) == 3 && parts[2] == "releases":
		return nil, "", forge.NoRelease(release.Stable)
	case len(parts) == 4 && parts[2] == "releases" && parts[3] == "latest":
		return next, "", nil
	case len(parts) == 5 && parts[2] == "releases" && parts[3] == "tag":
		if tag, err = url.PathUnescape(parts[4]); err != nil || tag == "" {
			return nil, "", fmt.Errorf("got a redirect to %s, want one to a tag", web.Redact(next))
		}
		return next, tag, nil
	}
	return nil, "", portal(fmt.Errorf("got a redirect to %s, want one to the latest release", web.Redact(next)))
}

// Fetch streams a release's tree, or the asset that want names.
func (s *Source) Fetch(ctx context.Context, r release.Release, want release.Want, put func(release.File) error) (release.Fetched, error) {
	f := forge.NewFetch(s.api, want, put)
	if want.Asset != "" {
		return f.Assets(ctx, r, s.assets)
	}
	// The branches' names are apart from the tags' below refs/.
	ref := "refs/tags/" + forge.EscapePath(r.Version.String())
	if s.api.Auth {
		return f.Archive(ctx, r, s.repos+"/tarball/"+ref) // its redirect carries a token of its own, which lasts minutes
	}
	return f.Archive(ctx, r, s.web+"/archive/"+ref+".tar.gz")
}

func (s *Source) assets(ctx context.Context, tag string, meter *web.Meter) ([]release.Asset, error) {
	got, err := forge.Get[wireRelease](ctx, s.api, s.repos+"/releases/tags/"+url.PathEscape(tag), meter)
	return s.item(got).Assets, err
}

// wireRelease is a release as GitHub's API describes it (docs.github.com/rest/releases/releases).
type wireRelease struct {
	TagName     string      `json:"tag_name"`
	Draft       bool        `json:"draft"`
	Prerelease  bool        `json:"prerelease"`
	Body        *string     `json:"body"`
	HTMLURL     string      `json:"html_url"`
	PublishedAt *time.Time  `json:"published_at"`
	Assets      []wireAsset `json:"assets"`
}

type wireAsset struct {
	Name        string  `json:"name"`
	State       string  `json:"state"`
	Size        int64   `json:"size"`
	Digest      *string `json:"digest"`
	URL         string  `json:"url"`
	DownloadURL string  `json:"browser_download_url"`
}

func (s *Source) item(w wireRelease) forge.Item {
	item := forge.Item{Tag: w.TagName, Draft: w.Draft, Prerelease: w.Prerelease, Page: w.HTMLURL}
	if w.Body != nil {
		item.Notes = *w.Body
	}
	if w.PublishedAt != nil {
		item.Published = *w.PublishedAt
	}
	for _, a := range w.Assets {
		if a.State == "open" { // its upload has not ended
			continue
		}
		address := a.DownloadURL
		if s.api.Auth {
			address = a.URL // the only one that takes a token
		}
		asset := release.Asset{Name: a.Name, Size: a.Size, URL: forge.SafeURL(s.base, address)}
		if a.Digest != nil {
			asset.SHA256 = strings.TrimPrefix(*a.Digest, "sha256:")
		}
		item.Assets = append(item.Assets, asset)
	}
	return item
}
