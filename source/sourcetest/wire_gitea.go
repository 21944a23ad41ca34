package sourcetest

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// serveGitea is a Gitea or Forgejo. Its JSON has no ETag.
func (f *Forge) serveGitea(w http.ResponseWriter, r *http.Request) {
	s := segments(r)
	notFound := func() {
		refuse(w, http.StatusNotFound, object{"errors": nil, "message": "The target couldn't be found.", "url": f.URL + "/api/swagger"})
	}
	if len(s) == 3 && s[0] == "api" && s[1] == "v1" && s[2] == "version" {
		answer(w, r, false, object{"version": "1.25.1"})
		return
	}
	if len(s) == 6 && s[2] == "releases" && s[3] == "download" {
		if repo := f.repo(r, s[0]+"/"+s[1]); repo != nil {
			f.asset(w, repo, s[4], s[5])
			return
		}
		http.Error(w, "Not found.", http.StatusNotFound)
		return
	}
	if len(s) < 6 || s[0] != "api" || s[1] != "v1" || s[2] != "repos" {
		notFound()
		return
	}
	path, rest := s[3]+"/"+s[4], s[5:]
	repo := f.repo(r, path)
	if repo == nil {
		notFound()
		return
	}
	switch {
	case rest[0] == "archive" && len(rest) > 1:
		tag := strings.TrimSuffix(strings.Join(rest[1:], "/"), ".tar.gz")
		if _, ok := repo.find(tag); !ok {
			notFound()
			return
		}
		f.archive(w, repo, path, strings.ToLower(s[4]), tag, "")
	case rest[0] != "releases":
		notFound()
	case len(rest) == 1:
		list := []object{}
		visible := repo.visible()
		w.Header().Set("X-Total-Count", strconv.Itoa(len(visible)))
		for _, i := range page(f, w, r, visible, "limit", 30) {
			list = append(list, f.giteaRelease(path, repo, i))
		}
		answer(w, r, false, list)
	case rest[1] == "latest":
		if i, ok := repo.latest(true); ok {
			answer(w, r, false, f.giteaRelease(path, repo, i))
			return
		}
		notFound()
	case rest[1] == "tags" && len(rest) == 3:
		if i, ok := repo.find(rest[2]); ok {
			answer(w, r, false, f.giteaRelease(path, repo, i))
			return
		}
		notFound()
	default:
		notFound()
	}
}

// giteaRelease is a release as Gitea's API describes it.
func (f *Forge) giteaRelease(path string, repo *Repo, i int) object {
	r, at := repo.Releases[i], stamp(repo.PublishedAt(i))
	api, page, tag := f.URL+"/api/v1/repos/"+path, f.URL+"/"+path, url.PathEscape(r.Tag)
	assets := []object{}
	for j, a := range r.Assets {
		assets = append(assets, object{
			"id": j + 1, "name": a.Name, "size": len(a.Content), "download_count": 0, "created_at": at, "uuid": digest(a.Name)[:32],
			"browser_download_url": page + "/releases/download/" + tag + "/" + url.PathEscape(a.Name),
		})
	}
	id := strconv.Itoa(i + 1)
	return object{
		"id": i + 1, "tag_name": r.Tag, "target_commitish": "main", "name": r.Tag, "body": r.Notes, "url": api + "/releases/" + id,
		"html_url": page + "/releases/tag/" + tag, "tarball_url": page + "/archive/" + tag + ".tar.gz", "zipball_url": page + "/archive/" + tag + ".zip",
		"upload_url": api + "/releases/" + id + "/assets", "draft": r.Draft, "prerelease": r.Prerelease, "created_at": at, "published_at": at,
		"author": object{"id": 1, "login": strings.SplitN(path, "/", 2)[0], "full_name": "", "email": "", "avatar_url": "", "username": strings.SplitN(path, "/", 2)[0]},
		"assets": assets,
	}
}
