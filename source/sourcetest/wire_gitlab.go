package sourcetest

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// serveGitLab is a GitLab. Drafts are releases that are upcoming there.
func (f *Forge) serveGitLab(w http.ResponseWriter, r *http.Request) {
	s := segments(r)
	say := func(status int, message string) { refuse(w, status, object{"message": message}) }
	if before, after, ok := strings.Cut(strings.Join(s, "\x00"), "\x00-\x00releases\x00"); ok { // PROJECT/-/releases/TAG/downloads/NAME
		parts := strings.Split(after, "\x00")
		if repo := f.repo(r, strings.ReplaceAll(before, "\x00", "/")); repo != nil && repo.Token == "" && len(parts) == 3 {
			f.asset(w, repo, parts[0], parts[2])
			return
		}
		http.Redirect(w, r, f.URL+"/users/sign_in", http.StatusFound)
		return
	}
	switch {
	case len(s) == 3 && s[0] == "api" && s[1] == "v4" && s[2] == "version":
		say(http.StatusUnauthorized, "401 Unauthorized")
		return
	case len(s) < 5 || s[0] != "api" || s[1] != "v4" || s[2] != "projects":
		refuse(w, http.StatusNotFound, object{"error": "404 Not Found"})
		return
	}
	path := s[3]
	if id, err := strconv.Atoi(path); err == nil {
		path = f.pathOf(id)
	}
	repo := f.repo(r, path)
	if repo == nil {
		say(http.StatusNotFound, "404 Project Not Found")
		return
	}
	rest := s[4:]
	switch {
	case len(rest) == 2 && rest[0] == "repository" && rest[1] == "archive.tar.gz":
		tag, dir := r.URL.Query().Get("sha"), strings.Trim(r.URL.Query().Get("path"), "/")
		if i, ok := repo.find(tag); !ok || dir != "" && len(repo.Releases[i].Files.Below(dir)) == 0 {
			say(http.StatusNotFound, "404 File Not Found")
			return
		}
		name := path[strings.LastIndex(path, "/")+1:] + "-" + tag + "-" + Commit(path, tag)
		if dir != "" {
			name += "-" + dir
		}
		f.archive(w, repo, path, name, tag, dir)
	case rest[0] != "releases":
		refuse(w, http.StatusNotFound, object{"error": "404 Not Found"})
	case len(rest) == 1:
		list := []object{}
		for _, i := range page(f, w, r, all(repo), "per_page", 20) {
			list = append(list, f.gitlabRelease(path, repo, i))
		}
		answer(w, r, true, list)
	case len(rest) == 3 && rest[1] == "permalink" && rest[2] == "latest":
		i, ok := repo.latest(false)
		if !ok {
			say(http.StatusNotFound, "404 Not Found")
			return
		}
		w.Header().Set("Location", fmt.Sprintf("%s/api/v4/projects/%d/releases/%s", f.URL, f.id(path), url.PathEscape(repo.Releases[i].Tag)))
		w.WriteHeader(http.StatusFound)
	case len(rest) == 4 && rest[2] == "downloads":
		f.asset(w, repo, rest[1], rest[3])
	default:
		if i, ok := repo.find(rest[1]); ok && len(rest) == 2 {
			answer(w, r, true, f.gitlabRelease(path, repo, i))
			return
		}
		say(http.StatusNotFound, "404 Not Found")
	}
}

func all(r *Repo) []int {
	list := make([]int, len(r.Releases))
	for i := range list {
		list[i] = i
	}
	return list
}

// gitlabRelease is a release as GitLab's API describes it.
func (f *Forge) gitlabRelease(path string, repo *Repo, i int) object {
	r, at := repo.Releases[i], stamp(repo.PublishedAt(i))
	page, tag, commit := f.URL+"/"+path, url.PathEscape(r.Tag), Commit(path, r.Tag)
	links := []object{}
	for j, a := range r.Assets {
		links = append(links, object{
			"id": j + 1, "name": a.Name, "url": f.URL + "/api/v4/projects/1/packages/generic/" + url.PathEscape(a.Name), "link_type": "other",
			"direct_asset_url": page + "/-/releases/" + tag + "/downloads/" + url.PathEscape(a.Name),
		})
	}
	return object{
		"name": r.Tag, "tag_name": r.Tag, "description": r.Notes, "created_at": at, "released_at": at, "upcoming_release": r.Draft,
		"author":      object{"id": 1, "username": "root", "name": "Administrator", "state": "active", "avatar_url": nil, "web_url": f.URL + "/root"},
		"commit":      object{"id": commit, "short_id": commit[:8], "title": r.Tag, "created_at": at, "parent_ids": []string{}, "message": r.Tag},
		"commit_path": "/" + path + "/-/commit/" + commit, "tag_path": "/" + path + "/-/tags/" + tag,
		"assets": object{"count": 4 + len(links), "links": links, "sources": []object{
			{"format": "tar.gz", "url": page + "/-/archive/" + tag + "/archive.tar.gz"},
		}},
		"evidences": []object{},
		"_links":    object{"self": page + "/-/releases/" + tag},
	}
}
