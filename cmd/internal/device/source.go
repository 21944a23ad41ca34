package device

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"moult/config"
	"moult/fault"
	"moult/release"
	"moult/source/forge"
	"moult/source/gitea"
	"moult/source/github"
	"moult/source/gitlab"
	"moult/web"
)

// Linked are the sources that not every program has, because they make it large.
type Linked struct {
	// Git is any git repository; nil where the program has none. What it must put down goes below temp, a folder that it may make.
	Git func(url, token, temp string) (release.Source, error)
}

// source is a module's source, made when it is first asked: what kind of forge a host is may have to be asked of the host.
type source struct {
	device *Device
	module config.Module
	linked Linked
	made   release.Source
}

// Latest makes the source and asks it.
func (s *source) Latest(ctx context.Context, q release.Query) (release.Answer, error) {
	if s.made == nil {
		made, err := s.make(ctx)
		if err != nil {
			return release.Answer{}, err
		}
		s.made = made
	}
	return s.made.Latest(ctx, q)
}

// Fetch asks the source; a release to fetch came from Latest.
func (s *source) Fetch(ctx context.Context, r release.Release, want release.Want, put func(release.File) error) (release.Fetched, error) {
	return s.made.Fetch(ctx, r, want, put)
}

func (s *source) make(ctx context.Context) (release.Source, error) {
	d := s.device
	return Origin{Config: d.Config, Client: d.client, Linked: s.linked, Temp: d.temp(s.module.Name), Known: d.Journal.Forge, Learn: d.Journal.SetForge}.Source(ctx, s.module)
}

// Origin makes the sources that modules name.
type Origin struct {
	Config *config.Config // its tokens
	Client *web.Client
	Linked Linked
	Temp   string                        // for what a source must put down
	Known  func(base string) string      // what kind of forge a host once said it is, "" for unknown; may be nil
	Learn  func(base, kind string) error // is told what a host said; may be nil
}

// Source makes the source of a module. What kind of forge its host is, the host may have to be asked.
func (o Origin) Source(ctx context.Context, m config.Module) (release.Source, error) {
	if m.URL == "" {
		return nil, fault.Hint(fmt.Errorf("got no url for it, and no gateway or repository that would know it"), `give the module a "url"`)
	}
	if isGit(m) {
		return o.git(m)
	}
	base, path, err := forge.ParseRepo(m.URL)
	if err != nil {
		return nil, err
	}
	kind, err := o.kind(ctx, m, base)
	if err != nil {
		return nil, err
	}
	token, api := access(o.Config, m, kind, base)
	switch kind {
	case forge.GitHub:
		return github.New(o.Client, base, path, github.Options{Token: token, API: api})
	case forge.Gitea:
		return gitea.New(o.Client, base, path, gitea.Options{Token: token})
	case forge.GitLab:
		return gitlab.New(o.Client, base, path, gitlab.Options{Token: token})
	}
	return o.git(m)
}

func (o Origin) git(m config.Module) (release.Source, error) {
	if o.Linked.Git == nil {
		return nil, fault.Hint(fmt.Errorf("%s: this program has no git in it, to keep small", m.URL),
			"use the program moult, or a repository on GitHub, Gitea, Forgejo or GitLab")
	}
	return o.Linked.Git(m.URL, m.Token.Reveal(), o.Temp)
}

// isGit reports whether a URL can only be that of a git repository: a path, file, ssh, git@host:path; or was said to be.
func isGit(m config.Module) bool {
	if m.Forge != "" {
		return m.Forge == string(forge.Git)
	}
	return filepath.IsAbs(m.URL) || !strings.HasPrefix(m.URL, "https://") && !strings.HasPrefix(m.URL, "http://")
}

// kind tells what kind of forge a module's host is: as configured, by the host's name, as remembered, or by asking it once.
func (o Origin) kind(ctx context.Context, m config.Module, base string) (forge.Kind, error) {
	if m.Forge != "" {
		return forge.Kind(m.Forge), nil
	}
	if kind, known := forge.KindOf(hostOf(base)); known {
		return kind, nil
	}
	if o.Known != nil {
		if kind := o.Known(base); kind != "" {
			return forge.Kind(kind), nil
		}
	}
	kind, err := forge.Detect(ctx, o.Client, base)
	if err != nil || o.Learn == nil {
		return kind, err
	}
	return kind, o.Learn(base, string(kind))
}

// access returns the token for a module's forge, and the address of its API where that is configured.
// A module's own token is for its own host. One of "github", "gitea" or "gitlab" is for the host that its "api" names,
// or where it names none, for github.com, codeberg.org or gitlab.com: never for whatever host a module may name.
func access(c *config.Config, m config.Module, kind forge.Kind, base string) (token, api string) {
	settings, home := config.Forge{}, ""
	switch kind {
	case forge.GitHub:
		settings, home = c.GitHub, "https://github.com"
	case forge.Gitea:
		settings, home = c.Gitea, "https://codeberg.org"
	case forge.GitLab:
		settings, home = c.GitLab, "https://gitlab.com"
	}
	if settings.API != "" && settings.API != "https://api.github.com" {
		home = settings.API
	}
	if !sameHost(home, base) {
		return m.Token.Reveal(), ""
	}
	if kind == forge.GitHub {
		api = settings.API
	}
	if !m.Token.IsZero() {
		return m.Token.Reveal(), api
	}
	return settings.Token.Reveal(), api
}

func hostOf(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// sameHost reports whether two addresses have the same scheme, host and port.
func sameHost(a, b string) bool {
	schemeA, _, _ := strings.Cut(a, "://")
	schemeB, _, _ := strings.Cut(b, "://")
	return schemeA == schemeB && strings.EqualFold(hostOf(a), hostOf(b))
}

var _ release.Source = (*source)(nil)
