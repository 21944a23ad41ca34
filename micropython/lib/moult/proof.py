"""How a board finds out which release it gets: what comes over the network, the bundle's documents, the chain that proves them, the choice.
One part of these is in memory at a time."""

import moult_boot as boot
from moult.repository import DIR, Refused, drop, floor


def latest(source, channel, memo=None):
    """Returns the version of the newest release that a channel allows, and a memo of it."""
    path = bundle = tag = installed = ""
    kinds, held = " ".join(source.kinds), False
    try:
        if source.bundle:
            bundle = source.online("take", source.bundle)
        elif channel in ("stable", "beta"):
            if boot.kind(source.m["main"] + "/.manifest") == "file":
                installed = boot.version(source.m["main"])
            for name in (channel, "stable")[: 1 + (channel == "beta")]:
                path = "bundles/%s/%s%s.bundle" % (source.name, name, installed and "/" + installed)
                bundle, tag = source.online("bundle", path, memo[1] if memo and memo[0] == path and memo[2] == kinds else "")
                if tag is not None:
                    break
            held = bundle is None
            if held and boot.kind(DIR + "anchor.json") and memo[6] > max(source.now, floor().get("time", "")):
                return memo[3], memo
        documents = {}
        if bundle:
            documents, held = source.part("release", "spread", bundle)
        releases, until = walk(source, documents, held)
        found = source.part("release", "newest", channel, releases)
        return found[0], [path, tag or "", kinds] + found + [until]
    except Exception as e:
        if not getattr(e, "transient", False):
            drop()
        raise


def named(source, version):
    """Returns the memo of a release that was asked for: of what is held, or where that does not have it, of what the server has now."""
    for held in (True, False):
        releases, until = walk(source, {}, held)
        for release in releases:
            if release[0] == version:
                return ["", "", "", version, release[1], release[2], until]
        if not source.url:
            break
    raise Refused("missing", "release %s: the module's role does not have it" % version)


def walk(source, documents, held):
    """Walks the chain with the documents of a bundle, of what is held, or of single requests; a bundle that does not help is dropped. It
    returns the module's releases, and until when what proves them is good."""
    asks = 9 if held or not source.url else 4 if documents else 2  # from this of KINDS on by single requests: a bundle has all the newer roots
    timestamp, key = ("timestamp", 0), None
    while True:
        try:
            if key:
                documents[key] = source.online("document", *key)
                if not documents[key] and key[0] != "root":
                    raise Refused("missing", "%s: the server does not have it" % key[0])
            return source.part("walk", "walk", documents, asks)
        except StopIteration as e:
            key = e.value
        except Refused as e:
            if not source.url or asks == 2:
                raise
            key = None
            if asks == 4 and documents.get(None) == timestamp and e.reason in ("rollback", "expired") and documents.pop(timestamp, None):
                asks = 3  # the one in the bundle is old: another is asked for
            else:
                drop()
                asks, documents = 2, {}
