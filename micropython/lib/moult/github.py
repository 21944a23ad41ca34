"""Releases of GitHub, GitHub Enterprise, Gitea and Forgejo, asked directly. Without a token a check at GitHub is the redirect of
releases/latest, which costs nothing of the API's 60 requests an hour."""

import moult
from moult.http import Error, NetworkError, request, split
from moult.version import newest


class Source:
    """The repository of a module, as the configuration has it. meter counts requests."""

    def __init__(self, m, config, feed=None, meter=None):
        scheme, host, path = split(m["url"])
        host, path = host.lower(), path.strip("/")
        if host == "www.github.com":
            host = "github.com"
        if path[-4:] == ".git":
            path = path[:-4]
        if "/" not in path:
            raise Error("url %s: got the path %s, want owner/name" % (m["url"], path))
        self.feed, self.meter, self.token = feed, meter, ""
        base = self.base = scheme + "://" + host + "/"
        self.page = base + path
        forge = m.get("forge")
        if not forge:
            forge = "github" if host == "github.com" else "gitea"
            if host not in ("github.com", "codeberg.org", "gitea.com", "demo.gitea.com", "code.forgejo.org", "git.disroot.org"):
                r = self.ask(base + "api/v1/version", (200, 401, 403, 404))  # nobody said what the host is
                r.close()
                if r.status == 404 or "html" in r.headers.get("content-type", ""):
                    forge = "github"
            m["forge"] = forge
        if forge not in ("github", "gitea"):
            raise Error("forge: got %r, want github or gitea: a board reads no others directly" % forge)
        self.token = m.get("token") or config[forge].get("token")
        self.gitea = forge == "gitea"
        if self.gitea:
            *root, owner, name = path.rsplit("/", 2)
            self.api = base + "/".join(root + ["api/v1/repos", owner, name])
        else:
            api = config["github"].get("api") or ("https://api.github.com" if host == "github.com" else base + "api/v3")
            self.api = api.rstrip("/") + "/repos/" + path

    def ask(self, url, also=(), headers=()):
        """Makes a request, whose token, if there is one, goes to the API alone."""
        headers = list(headers)
        if self.token:
            headers.append(("Authorization", ("token " if self.gitea else "Bearer ") + self.token))
        try:
            return request(url, headers, also, self.feed, self.meter)
        except NetworkError as e:
            if e.status == 404:
                e.hint = "check the url; a private repository needs a token"
            elif e.status == 401:
                e.hint = "check the token"
            elif e.status == 429 or e.status == 403 and e.headers.get("x-ratelimit-remaining") == "0":
                e.hint, e.transient = "asked too often from this address; a token raises the limit", True
            raise

    def latest(self, channel, memo=None):
        """Returns the version of the newest release that a channel allows, and a memo for the next time."""
        if channel == "stable":
            if self.token or self.gitea:
                found = self.last(memo)
            else:
                version = self.redirect()
                found = newest(channel, [(version, False)]) and (version, None)
            if found:
                return found
        r = self.ask(self.api + ("/releases?draft=false&limit=30" if self.gitea else "/releases?per_page=30"))
        try:
            version = newest(channel, releases(r))
        finally:
            r.close()
        if version is None:
            raise Error("%s: got no release on the channel %s" % (self.page, channel), "publish one, or choose another channel")
        return version, None

    def last(self, memo):
        """Asks the API for the latest release; None where there is none, or one that is no version of the channel stable."""
        try:
            r = self.ask(self.api + "/releases/latest", (304,), [("If-None-Match", memo[0])] if memo else ())
        except NetworkError as e:
            if e.status != 404:
                raise
            return None  # the list tells a repository without a release from one that is not there
        try:
            if r.status == 304:
                return memo[1], memo
            version, etag = newest("stable", releases(r)), r.headers.get("etag")
            return version and (version, etag and [etag, version])
        finally:
            r.close()

    def redirect(self):
        """Reads the latest tag from where the page of the latest release leads."""
        url = self.page + "/releases/latest"
        for _ in range(5):
            r = self.ask(url, (200, 301, 302, 303, 307, 308))
            r.close()
            to = r.headers.get("location") or ""
            if not to.startswith(self.base):
                text = "%s: got %s, want a redirect to the latest release" % (url, to[:200] or "a page")
                raise NetworkError(text, "a captive portal answered, or the host is no GitHub")
            parts = to[len(self.base) :].split("/", 4)
            if parts[2:4] == ["releases", "tag"] and parts[4:] > [""]:
                return moult.quote.unquote(parts[4])
            if parts[2:] == ["releases"]:
                raise Error("%s: got no release" % url, "publish one")
            if parts[0] == "login":
                raise Error("%s: got a redirect to the login page" % url, "the server shows nothing to strangers: set github.token")
            url = to  # the repository was renamed
        raise Error("%s: got more than 5 redirects" % url)

    def fetch(self, version):
        """Returns the response whose body is the release's .tar.gz."""
        tag = moult.quote.quote(version)
        if self.gitea:
            return self.ask("%s/archive/%s.tar.gz" % (self.api, tag))
        if self.token:
            return self.ask("%s/tarball/refs/tags/%s" % (self.api, tag))
        return self.ask("%s/archive/refs/tags/%s.tar.gz" % (self.page, tag))


def releases(body):
    """Yields the tag of each published release in a list or single one of the API's JSON, and whether it is a pre-release, without
    holding more than a kilobyte. Within a text JSON has no quote without a backslash before it, so that what stands between a quote
    and '":' is a key: each part between two '":' begins with a key's value, and ends with the next key."""
    key = rest = tag = b""
    draft = pre = False
    data, n = bytearray(512), 1
    while n:
        n = body.readinto(data)
        parts = (rest + data[:n]).split(b'":')
        rest = parts.pop() if n else b""
        for part in parts:
            value = part.lstrip()
            if key == b"tag_name":
                if tag and not draft:
                    yield tag.decode(), pre
                text = value.split(b'"', 2)
                tag = text[1] if len(text) > 2 and not text[0] and b"\\" not in text[1] else b""
                draft = pre = False
            elif key == b"draft":
                draft = value[:4] == b"true"
            elif key == b"prerelease":
                pre = value[:4] == b"true"
            key = part[part.rfind(b'"') + 1 :]
        if len(rest) > 700:  # a long text: a tag has at most 255 bytes, and the next key may have begun
            rest = rest[:320] + b" " + rest[-32:]
    if tag and not draft:
        yield tag.decode(), pre
