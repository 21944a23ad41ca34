"""Releases of GitHub, GitHub Enterprise, Gitea and Forgejo, asked directly. Without a token a check at GitHub is the redirect of
releases/latest, which costs nothing of the API's 60 requests an hour."""

from moult.http import Error, NetworkError, StatusError, join, request, split
from moult.version import newest

_GITEA = ("codeberg.org", "gitea.com", "demo.gitea.com", "code.forgejo.org", "git.disroot.org")


class NoRelease(Error):
    """The repository has nothing for the channel."""


class Source:
    """The repository of a module, as the configuration has it. meter counts requests."""

    def __init__(self, m, config, feed=None, meter=None):
        scheme, host, path = split(m["url"])
        host = {"www.github.com": "github.com"}.get(host.lower(), host.lower())
        path = path.strip("/")
        self.path = path[:-4] if path.endswith(".git") else path
        if self.path.count("/") < 1:
            raise Error("url %s: got the path %s, want owner/name" % (m["url"], path))
        self.base, self.host, self.feed, self.meter, self.token = "%s://%s" % (scheme, host), host, feed, meter, ""
        if not m.get("forge"):
            m["forge"] = "github" if host == "github.com" else "gitea" if host in _GITEA else self._detect()
        self.forge = m["forge"]
        if self.forge not in ("github", "gitea"):
            raise Error("forge: got %r, want github or gitea: a board reads no others directly" % self.forge)
        self.token = m["token"] or config[self.forge].get("token", "")
        if self.forge == "gitea":
            root, _, name = self.path.rpartition("/")
            root, _, owner = root.rpartition("/")
            self.api = "%s/%sapi/v1/repos/%s/%s" % (self.base, root + "/" if root else "", owner, name)
        else:
            api = config["github"].get("api") or ("https://api.github.com" if host == "github.com" else self.base + "/api/v3")
            self.api = "%s/repos/%s" % (api.rstrip("/"), self.path)

    def _detect(self):
        """Asks the host what it is, where nobody said so."""
        r = request(self.base + "/api/v1/version", also=(401, 403, 404), html=True, feed=self.feed, meter=self.meter)
        r.close()
        return "github" if r.status == 404 or "html" in r.headers.get("content-type", "") else "gitea"

    def _ask(self, url, also=(), **more):
        access = None
        if self.token:
            access = (split(self.api)[1], ("token " if self.forge == "gitea" else "Bearer ") + self.token)
        return request(url, access=access, feed=self.feed, also=also, meter=self.meter, **more)

    def latest(self, channel, memo=None):
        """Returns the version of the newest release that a channel allows, and a memo for the next time."""
        if channel == "stable":
            if self.forge == "github" and not self.token:
                version = self._redirect()
                if newest(channel, [(version, False)]):
                    return version, None
            else:
                found = self._newest(channel, memo)
                if found:
                    return found
        size = "?per_page=30" if self.forge == "github" else "?draft=false&limit=30"
        r = self._ask(self.api + "/releases" + size)
        try:
            version = newest(channel, releases(r))
        finally:
            r.close()
        if version is None:
            raise NoRelease("%s/%s: got no release on the channel %s" % (self.base, self.path, channel), "publish one, or choose another channel")
        return version, None

    def _newest(self, channel, memo):
        headers = [("If-None-Match", memo[0])] if memo else []
        try:
            r = self._ask(self.api + "/releases/latest", (304,), headers=headers)
        except StatusError as e:
            if e.status != 404:
                raise
            return None  # the list tells a repository without a release from one that is not there
        try:
            if r.status == 304:
                return memo[1], memo
            version, etag = newest(channel, releases(r)), r.headers.get("etag")
        finally:
            r.close()
        return (version, [etag, version] if etag else None) if version else None

    def _redirect(self):
        """Reads the latest tag from where the page of the latest release leads."""
        url = "%s/%s/releases/latest" % (self.base, self.path)
        for _ in range(5):
            r = self._ask(url, method="HEAD", follow=False)
            r.close()
            to = r.headers.get("location")
            if not to:
                raise NetworkError("%s: got no redirect to the latest release" % url, "a captive portal answered, or the host is no GitHub")
            to = join(url, to)
            if not to.startswith(self.base + "/"):
                raise NetworkError("%s: got a redirect to %s, want one on %s" % (url, to[:200], self.host), "a captive portal may have answered")
            parts = to[len(self.base) + 1 :].split("/", 4)
            if len(parts) == 5 and parts[2:4] == ["releases", "tag"] and parts[4]:
                return unquote(parts[4])
            if len(parts) == 3 and parts[2] == "releases":
                raise NoRelease("%s: got no release" % url, "publish one")
            if parts[0] == "login":
                raise Error("%s: got a redirect to the login page" % url, "the server shows nothing to strangers: set github.token")
            url = to  # the repository was renamed
        raise Error("%s: got more than 5 redirects" % url)

    def fetch(self, version):
        """Returns the response whose body is the release's .tar.gz."""
        tag = quote(version)
        if self.forge == "gitea":
            return self._ask("%s/archive/%s.tar.gz" % (self.api, tag))
        if self.token:
            return self._ask("%s/tarball/refs/tags/%s" % (self.api, tag))
        return self._ask("%s/%s/archive/refs/tags/%s.tar.gz" % (self.base, self.path, tag))


def releases(body):
    """Yields the tag of each published release in a list or single one of the API's JSON, and whether it is a pre-release, without
    holding more than a few hundred bytes. Within a text JSON has no quote without a backslash before it, so that a key in quotes
    is a key."""
    tag, draft, pre = None, False, False
    for key, value in _values(body, (b'"tag_name":', b'"draft":', b'"prerelease":')):
        if key == b'"tag_name":':
            if tag and not draft:
                yield tag, pre
            tag, draft, pre = (None if value == "null" else value), False, False
        elif key == b'"draft":':
            draft = value == "true"
        else:
            pre = value == "true"
    if tag and not draft:
        yield tag, pre


def _values(body, keys):
    """Yields keys with what follows each, a text or a word, as they stand in a JSON document."""
    window, chunk = b"", bytearray(256)
    view, more = memoryview(chunk), True
    while more:
        n = body.readinto(chunk)
        more = n > 0
        window += view[:n]
        while True:
            at, key = -1, None
            for k in keys:
                i = window.find(k)
                if i >= 0 and (at < 0 or i < at):
                    at, key = i, k
            if at < 0 or more and len(window) - at < 320:  # a tag has at most 255 bytes
                break
            rest = window[at + len(key) : at + len(key) + 300].lstrip()
            if rest[:1] == b'"':
                value = rest[1 : rest.find(b'"', 1)]
                if rest.find(b'"', 1) < 0 or b"\\" in value:
                    value = b""  # no tag that a board can take
            else:
                value = rest[:5] if rest[:5] == b"false" else rest[:4]
            window = window[at + len(key) :]
            yield key, value.decode()
        if len(window) > 640 or not more:
            window = window[-16:] if at < 0 else window


_PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/"


def quote(text):
    """Escapes a tag for a URL; its slashes stay."""
    return "".join(chr(b) if chr(b) in _PLAIN else "%%%02X" % b for b in text.encode())


def unquote(text):
    if "%" not in text:
        return text
    parts = text.encode().split(b"%")
    try:
        return (parts[0] + b"".join(bytes([int(p[:2], 16)]) + p[2:] for p in parts[1:])).decode()
    except ValueError:
        raise Error("got the tag %s, which is none" % text)
