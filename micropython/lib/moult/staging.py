"""A release whose manifest is proven is staged: from its bundle, from what the board has, and what is left by single requests."""

from binascii import hexlify
import json

import moult_boot as boot
from moult import forget
from moult.repository import Refused


def files(name, mark=b""):
    """Yields path, length, digest and link of a manifest's files, of those whose line has a mark in it; of what is no manifest, none."""
    if boot.kind(name) == "file":
        with open(name, "rb") as f:
            for line in f:
                if mark in line:
                    try:
                        e = json.loads(line.rstrip(b",\n"))
                        yield e["path"], e["length"], e.get("sha256"), e.get("link")
                    except (ValueError, KeyError, TypeError):
                        pass  # as the first line and the last


def operations(feed, length, base):
    """Yields the length bytes that the operations of a delta make of a base; without one it only passes over them."""
    at = 0
    while length:
        n = feed.number()
        copy, n = n & 1, n >> 1
        if not 0 < n <= length:
            raise Refused("length" if n else "format", "delta: got %d bytes, want 1 to %d" % (n, length))
        length -= n
        if copy:
            z = feed.number()
            at += z >> 1 ^ -(z & 1)  # zigzag
            if at >> 30:  # below 0, or beyond any flash
                raise Refused("format", "delta: got a copy of %d bytes at %d" % (n, at))
            at += n
            if not base:
                continue
            base.seek(at - n)
        yield from feed.parts(n, copy and base.readinto)


def unpack(source, name, place, length, digest):
    """Stages from the bundle of a name: the manifest, of this length and digest, where place has none yet; else the files of the pack.
    A generator of waits. What the bundle does not have, or not for this board, is not there afterwards."""
    from moult.bundle import sections
    from moult.pack import digest_of, write

    main, place, old = source.m["main"] + "/", place + "/", ""
    manifest = place + ".manifest"
    first = not boot.kind(manifest)
    with open(name, "rb") as file:
        for kind, number, feed in sections(file, source.name):
            if kind == 7:
                old = main + ".manifest"
                if hexlify(feed.buffer[: feed.read(feed.buffer)]).decode() != digest_of(old)[:16]:
                    return
            elif kind == 8 and first:
                if feed.left > length:
                    raise Refused("length", "manifest: got %d bytes, want at most %d" % (feed.left, length))
                if number:
                    with open(old, "rb") as base:
                        write(manifest, operations(feed, length, base), length, digest)
                    if feed.left:
                        raise Refused("format", "manifest: got %d bytes more" % feed.left)
                else:
                    write(manifest, feed.parts(feed.left), length, digest)
                return
            elif kind == 9:
                if first:
                    return
                skip = feed.number()
                for path, length, digest, _ in files(manifest):
                    yield 0
                    if skip:
                        skip -= 1
                        continue
                    if not length:
                        raise Refused("format", "%s: got content, want none" % path)
                    n = feed.number()
                    if n:
                        for known, _, was, _ in files(old):
                            n -= 1
                            if not n:
                                break
                        else:
                            raise Refused("format", "%s: got a base that is none" % path)
                        known = main + known
                        if digest_of(known) != was:  # the board has altered it
                            for _ in operations(feed, length, None):
                                pass
                        else:
                            with open(known, "rb") as base:
                                write(place + path, operations(feed, length, base), length, digest, source.feed)
                    else:
                        write(place + path, feed.parts(length), length, digest, source.feed)
                    skip = feed.number()
                if skip:
                    raise Refused("format", "pack: got %d files more" % skip)


def stage(source, bundle, version, length, digest, place):
    """Stages a release whose manifest has this length and digest; a generator of waits. It returns the number of files and their bytes. No
    local may still name what is to be forgotten."""
    file = place + "/.manifest"
    staged = None
    while bundle or not staged:
        if bundle:
            try:
                yield from unpack(source, bundle, place, length, digest)  # the manifest, and the next time the files
            except Refused:
                if not source.url:
                    raise
                bundle = ""  # single requests may do better
            finally:
                forget("bundle", "pack")
        if staged:
            break
        if not boot.kind(file):
            bundle = ""
            if not source.url:
                raise Refused("missing", "bundle: got none that leads to %s" % version)
            source.online("file", "targets/%s/%s.%s" % (source.name, digest, version), file, length, digest)
        from moult.manifest import check

        staged = check(file, source.name, version)
        check = None
        forget("manifest")
    for links in (False, True):  # which are copies of what is there before
        for f in files(file):
            path, length, digest, link = f
            if not boot.kind(place + "/" + path) and bool(link) == links:
                yield 0
                from moult.manifest import own

                had = own(source, place, f)
                own = None
                if not had:
                    if not source.url:
                        raise Refused("missing", "%s: not in the bundle, and altered here" % path)
                    source.online("file", "files/%s/%s" % (digest[:2], digest), place + "/" + path, length, digest)
    return staged
