package config

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

const wantRepository = "want a repository's URL such as https://github.com/owner/name"

// scpForm is git's short form of ssh. Neither part may begin as an option of ssh's or git's would.
var scpForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*@(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\]):([^-:][^:]*)$`)

// CheckURL refuses what can be no module's repository. Good are http, https, ssh and file URLs, git's user@host:path,
// and an absolute path.
func CheckURL(text string) error {
	_, err := repositoryPath(text)
	return err
}

// repositoryPath returns the path of a repository's URL.
func repositoryPath(text string) (string, error) {
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return isControl(r) || r == ' ' }) {
		return "", fmt.Errorf("got %s, %s", shown(text), wantRepository)
	}
	where := text
	if scp := scpForm.FindStringSubmatch(text); scp != nil {
		where = scp[1]
	} else if !path.IsAbs(text) {
		u, err := checkWebURL(text, "http", "https", "ssh", "file")
		if err != nil {
			return "", err
		}
		where = u.Path
	}
	if where = path.Clean(where); strings.Trim(where, "/.") == "" {
		return "", fmt.Errorf("got %s, which names no repository, %s", shown(text), wantRepository)
	}
	return where, nil
}

// checkWebURL refuses a URL that is not of one of the schemes, has no host, or holds a secret, a query or a fragment.
func checkWebURL(text string, schemes ...string) (*url.URL, error) {
	want := "want a URL that begins with " + strings.Join(schemes, "://, ") + "://"
	u, err := url.Parse(text)
	switch {
	case err != nil: // which would print the URL
		return nil, fmt.Errorf("got %s, %s", shown(text), want)
	case !strings.Contains(text, "://"):
		return nil, fmt.Errorf("got %s, %s%s", shown(text), want, withScheme(text))
	case !slices.Contains(schemes, u.Scheme):
		return nil, fmt.Errorf("got %s, %s%s", shown(text), want, didYouMean(u.Scheme, schemes))
	case u.Scheme == "file":
		if u.Host != "" && u.Host != "localhost" || !path.IsAbs(u.Path) {
			return nil, fmt.Errorf("got %s, want file:// and an absolute path, as file:///srv/name.git", shown(text))
		}
	case u.Hostname() == "" || strings.HasPrefix(u.Hostname(), "-"):
		return nil, fmt.Errorf("got %s without a host's name, %s", shown(text), want)
	}
	if u.User != nil {
		_, password := u.User.Password()
		if u.Scheme != "ssh" {
			return nil, errors.New(`got a URL with a user or password, want it without; a token has its own key, "token"`)
		}
		if password || strings.HasPrefix(u.User.Username(), "-") {
			return nil, errors.New("got a URL with a password, want it without; ssh has its keys")
		}
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, fmt.Errorf("got %s with a query or fragment, want it without", shown(text))
	}
	return u, nil
}

// withScheme helps whoever left out https://.
func withScheme(text string) string {
	if host, rest, found := strings.Cut(text, "/"); found && rest != "" && strings.Contains(host, ".") && !strings.Contains(text, "@") && host[0] != '.' {
		return fmt.Sprintf("; did you mean %s?", shown("https://"+text))
	}
	return ""
}

// nameOf is the last part of a repository's URL, without .git.
func nameOf(repository string) (string, error) {
	p, err := repositoryPath(repository)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(path.Base(p), ".git"), nil
}

// checkServer refuses what can be no server's URL.
func checkServer(text string) error {
	_, err := checkWebURL(text, "http", "https")
	return err
}

// checkStore refuses what can be no signed repository's URL.
func checkStore(text string) error {
	_, err := checkWebURL(text, "http", "https", "file")
	return err
}

// checkProbe refuses what a health check cannot ask. A query is good.
func checkProbe(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return fmt.Errorf("got %s, want a URL without user or password, such as http://127.0.0.1:9000/healthz", shown(text))
	}
	return nil
}
