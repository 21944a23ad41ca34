"""Releases of a signed repository (docs/formats.md). What a server says is believed only as far as the root of trust leads that was given
to the board: moult.trust. The work falls into parts that are in memory one after the other: download, the network; stream, a bundle's
documents; proof with chain, metadata and rsa; staging with pack."""

import json
import sys

import moult_boot as boot
from moult import forget

DIR = ".moult/trust/"
DOWNLOAD = ".moult/download/"
KINDS = ("", "module", "root", "timestamp", "snapshot", "targets", "role")
LIMIT = 16384  # bytes of a document: what a board can hold


class Refused(boot.Error):
    """What came is not what the root of trust vouches for; reason is one of docs/formats.md, Reasons."""

    def __init__(self, reason, text, hint=""):
        super().__init__("%s: %s" % (reason, text), hint)
        self.reason = reason


class Source:
    """A module of a signed repository. url is where it is, "" for nowhere; bundle is a file that is all there is, as of a stick; now is the
    board's time. A release is known by a memo: where its bundle was found, the bundle's ETag, the kinds of the board; the version, the length
    and the digest of its manifest; and until when what proves it is good."""

    def __init__(self, m, url, kind="", feed=None, meter=None, bundle="", now=None):
        self.m, self.name, self.url, self.feed, self.meter, self.bundle = m, m["name"], url.rstrip("/"), feed, meter, bundle
        self.kinds = [k for k in (kind, "micropython", sys.platform) if k]
        self.now = now or boot.now()

    def path(self, channel):
        """The module's bundle below the repository; "" where a channel has none."""
        if channel not in ("stable", "beta"):
            return ""
        installed = boot.version(self.m["main"]) if boot.kind(self.m["main"] + "/.manifest") == "file" else ""
        return "bundles/%s/%s%s.bundle" % (self.name, channel, "/" + installed if installed else "")

    def online(self, verb, *args):
        """Asks the server, by a verb of download. What is not needed for it makes room, and so does it: no frame of a caller may still hold on
        to a part, or it stays in memory."""
        forget("chain", "metadata", "rsa", "stream", "pack", "manifest", "version")
        try:
            return _online(self, verb, args)
        finally:
            forget("download", "http", "tls", "preset")

    def latest(self, channel, memo=None):
        """Returns the version of the newest release that a channel allows, and a memo of it, also for the next time."""
        path, kinds = self.path(channel), " ".join(self.kinds)
        bundle, held, etag = "", False, ""
        if self.bundle:
            path = ""
            bundle = self.online("take", self.bundle)
        elif path:
            known = memo[1] if memo and memo[0] == path and memo[2] == kinds else ""
            bundle, etag = self.online("bundle", path, known)
            if etag is None and channel == "beta":
                path = self.path("stable")
                bundle, etag = self.online("bundle", path, "")
            held = bundle is None
            if held and memo[6] > max(self.now, floor().get("time", "")):
                return memo[3], memo
        from moult.proof import newest

        try:
            return newest(self, channel, bundle, held, [path, etag or "", kinds])
        except boot.Error as e:
            if not e.transient:
                boot.remove_tree(DOWNLOAD[:-1])
            raise

    def named(self, version):
        """Returns the memo of a release that was asked for, of what is held or what single requests bring."""
        from moult.proof import named

        return named(self, version)

    def stage(self, version, memo, place):
        """Stages the release of a memo into a slot; a generator of waits. It returns the number of files and their bytes. What was downloaded is
        kept where the network failed, to go on with."""
        try:
            bundle = ""
            if self.bundle:
                bundle = self.online("take", self.bundle)
            elif memo[0]:
                bundle = self.online("bundle", memo[0], "", True)[0]
                forget("proof", "chain", "metadata", "rsa", "version")
            from moult.staging import stage

            done = yield from stage(self, bundle, memo[3], memo[4], memo[5], place)
        except boot.Error as e:
            if not e.transient:
                boot.remove_tree(DOWNLOAD[:-1])
            raise
        boot.remove_tree(DOWNLOAD[:-1])
        forget("staging", "pack", "stream", "manifest")
        return done


def _online(source, verb, args):
    from moult import download

    return getattr(download, verb)(source, *args)


def floor():
    """What no metadata may fall below."""
    try:
        return json.loads(boot.read(DIR + "floor.json") or "{}")
    except ValueError:
        return {}
