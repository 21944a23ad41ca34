"""A release whose manifest is proven is staged: from its bundle, from what the board has, and what is left by single requests."""

import moult_boot as boot
from moult import forget
from moult.repository import Refused


def stage(source, bundle, version, length, digest, place):
    """Stages a release whose manifest has this length and digest; a generator of waits. It returns the number of files and their bytes."""
    main, file, fresh = source.m["main"], place + "/.manifest", None
    if bundle:
        try:
            fresh = _manifest(source, bundle, file, length, digest)
        except Refused:  # from a server it is let go, as single requests may do better; from a stick it is the end
            if not source.url:
                raise
    if fresh is None:
        bundle = ""
        if not source.url:
            raise Refused("missing", "bundle: got none that leads from the installed version to %s" % version)
        source.online("file", "targets/%s/%s.%s" % (source.name, digest, version), file, length, digest)
    forget("stream")
    count, size, links = _check(file, source.name, version)
    forget("manifest")
    lacking = None
    if bundle:
        feed = None
        try:
            feed = _open(source, bundle)
            lacking = yield from _unpack(feed, main, place, fresh, source)
        except Refused:
            if not source.url:
                raise
        finally:
            if feed:
                feed.close()
        feed = None
        forget("stream")
    if lacking is None:
        lacking = yield from _unpack(None, main, place, False, source)
    if lacking:
        yield from _rest(source, file, place)
    if links:
        _link(place)
    return count, size


def _check(file, module, version):
    from moult.manifest import check

    return check(file, module, version)


def _open(source, bundle):
    from moult.stream import open_bundle

    return open_bundle(bundle, source.name)


def _link(place):
    from moult.pack import link

    link(place)


def _unpack(feed, main, place, fresh, source):
    from moult.pack import unpack

    return (yield from unpack(feed, main, place, fresh, source.feed))


def _manifest(source, bundle, file, length, digest):
    """Writes the bundle's manifest, and returns whether it is made for a board that has nothing; None where it is not for this board."""
    from moult.pack import manifest

    feed = _open(source, bundle)
    try:
        fresh = not feed.seek(7)
        return fresh if manifest(feed, source.m["main"] + "/.manifest", file, length, digest) else None
    finally:
        feed.close()


def _lines(file):
    from moult.pack import Lines

    return Lines(file)


def _rest(source, file, place):
    """Asks for the files that are not staged yet, each whole."""
    number = -1
    while True:
        lines = _lines(file)
        try:
            there = lines.go(number + 1)
            while there and (lines.link or boot.kind(place + "/" + lines.path)):
                there = lines.next()
            if not there:
                return
            number, path, length, digest = lines.number, lines.path, lines.length, lines.digest
        finally:
            lines.close()
        lines = None
        if not source.url:
            raise Refused("missing", "%s: it is not in the bundle, and the board has altered it" % path)
        yield 0
        source.online("file", "files/%s/%s" % (digest[:2], digest), place + "/" + path, length, digest)
