package sourcetest

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// serveGitHub is github.com with its API below /api/v3, as a GitHub Enterprise has it.
func (f *Forge) serveGitHub(w http.ResponseWriter, r *http.Request) {
	s := segments(r)
	if len(s) > 2 && s[0] == "api" && s[1] == "v3" {
		f.githubAPI(w, r, s[2:])
		return
	}
	if len(s) < 4 {
		http.Error(w, "Not Found", http.StatusNotFound)
		return
	}
	path, rest := s[0]+"/"+s[1], strings.Join(s[2:], "/")
	f.mu.Lock()
	repo := f.repos[path]
	f.mu.Unlock()
	if repo == nil || repo.Token != "" { // the pages take no token
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		w.Write([]byte("<!doctype html><title>Page not found</title>"))
		return
	}
	if repo.MovedTo != "" {
		http.Redirect(w, r, f.URL+"/"+repo.MovedTo+strings.TrimPrefix(r.URL.EscapedPath(), "/"+path), http.StatusMovedPermanently)
		return
	}
	tag, isArchive := strings.CutPrefix(rest, "archive/refs/tags/")
	switch {
	case rest == "releases/latest":
		i, ok := repo.latest(true)
		if !ok {
			http.Redirect(w, r, f.URL+"/"+path+"/releases", http.StatusFound)
			return
		}
		http.Redirect(w, r, f.URL+"/"+path+"/releases/tag/"+escape(repo.Releases[i].Tag), http.StatusFound)
	case isArchive:
		http.Redirect(w, r, f.Codeload+"/"+path+"/tar.gz/refs/tags/"+escape(strings.TrimSuffix(tag, ".tar.gz")), http.StatusFound)
	case strings.HasPrefix(rest, "releases/download/"):
		http.Redirect(w, r, f.Codeload+"/assets/"+escape(path+"/"+strings.TrimPrefix(rest, "releases/download/")), http.StatusFound)
	default:
		http.Error(w, "Not Found", http.StatusNotFound)
	}
}

// lent is the token that GitHub puts into the redirect to a private repository's archive.
const lent = "token=AAAALENT"

// serveCodeload is codeload.github.com and the host of assets. It knows no token but the lent one.
func (f *Forge) serveCodeload(w http.ResponseWriter, r *http.Request) {
	s := segments(r)
	if len(s) < 3 {
		http.Error(w, "404: Not Found", http.StatusNotFound)
		return
	}
	isAsset := s[0] == "assets"
	if isAsset {
		s = s[1:]
	}
	path := s[0] + "/" + s[1]
	f.mu.Lock()
	repo := f.repos[path]
	f.mu.Unlock()
	if repo == nil || repo.Token != "" && r.URL.RawQuery != lent {
		http.Error(w, "404: Not Found", http.StatusNotFound)
		return
	}
	rest := strings.Join(s[2:], "/")
	if isAsset {
		i := strings.LastIndex(rest, "/")
		f.asset(w, repo, rest[:max(i, 0)], rest[i+1:])
		return
	}
	_, tag, ok := strings.Cut(rest, "tar.gz/refs/tags/")
	if !ok {
		http.Error(w, "404: Not Found", http.StatusNotFound)
		return
	}
	f.archive(w, repo, path, s[1]+"-"+strings.TrimPrefix(tag, "v"), tag, "")
}

func (f *Forge) githubAPI(w http.ResponseWriter, r *http.Request, s []string) {
	notFound := func() {
		refuse(w, http.StatusNotFound, object{"message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404"})
	}
	for name, value := range map[string]string{"Limit": "60", "Remaining": "59", "Used": "1", "Resource": "core", "Reset": "1507651200"} {
		w.Header().Set("X-Ratelimit-"+name, value)
	}
	w.Header().Set("X-Github-Media-Type", "github.v3; format=json")
	if len(s) == 1 && s[0] == "meta" {
		answer(w, r, true, object{"verifiable_password_authentication": false, "installed_version": "3.19.0"})
		return
	}
	if len(s) > 2 && s[0] == "repositories" {
		id, _ := strconv.Atoi(s[1])
		s = append(append([]string{"repos"}, strings.SplitN(f.pathOf(id)+"/", "/", 3)[:2]...), s[2:]...)
	}
	if len(s) < 4 || s[0] != "repos" {
		notFound()
		return
	}
	path := s[1] + "/" + s[2]
	repo := f.repo(r, path)
	if repo == nil {
		notFound()
		return
	}
	if repo.MovedTo != "" {
		address := fmt.Sprintf("%s/api/v3/repositories/%d/%s", f.URL, f.id(repo.MovedTo), strings.SplitN(r.URL.EscapedPath(), "/", 7)[6])
		w.Header().Set("Location", address)
		refuse(w, http.StatusMovedPermanently, object{"message": "Moved Permanently", "url": address, "documentation_url": "https://docs.github.com/v3/#http-redirects"})
		return
	}
	rest := s[3:]
	switch {
	case rest[0] == "tarball" && len(rest) > 3:
		query := ""
		if repo.Token != "" {
			query = "?" + lent
		}
		http.Redirect(w, r, f.Codeload+"/"+path+"/legacy.tar.gz/"+escape(strings.Join(rest[1:], "/"))+query, http.StatusFound)
	case rest[0] != "releases":
		notFound()
	case len(rest) == 1:
		list, indices := []object{}, repo.visible()
		if token(r) != "" { // who may push sees drafts
			indices = all(repo)
		}
		for _, i := range page(f, w, r, indices, "per_page", 30) {
			list = append(list, f.githubRelease(path, repo, i))
		}
		answer(w, r, true, list)
	case rest[1] == "latest":
		if i, ok := repo.latest(true); ok {
			answer(w, r, true, f.githubRelease(path, repo, i))
			return
		}
		notFound()
	case rest[1] == "tags" && len(rest) > 2:
		if i, ok := repo.find(strings.Join(rest[2:], "/")); ok {
			answer(w, r, true, f.githubRelease(path, repo, i))
			return
		}
		notFound()
	case rest[1] == "assets" && len(rest) == 3:
		f.githubAsset(w, r, path, repo, rest[2], notFound)
	default:
		notFound()
	}
}

