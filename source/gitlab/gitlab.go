// Package gitlab is the source of releases on GitLab, gitlab.com or another.
//
// It stands on source/forge. A check on the stable channel is one request for the permanent link to the latest release,
// whose redirect names the tag. GitLab has no flag for pre-releases: only a tag can say so.
package gitlab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"moult/release"
	"moult/source/forge"
	"moult/web"
)

// Options are what a Source may be given.
type Options struct {
	Token string // for a private project
}

// Source is one project.
type Source struct {
	api     forge.API
	base    *url.URL
	page    string // of the project
	project string // BASE/api/v4/projects/group%2Fproject
}

var _ release.Source = (*Source)(nil)

// New returns the source of the project at base and path, as forge.ParseRepo gives them. The path may have groups in groups.
func New(client *web.Client, base, path string, opt Options) (*Source, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("gitlab: url %q: got no scheme and host", base)
	}
	if !strings.Contains(path, "/") {
		return nil, fmt.Errorf("gitlab: url %s/%s: got the path %q, want group/project", base, path, path)
	}
	access := web.Access{Host: web.HostPort(u), Header: "Private-Token", Key: "gitlab.token", Value: opt.Token}
	api, err := forge.NewAPI(client, access, http.Header{"Accept": {"application/json"}})
	if err != nil {
		return nil, err
	}
	return &Source{
		api: api, base: u, page: u.String() + "/" + forge.EscapePath(path), project: u.String() + "/api/v4/projects/" + url.PathEscape(path),
	}, nil
}

// Latest asks for the newest release.
func (s *Source) Latest(ctx context.Context, q release.Query) (release.Answer, error) {
	return forge.Latest(ctx, s.page, q, s.latest)
}

func (s *Source) latest(ctx context.Context, q release.Query) (release.Answer, error) {
	if q.Channel.IsStable() {
		r, err := s.permalink(ctx)
		if err != nil || q.Channel.Allows(r) {
			return release.Answer{Release: r}, err
		}
		// The latest is one whose tag says that it is a pre-release.
	}
	return forge.List(ctx, s.api, s.project+"/releases?per_page=100", q, s.item)
}

// permalink reads the latest tag from where the permanent link to the latest release leads
// (docs.gitlab.com/api/releases, "Get the latest release").
func (s *Source) permalink(ctx context.Context) (release.Release, error) {
	address := s.project + "/releases/permalink/latest"
	req := web.Request{URL: address, Header: s.api.Header, Stay: true}
	var got wireRelease
	resp, err := s.api.Client.GetJSON(ctx, req, &got)
	if isNoRelease(err) {
		return release.Release{}, forge.NoRelease(release.Stable)
	}
	if err != nil {
		return release.Release{}, err
	}
	if resp.Status == http.StatusOK { // a proxy on the way followed the link itself
		return s.item(got).Release()
	}
	tag, err := readLocation(resp.URL, resp.Header.Get("Location"))
	if err != nil {
		return release.Release{}, fmt.Errorf("GET %s: %w", address, err)
	}
	return forge.Item{Tag: tag, Page: s.page + "/-/releases/" + url.PathEscape(tag)}.Release()
}

// readLocation reads the tag from …/api/v4/projects/ID/releases/TAG on the same host.
func readLocation(at *url.URL, location string) (tag string, err error) {
	next, err := at.Parse(location)
	if err != nil {
		return "", errors.New("got a redirect to what is no URL")
	}
	if next.Scheme != at.Scheme || web.HostPort(next) != web.HostPort(at) || next.User != nil {
		return "", fmt.Errorf("got a redirect to %s, want one on %s", web.Redact(next), at.Host)
	}
	_, rest, ok := strings.Cut(next.EscapedPath(), "/api/v4/projects/")
	if ok {
		_, rest, ok = strings.Cut(rest, "/releases/")
	}
	if tag, err = url.PathUnescape(rest); !ok || err != nil || tag == "" || strings.HasPrefix(rest, "permalink/") {
		return "", fmt.Errorf("got a redirect to %s, want one to a release", web.Redact(next))
	}
	return tag, nil
}

// isNoRelease tells "404 Not Found", which a project without a release answers, from "404 Project Not Found".
func isNoRelease(err error) bool {
	var status *web.StatusError
	return errors.As(err, &status) && status.Status == http.StatusNotFound && strings.EqualFold(status.Message, "404 Not Found")
}

// Fetch streams a release's tree, or the asset that want names.
func (s *Source) Fetch(ctx context.Context, r release.Release, want release.Want, put func(release.File) error) (release.Fetched, error) {
	f := forge.NewFetch(s.api, want, put)
	if want.Asset != "" {
		return f.Assets(ctx, r, s.assets)
	}
	archive := s.project + "/repository/archive.tar.gz?sha=" + url.QueryEscape(r.Version.String())
	if dir := path.Clean("/" + want.Dir)[1:]; dir != "" {
		fetched, err := f.Archive(ctx, r, archive+"&path="+url.QueryEscape(dir))
		// A server that finds no such directory answers 404 or 500; the whole archive then tells what folders there are.
		if status := new(web.StatusError); !errors.As(err, &status) || status.Status != http.StatusNotFound && status.Status < 500 {
			return fetched, err
		}
	}
	return f.Archive(ctx, r, archive)
}

func (s *Source) assets(ctx context.Context, tag string, meter *web.Meter) ([]release.Asset, error) {
	got, err := forge.Get[wireRelease](ctx, s.api, s.project+"/releases/"+url.PathEscape(tag), meter)
	return s.item(got).Assets, err
}

// wireRelease is a release as GitLab's API describes it (docs.gitlab.com/api/releases).
type wireRelease struct {
	TagName     string     `json:"tag_name"`
	Description *string    `json:"description"`
	ReleasedAt  *time.Time `json:"released_at"`
	Upcoming    bool       `json:"upcoming_release"`
	Commit      struct {
		ID string `json:"id"`
	} `json:"commit"`
	Assets struct {
		Links []wireLink `json:"links"`
	} `json:"assets"`
	Links struct {
		Self string `json:"self"`
	} `json:"_links"`
}

type wireLink struct {
	Name   string `json:"name"`
	URL    string `json:"url"`
	Direct string `json:"direct_asset_url"`
}

func (s *Source) item(w wireRelease) forge.Item {
	item := forge.Item{Tag: w.TagName, Draft: w.Upcoming, Commit: w.Commit.ID, Page: w.Links.Self}
	if w.Description != nil {
		item.Notes = *w.Description
	}
	if w.ReleasedAt != nil {
		item.Published = *w.ReleasedAt
	}
	for _, l := range w.Assets.Links {
		address := l.Direct
		if address == "" {
			address = l.URL
		}
		// Pages take no token; the API has the same file (docs.gitlab.com/api/releases, "Download a release asset").
		if rest, ok := strings.CutPrefix(address, s.page+"/-/releases/"); ok && s.api.Auth {
			address = s.project + "/releases/" + rest
		}
		item.Assets = append(item.Assets, release.Asset{Name: l.Name, URL: forge.SafeURL(s.base, address)})
	}
	return item
}
