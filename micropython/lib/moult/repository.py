"""Releases of a signed repository (docs/formats.md). What a server says is believed only as far as the root of trust leads that was given
to the board: moult.trust. The work falls into parts that are in memory one after the other: download, the network; stream, metadata, chain
and rsa, which prove; pack, which stages."""

import json
import os
import sys

import moult_boot as boot
from moult.core import forget

DIR = ".moult/trust/"
DOWNLOAD = ".moult/download/"
KINDS = ("", "module", "root", "timestamp", "snapshot", "targets", "role")
_TIMESTAMP = "timestamp"


class Refused(boot.Error):
    """What came is not what the root of trust vouches for; reason is one of docs/formats.md, Reasons."""

    def __init__(self, reason, text, hint=""):
        super().__init__("%s: %s" % (reason, text), hint)
        self.reason = reason


class NoRelease(boot.Error):
    """The module has nothing for the channel."""


class Lacks(Exception):
    """A document is needed that is not there: to be asked for by a single request."""


class Source:
    """A module of a signed repository. url is where it is, "" for nowhere; bundle is a file that is all there is, as of a stick; now is the
    board's time."""

    def __init__(self, m, url, kind="", feed=None, meter=None, bundle="", now=None):
        self.m, self.name, self.url, self.feed, self.meter, self.bundle = m, m["name"], url.rstrip("/"), feed, meter, bundle
        self.kinds = [k for k in (kind, "micropython", sys.platform) if k]
        self.now = now or boot.now()
        self.answers = {}  # what single requests brought: (name, version) to a file, None for nothing

    def _path(self, channel):
        """The module's bundle below the repository; "" where a channel has none."""
        if channel not in ("stable", "beta"):
            return ""
        installed = boot.version(self.m["main"]) if boot.kind(self.m["main"] + "/.manifest") == "file" else ""
        return "bundles/%s/%s%s.bundle" % (self.name, channel, "/" + installed if installed else "")

    def _network(self):
        forget("chain", "metadata", "rsa", "stream", "version")
        from moult import download

        return download

    def _prove(self, bundle, held=False):
        """Walks the chain with the parts of a bundle, of what is held, and of single requests; a bundle that does not help is dropped."""
        while True:
            forget("download", "http", "tls")
            walk = _Walk(self, bundle, held)
            try:
                return walk.walk()
            except Lacks as e:
                lacks = e.args[0]
            except boot.Error as e:
                reason = getattr(e, "reason", "")
                if not self.url or not reason or not bundle and not held:
                    raise
                if held:
                    held = False
                    continue
                if not walk.offered or reason not in ("rollback", "expired"):
                    self._network().drop()
                    bundle, self.answers = "", {}
                    continue
                lacks = _TIMESTAMP, 0  # the one in the bundle is old
            finally:
                walk.close()
            self.answers[lacks] = self._network().document(self, lacks[0], lacks[1])

    def latest(self, channel, memo=None):
        """Returns the version of the newest release that a channel allows, and a memo for the next time, which stage needs, too: where the
        bundle was found, its ETag, which release, and until when what proves it is good."""
        if self.bundle:
            return self._choose(channel, self._prove(self._network().take(self, self.bundle)), ["", "", ""])
        memo = memo if isinstance(memo, list) and len(memo) == 7 else None
        path, kinds = self._path(channel), " ".join(self.kinds)
        bundle, held, etag = "", False, ""
        if path:
            known = memo[1] if memo and memo[0] == path and memo[2] == kinds else ""
            bundle, etag = self._network().bundle(self, path, known)
            if etag is None and channel == "beta":
                path = self._path("stable")
                bundle, etag = self._network().bundle(self, path, "")
            held = bundle is None
            if held and memo[6] > max(self.now, self._floor()):
                return memo[3], memo
            if bundle:
                bundle, held = self._looked(bundle)
        return self._choose(channel, self._prove(bundle, held), [path, etag or "", kinds])

    def _floor(self):
        try:
            return json.loads(boot.read(DIR + "floor.json") or "{}").get("time", "")
        except ValueError:
            return ""

    def _looked(self, bundle):
        """Returns a bundle that is one, "" for a pointer or what is none; and whether what is held answers."""
        forget("download", "http", "tls")
        from moult import stream

        try:
            stream.open_bundle(bundle, self.name).close()
            return bundle, False
        except stream.Pointer as e:
            newest = e.newest
        except Refused:
            newest = None
        self._network().drop()
        if not newest:
            return "", False
        for kind, file in (("root", "root"), ("targets", "targets"), ("role", "role-" + self.name)):
            if newest.get(kind, 0) > held_version(file):
                return "", False
        return "", True

    def _choose(self, channel, found, memo):
        releases, until = found
        from moult.version import newest

        fitting = [r for r in releases if not r[3] or [k for k in r[3] if k in self.kinds]]
        version = newest(channel, [(r[0], r[4]) for r in fitting])
        if not version:
            other = newest(channel, [(r[0], r[4]) for r in releases])
            if other:
                text = "release %s: got one for other kinds of devices, want one of %s" % (other, ", ".join(self.kinds))
                raise Refused("wrong-device", text, 'the configuration\'s "kind" says what the device is')
            raise NoRelease("%s: got no release on the channel %s" % (self.name, channel), "publish one, or choose another channel")
        return version, memo + self._target(version, releases) + [until]

    def _target(self, version, releases):
        for r in releases:
            if r[0] == version:
                return [version, r[1], r[2]]
        raise Refused("missing", "release %s: the module's role does not have it" % version)

    def named(self, version):
        """Returns the memo of a release that was asked for, of what is held or what single requests bring."""
        releases, until = self._prove("", True)
        return ["", "", ""] + self._target(version, releases) + [until]

    def stage(self, memo, place):
        """Stages the release of a memo into a slot; a generator of waits. It returns the number of files and their bytes. What was downloaded is
        kept where the network failed, to go on with."""
        try:
            done = yield from self._stage(memo, place)
        except boot.Error as e:
            if not e.transient:
                boot.remove_tree(DOWNLOAD[:-1])
            raise
        boot.remove_tree(DOWNLOAD[:-1])
        return done

    def _stage(self, memo, place):
        path, version, length, digest = memo[0], memo[3], memo[4], memo[5]
        bundle = ""
        if self.bundle:
            bundle = self._network().take(self, self.bundle)
        elif path:
            bundle = self._network().bundle(self, path, "")[0]
        forget("download", "http", "tls", "chain", "metadata", "rsa", "version")
        main, file = self.m["main"], place + "/.manifest"
        feed = lacking = None
        if bundle:
            try:
                feed, fresh = self._open(bundle, file, length, digest)
            except boot.Error as e:
                self._useless(e)
        from moult import pack

        try:
            if not feed:
                if not self.url:
                    raise Refused("missing", "bundle: got none that leads from the installed version to %s" % version)
                target = "targets/%s/%s.%s" % (self.name, digest, version)
                self._fetch(target, file, length, digest)
                from moult import pack
            count, size, links = pack.check(file, self.name, version)
            for tried in (feed, None):  # without the pack, where it is of no use
                try:
                    lacking = yield from pack.unpack(tried, main, place, tried and fresh, self.feed)
                    break
                except Refused as e:
                    if not tried:
                        raise
                    self._useless(e)
        finally:
            if feed:
                feed.close()
        if lacking:
            yield from self._rest(file, place)
            from moult import pack
        if links:
            pack.link(place)
        forget("pack", "stream")
        return count, size

    def _open(self, bundle, file, length, digest):
        """Returns a bundle's feed behind the manifest, which is staged, and whether it is for a board that has nothing."""
        from moult import pack, stream

        feed = None
        try:
            feed = stream.open_bundle(bundle, self.name)
            fresh = not feed.seek(7)
            if pack.manifest(feed, self.m["main"] + "/.manifest", file, length, digest):
                return feed, fresh
        except stream.Pointer:
            pass
        except BaseException:
            if feed:
                feed.close()
            raise
        if feed:
            feed.close()
        return None, False

    def _useless(self, e):
        """Lets a bundle from a server go, as single requests may do better; from a stick it is the end."""
        if not self.url or not getattr(e, "reason", ""):
            raise e

    def _fetch(self, path, file, length, digest):
        forget("pack", "stream")
        download = self._network()
        download.file(self, path, file, length, digest)
        forget("download", "http", "tls")

    def _rest(self, file, place):
        """Asks for the files that are not staged yet, each whole."""
        from moult.pack import Lines

        number = -1
        while True:
            lines = Lines(file)
            try:
                if not lines.go(number + 1):
                    return
                while boot.kind(place + "/" + lines.path) or lines.link:
                    if not lines.next():
                        return
                number, path, length, digest = lines.number, lines.path, lines.length, lines.digest
            finally:
                lines.close()
            if not self.url:
                raise Refused("missing", "%s: it is not in the bundle, and the board has altered it" % path)
            yield 0
            self._network().file(self, "files/%s/%s" % (digest[:2], digest), place + "/" + path, length, digest)


