"""Which release a board gets, and what proves it."""

import os

import moult_boot as boot
from moult import forget
from moult.repository import DIR, DOWNLOAD, LIMIT, Refused


class NoRelease(boot.Error):
    """The module has nothing for the channel."""


class Lacks(Exception):
    """A document is needed that is not there: to be asked for by a single request."""


def newest(source, channel, bundle, held, memo):
    """Returns the version and the whole memo of the newest release that a channel allows. bundle is one that came, held says that what is
    held answers."""
    documents = {}
    if bundle:
        documents, held = _spread(source, bundle)
        bundle = documents != {}
    releases, until = prove(source, bundle, held, documents)
    from moult.version import newest

    fitting = [r for r in releases if not r[3] or [k for k in r[3] if k in source.kinds]]
    version = newest(channel, [(r[0], r[4]) for r in fitting])
    if not version:
        other = newest(channel, [(r[0], r[4]) for r in releases])
        if other:
            text = "release %s: got one for other kinds of devices, want one of %s" % (other, ", ".join(source.kinds))
            raise Refused("wrong-device", text, 'the configuration\'s "kind" says what the device is')
        raise NoRelease("%s: got no release on the channel %s" % (source.name, channel), "publish one, or choose another channel")
    return version, memo + _target(version, releases) + [until]


def named(source, version):
    """Returns the memo of a release that was asked for: of what is held, or where that does not have it, of what the server has now."""
    for held in (True, False):
        releases, until = prove(source, False, held, {})
        try:
            return ["", "", ""] + _target(version, releases) + [until]
        except Refused:
            if not held or not source.url:
                raise


def _target(version, releases):
    for r in releases:
        if r[0] == version:
            return [version, r[1], r[2]]
    raise Refused("missing", "release %s: the module's role does not have it" % version)


def _sections(source, bundle):
    from moult.stream import spread

    return spread(bundle, source.name, held_version("root"))


def _spread(source, bundle):
    """Returns a bundle's documents, none of a pointer or of what is no bundle; and whether what is held answers."""
    try:
        documents, pointed = _sections(source, bundle)
        if documents is not None:
            return documents, False
    except Refused:
        if not source.url:
            raise
        pointed = {"root": 1 << 62}
    finally:
        forget("stream")
    boot.remove_tree(DOWNLOAD[:-1])
    for kind, file in (("root", "root"), ("targets", "targets"), ("role", "role-" + source.name)):
        if pointed.get(kind, 0) > held_version(file):
            return {}, False
    return {}, True


def _walk(source, get):
    from moult.chain import Chain

    return Chain(source.name, get, source.now).walk()


def prove(source, bundle, held, documents):
    """Walks the chain with the documents of a bundle, of what is held, and of single requests; a bundle that does not help is dropped. It
    returns the module's releases, and until when what proves them is good."""
    offered, replaced = (), False

    def get(name, version):
        nonlocal offered
        key = (name, 0 if name == "timestamp" else version)
        if key in documents:
            offered = key if bundle else ()
            file = documents[key]
            if file is None and name == "timestamp":
                raise Refused("missing", "timestamp: the server does not have it")
            if file is None or boot.kind(file) is None:  # there is none, or it is held by now
                return None
            if os.stat(file)[6] > LIMIT:
                raise Refused("length", "%s: got %d bytes, want at most %d" % (name, os.stat(file)[6], LIMIT))
            return file
        offered = ()
        if held or not source.url or bundle and name in ("root", "timestamp"):  # a bundle has all the newer roots
            return None
        raise Lacks(key)

    while True:
        try:
            return _walk(source, get)
        except Lacks as e:
            lacks = e.args[0]
        except Refused as e:
            if not source.url or not (bundle or held):
                raise
            old = bundle and not replaced and offered == ("timestamp", 0) and e.reason in ("rollback", "expired")
            if not old:
                boot.remove_tree(DOWNLOAD[:-1])
                bundle, held, documents = False, False, {}
                continue
            lacks, replaced = offered, True  # the one in the bundle is old: another is asked for
        finally:
            forget("chain", "metadata", "rsa")
        offered = ()
        documents[lacks] = source.online("document", lacks[0], lacks[1])


def held_version(name):
    """Returns the version of a held document, by its end alone: keys are sorted. 0 where there is none."""
    for file in (name, "anchor") if name == "root" else (name,):
        file = DIR + file + ".json"
        if boot.kind(file) == "file":
            with open(file, "rb") as f:
                f.seek(max(0, os.stat(file)[6] - 40))
                tail = f.read()
            try:
                return int(tail[tail.rfind(b'"version":') + 10 : -2])
            except ValueError:
                pass
    return 0
