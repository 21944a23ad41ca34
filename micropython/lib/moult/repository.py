"""Releases of a signed repository (docs/formats.md). What a server says is believed only as far as the root of trust leads that was given
to the board: moult.trust. The work falls into parts that are in memory one after the other: proof, which goes from one to the next; download, the
network; release with stream and version; walk with rsa; staging with pack."""

import json
import sys

import moult_boot as boot
import moult

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

    def part(self, name, verb, *args):
        """Calls a verb of a part. What is not needed for it makes room, and so does it: no frame of a caller may still hold on to a part, or it
        stays in memory."""
        names = "download", "http", "tls", "preset", "release", "version", "walk", "rsa", "stream", "bundle", "pack", "manifest"
        moult.forget(*names)
        try:
            return getattr(getattr(moult, name), verb)(self, *args)
        finally:
            moult.forget(*names)

    def online(self, verb, *args):
        """Asks the server, by a verb of download."""
        return self.part("download", verb, *args)

    def latest(self, *args):
        """Returns the version of the newest release that a channel allows, and a memo of it, which is given with the channel the next time."""
        return moult.proof.latest(self, *args)

    def named(self, *args):
        """Returns the memo of a release whose version was asked for, of what is held or what single requests bring."""
        return moult.proof.named(self, *args)

    def stage(self, version, memo, place):
        """Stages the release of a memo into a slot; a generator of waits. It returns the number of files and their bytes. What was downloaded is
        kept where the network failed, to go on with."""
        try:
            bundle = ""
            if self.bundle:
                bundle = self.online("take", self.bundle)
            elif memo[0]:
                bundle = self.online("bundle", memo[0], "", True)[0]
            done = yield from moult.staging.stage(self, bundle, memo[3], memo[4], memo[5], place)
        except Exception as e:
            if not getattr(e, "transient", False):
                drop()
            raise
        drop()
        moult.forget("staging", "pack", "manifest")
        return done


def drop():
    boot.remove_tree(DOWNLOAD[:-1])


def floor():
    """What no metadata may fall below."""
    try:
        return json.loads(boot.read(DIR + "floor.json") or "{}")
    except ValueError:
        return {}