// githubAsset describes an asset, or sends its bytes where they are asked for.
func (f *Forge) githubAsset(w http.ResponseWriter, r *http.Request, path string, repo *Repo, id string, notFound func()) {
	number, _ := strconv.Atoi(id)
	i, j := number/1000-1, number%1000
	if i < 0 || i >= len(repo.Releases) || j >= len(repo.Releases[i].Assets) {
		notFound()
		return
	}
	if r.Header.Get("Accept") != "application/octet-stream" {
		answer(w, r, true, f.githubRelease(path, repo, i)["assets"].([]object)[j])
		return
	}
	query := ""
	if repo.Token != "" {
		query = "?" + lent
	}
	http.Redirect(w, r, f.Codeload+"/assets/"+escape(path+"/"+repo.Releases[i].Tag)+"/"+url.PathEscape(repo.Releases[i].Assets[j].Name)+query, http.StatusFound)
}

// githubRelease is a release with every field that GitHub's description requires.
func (f *Forge) githubRelease(path string, repo *Repo, i int) object {
	r, at := repo.Releases[i], stamp(repo.PublishedAt(i))
	api, page := fmt.Sprintf("%s/api/v3/repos/%s", f.URL, path), fmt.Sprintf("%s/%s", f.URL, path)
	author := f.githubUser(strings.SplitN(path, "/", 2)[0])
	assets := []object{}
	for j, a := range r.Assets {
		id := (i+1)*1000 + j
		described := object{
			"url": fmt.Sprintf("%s/releases/assets/%d", api, id), "id": id, "node_id": "RA_" + strconv.Itoa(id), "name": a.Name, "label": "",
			"uploader": author, "content_type": "application/octet-stream", "state": "uploaded", "size": len(a.Content), "digest": "sha256:" + digest(a.Content),
			"download_count": 42, "created_at": at, "updated_at": at,
			"browser_download_url": page + "/releases/download/" + escape(r.Tag) + "/" + url.PathEscape(a.Name),
		}
		if a.NoDigest {
			described["digest"] = nil
		}
		assets = append(assets, described)
	}
	var published any = at
	if r.Draft {
		published = nil
	}
	return object{
		"url": fmt.Sprintf("%s/releases/%d", api, i+1), "assets_url": fmt.Sprintf("%s/releases/%d/assets", api, i+1),
		"upload_url": fmt.Sprintf("%s/releases/%d/assets{?name,label}", api, i+1), "html_url": page + "/releases/tag/" + escape(r.Tag),
		"id": i + 1, "author": author, "node_id": "RE_" + strconv.Itoa(i+1), "tag_name": r.Tag, "target_commitish": "main", "name": r.Tag,
		"draft": r.Draft, "immutable": false, "prerelease": r.Prerelease, "created_at": at, "updated_at": at, "published_at": published, "assets": assets,
		"tarball_url": api + "/tarball/" + escape(r.Tag), "zipball_url": api + "/zipball/" + escape(r.Tag), "body": r.Notes,
	}
}

func (f *Forge) githubUser(login string) object {
	api := f.URL + "/api/v3/users/" + login
	return object{
		"login": login, "id": 1, "node_id": "U_1", "avatar_url": f.URL + "/avatars/u/1", "gravatar_id": "", "url": api, "html_url": f.URL + "/" + login,
		"followers_url": api + "/followers", "following_url": api + "/following{/other_user}", "gists_url": api + "/gists{/gist_id}",
		"starred_url": api + "/starred{/owner}{/repo}", "subscriptions_url": api + "/subscriptions", "organizations_url": api + "/orgs",
		"repos_url": api + "/repos", "events_url": api + "/events{/privacy}", "received_events_url": api + "/received_events",
		"type": "User", "user_view_type": "public", "site_admin": false,
	}
}
