// Package gitea is the source of releases on Gitea and Forgejo, Codeberg among them.
//
// It stands on source/forge. A check is one request to the API; an update is one more for the archive.
package gitea

import (
	"context"
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
	Token string // for a private repository
}

// Source is one repository.
type Source struct {
	api   forge.API
	base  *url.URL
	page  string // of the repository
	repos string // BASE/api/v1/repos/owner/repo
}

var _ release.Source = (*Source)(nil)

// New returns the source of the repository at base and path, as forge.ParseRepo gives them. What the path has before
// owner/repo is where the server lives below its host.
func New(client *web.Client, base, path string, opt Options) (*Source, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("gitea: url %q: got no scheme and host", base)
	}
	parts := strings.Split(path, "/")
	if len(parts) < 2 {
		return nil, fault.Hint(fmt.Errorf("gitea: url %s/%s: got the path %q, want owner/repo", base, path, path),
			"give the repository's own address, as https://codeberg.org/owner/repo")
	}
	root := strings.Join(append([]string{u.String()}, parts[:len(parts)-2]...), "/")
	repo := forge.EscapePath(strings.Join(parts[len(parts)-2:], "/"))
	access := web.Access{Host: web.HostPort(u), Header: "Authorization", Key: "gitea.token"}
	if opt.Token != "" {
		access.Value = "token " + opt.Token
	}
	api, err := forge.NewAPI(client, access, http.Header{"Accept": {"application/json"}})
	if err != nil {
		return nil, err
	}
	return &Source{
		api: api, base: u, page: root + "/" + repo, repos: root + "/api/v1/repos/" + repo,
	}, nil
}

// Latest asks for the newest release.
func (s *Source) Latest(ctx context.Context, q release.Query) (release.Answer, error) {
	return forge.Latest(ctx, s.page, q, s.latest)
}

func (s *Source) latest(ctx context.Context, q release.Query) (release.Answer, error) {
	if q.Channel.IsStable() {
		answer, ok, err := forge.Newest(ctx, s.api, s.repos+"/releases/latest", q, s.item)
		if ok || err != nil && !forge.IsNotFound(err) {
			return answer, err
		}
		// 404 says that there is no release, or no repository: the list tells them apart.
	}
	return forge.List(ctx, s.api, s.repos+"/releases?draft=false&limit=50", q, s.item) // 50 is the most that servers give by default
}

// Fetch streams a release's tree, or the asset that want names.
func (s *Source) Fetch(ctx context.Context, r release.Release, want release.Want, put func(release.File) error) (release.Fetched, error) {
	f := forge.NewFetch(s.api, want, put)
	if want.Asset != "" {
		return f.Assets(ctx, r, s.assets)
	}
	return f.Archive(ctx, r, s.repos+"/archive/"+forge.EscapePath(r.Version.String())+".tar.gz")
}

func (s *Source) assets(ctx context.Context, tag string, meter *web.Meter) ([]release.Asset, error) {
	got, err := forge.Get[wireRelease](ctx, s.api, s.repos+"/releases/tags/"+url.PathEscape(tag), meter)
	return s.item(got).Assets, err
}

// wireRelease is a release as Gitea's API describes it (docs.gitea.com/api, Release and Attachment).
type wireRelease struct {
	TagName     string      `json:"tag_name"`
	Draft       bool        `json:"draft"`
	Prerelease  bool        `json:"prerelease"`
	Body        string      `json:"body"`
	HTMLURL     string      `json:"html_url"`
	PublishedAt time.Time   `json:"published_at"`
	Assets      []wireAsset `json:"assets"`
}

type wireAsset struct {
	Name        string `json:"name"`
	Size        int64  `json:"size"`
	DownloadURL string `json:"browser_download_url"`
}

func (s *Source) item(w wireRelease) forge.Item {
	item := forge.Item{Tag: w.TagName, Draft: w.Draft, Prerelease: w.Prerelease, Notes: w.Body, Page: w.HTMLURL, Published: w.PublishedAt}
	for _, a := range w.Assets {
		item.Assets = append(item.Assets, release.Asset{Name: a.Name, Size: a.Size, URL: forge.SafeURL(s.base, a.DownloadURL)})
	}
	return item
}
