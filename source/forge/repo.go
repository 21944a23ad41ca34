package forge

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"moult/fault"
	"moult/web"
)

// ParseRepo reads the URL of a repository as a person copies it: https://host/owner/repo with or without a slash or ".git"
// at its end, git@host:owner/repo.git, ssh://git@host:22/owner/repo.git, or host/owner/repo. It returns the forge's base
// (scheme and host, and the port of http and https) and the repository's path, unescaped, of two parts or more.
// What ssh reaches is taken to be on https too.
func ParseRepo(text string) (base, path string, err error) {
	text = strings.TrimSpace(text)
	example := "want one such as https://github.com/owner/repo"
	if !strings.Contains(text, "://") {
		host, rest, scp := strings.Cut(text, ":")
		if user, at, ok := strings.Cut(host, "@"); scp && ok && user != "" && !strings.Contains(host, "/") {
			text = "ssh://" + user + "@" + at + "/" + strings.TrimPrefix(rest, "/")
		} else {
			text = "https://" + text
		}
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", "", errors.New("url: got what is no URL, " + example) // the text may hold a secret
	}
	shown := web.Redact(u)
	switch u.Scheme {
	case "ssh", "git+ssh":
		u.Scheme, u.Host, u.User = "https", u.Hostname(), nil // the port is ssh's
		if strings.Contains(u.Host, ":") {
			u.Host = "[" + u.Host + "]"
		}
	case "https", "http":
	default:
		return "", "", fmt.Errorf("url %s: got the scheme %.200q, %s", shown, u.Scheme, example)
	}
	if u.User != nil {
		return "", "", fault.Hint(fmt.Errorf("url %s: got a user or password in it, %s", shown, example),
			`put the token where it belongs, as in "github": {"token": …}`)
	}
	if u.Scheme == "http" && !web.IsLoopback(u.Hostname()) {
		return "", "", fault.Hint(fmt.Errorf("url %s: got http, want https", shown),
			"code that runs must come over https, or signed from a gateway")
	}
	if u.Hostname() == "" || strings.ContainsAny(u.Host, " \t") {
		return "", "", fmt.Errorf("url %s: got no host, %s", shown, example)
	}
	path = strings.TrimSuffix(strings.Trim(u.Path, "/"), ".git")
	parts := strings.Split(path, "/")
	for _, part := range parts {
		if part == "" || part == "." || part == ".." || strings.ContainsFunc(part, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\uFFFD' }) {
			return "", "", fmt.Errorf("url %s: got the path %.200q, %s", shown, path, example)
		}
	}
	if len(parts) < 2 {
		return "", "", fmt.Errorf("url %s: got the path %.200q, %s", shown, path, example)
	}
	return u.Scheme + "://" + strings.ToLower(u.Host), path, nil
}