def held_version(name):
    """Returns the version of a held document, by its end alone: keys are sorted. 0 where there is none."""
    for file in (name, "anchor") if name == "root" else (name,):
        if boot.kind(DIR + file + ".json") == "file":
            with open(DIR + file + ".json", "rb") as f:
                f.seek(max(0, os.stat(DIR + file + ".json")[6] - 40))
                tail = f.read()
            try:
                return int(tail[tail.rfind(b'"version":') + 10 : -2])
            except ValueError:
                pass
    return 0


class _Walk:
    """One walk of the chain. offered says that the last document that was given was the bundle's timestamp."""

    def __init__(self, source, bundle, held):
        self.source, self.bundle, self.held, self.feed, self.offered = source, bundle, held, None, False

    def walk(self):
        from moult.chain import Chain

        if self.bundle:
            from moult.stream import Pointer, open_bundle

            try:
                self.feed = open_bundle(self.bundle, self.source.name)
            except Pointer:  # on a stick: all is missing
                self.held = True
        return Chain(self.source.name, self.get, self.source.now).walk()

    def get(self, name, version):
        s = self.source
        self.offered = False
        if (name, version) in s.answers:
            file = s.answers[(name, version)]
            if file is None:
                return None
            if os.stat(file)[6] > 16384:
                raise Refused("length", "%s: got %d bytes, want at most 16384" % (name, os.stat(file)[6]))
            with open(file, "rb") as f:
                return f.read()
        if self.feed:
            if self.feed.seek(KINDS.index(name), version):
                self.offered = name == _TIMESTAMP
                return bytes(self.feed.body(16384))
            if name in ("root", _TIMESTAMP):  # a bundle has all the newer roots
                return None
        if self.held or not s.url:
            return None
        raise Lacks((name, version))

    def close(self):
        if self.feed:
            self.feed.close()
