// Package forge is what the sources github, gitea and gitlab have in common: reading a repository's URL, telling one kind
// of forge from another, picking a release from a list, remembering a check's answer, choosing and proving an asset,
// and streaming an archive.
//
// It stands on archive, web and the ground floor. The sources stand on it, and do not know each other.
package forge

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"moult/fault"
	"moult/release"
	"moult/web"
)

// Kind is a kind of forge, as "forge" in the configuration names it.
type Kind string

// The kinds of sources that a repository's URL can stand for.
const (
	GitHub Kind = "github"
	Gitea  Kind = "gitea" // and Forgejo
	GitLab Kind = "gitlab"
	Git    Kind = "git" // any git repository; no forge
)

// KindOf tells the kind by the name of a well-known host; ok is false for any other.
func KindOf(host string) (kind Kind, ok bool) {
	kind, ok = map[string]Kind{
		"github.com":             GitHub,
		"www.github.com":         GitHub,
		"gitlab.com":             GitLab,
		"salsa.debian.org":       GitLab,
		"gitlab.gnome.org":       GitLab,
		"gitlab.freedesktop.org": GitLab,
		"invent.kde.org":         GitLab,
		"framagit.org":           GitLab,
		"codeberg.org":           Gitea,
		"gitea.com":              Gitea,
		"demo.gitea.com":         Gitea,
		"code.forgejo.org":       Gitea,
		"git.disroot.org":        Gitea,
	}[strings.ToLower(strings.TrimSuffix(host, "."))]
	return kind, ok
}

// Detect asks the host at base what it is, by three questions at most. No token is sent. The error has a hint where nothing it knows answers.
func Detect(ctx context.Context, client *web.Client, base string) (Kind, error) {
	for _, probe := range []struct {
		kind Kind
		path string
		fits func(status int, said map[string]any) bool
	}{
		{Gitea, "/api/v1/version", func(status int, said map[string]any) bool {
			_, version := said["version"].(string)
			_, message := said["message"].(string) // where a signed-in user is required to see anything
			return status == http.StatusOK && version || (status == http.StatusUnauthorized || status == http.StatusForbidden) && message
		}},
		{GitLab, "/api/v4/version", func(status int, said map[string]any) bool {
			_, message := said["message"].(string)
			_, revision := said["revision"].(string)
			return status == http.StatusUnauthorized && message || status == http.StatusOK && revision
		}},
		{GitHub, "/api/v3/meta", func(status int, said map[string]any) bool {
			_, message := said["message"].(string)
			_, version := said["installed_version"].(string)
			_, auth := said["verifiable_password_authentication"].(bool)
			return status == http.StatusUnauthorized && message || status == http.StatusOK && (version || auth)
		}},
	} {
		said := map[string]any{}
		status, err := client.Probe(ctx, strings.TrimSuffix(base, "/")+probe.path, &said)
		if err != nil {
			return "", fmt.Errorf("ask %s what it is: %w", base, err)
		}
		if probe.fits(status, said) {
			return probe.kind, nil
		}
	}
	return "", fault.Hint(fmt.Errorf("ask %s what it is: got no answer of GitHub, Gitea, Forgejo or GitLab", base),
		`say what it is: "forge": "github", "gitea", "gitlab" or "git"`)
}

// Item is a release as a forge's JSON states it, unproved.
type Item struct {
	Tag        string
	Prerelease bool
	Draft      bool // or not yet published
	Commit     string
	Notes      string
	Page       string
	Published  time.Time
	Assets     []release.Asset
}

// Release returns the release that an item states, or an error where its tag can be none.
// What is only to be shown or extra is left out where it is not sound.
func (i Item) Release() (release.Release, error) {
	v, err := release.ParseVersion(i.Tag)
	if err != nil {
		return release.Release{}, err
	}
	if !utf8.ValidString(i.Tag) || strings.Contains(i.Tag, "..") || strings.HasPrefix(i.Tag, "/") || strings.HasSuffix(i.Tag, "/") {
		return release.Release{}, fmt.Errorf("version %q: got a tag that git does not take", i.Tag) // and that could lead elsewhere in a URL
	}
	r := release.Release{Version: v, Prerelease: i.Prerelease, Notes: trimNotes(i.Notes)}
	if year := i.Published.Year(); year > 1970 && year < 10_000 {
		r.Published = i.Published.UTC()
	}
	if isWebURL(i.Page) {
		r.Page = i.Page
	}
	if raw, err := hex.DecodeString(i.Commit); err == nil && (len(raw) == 20 || len(raw) == 32) {
		r.Commit = strings.ToLower(i.Commit)
	}
	for _, a := range i.Assets {
		if release.CheckPath(a.Name) != nil || strings.Contains(a.Name, "/") || a.Size < 0 || !isWebURL(a.URL) {
			continue
		}
		if raw, err := hex.DecodeString(a.SHA256); err != nil || len(raw) != 32 {
			a.SHA256 = ""
		}
		a.SHA256 = strings.ToLower(a.SHA256)
		r.Assets = append(r.Assets, a)
	}
	return r, nil
}

func trimNotes(notes string) string {
	notes = strings.ToValidUTF8(notes, "\uFFFD")
	if len(notes) > release.MaxNotes {
		notes = strings.ToValidUTF8(notes[:release.MaxNotes], "")
	}
	return notes
}

func isWebURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && utf8.ValidString(text)
}

// Pick returns the newest of the items that the channel allows. Drafts are left out, and items whose tag can be none.
func Pick(channel release.Channel, items []Item) (release.Release, bool) {
	var releases []release.Release
	for _, item := range items {
		if item.Draft {
			continue
		}
		if r, err := item.Release(); err == nil {
			releases = append(releases, r)
		}
	}
	return channel.Newest(releases)
}

// EscapePath escapes a tag or path for a URL and leaves its slashes.
func EscapePath(p string) string {
	parts := strings.Split(p, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}
