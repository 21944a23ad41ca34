"""What a bundle brings to prove a release, and which release a board gets."""

import moult_boot as boot
from moult.repository import DIR, Refused, drop


def spread(source, bundle):
    """Returns a bundle's documents, none of a pointer or of what is no bundle; and whether what is held answers."""
    from moult.stream import spread

    try:
        documents, named = spread(bundle, source.name, read("root"))
        if documents is not None:
            return documents, False
    except Refused:
        if not source.url:
            raise
        named = {"root": 1 << 62}
    drop()
    for kind in named:
        if named[kind] > read("role-" + source.name if kind == "role" else kind):
            return {}, False
    return {}, True


def read(name):
    """Returns the version of a held document, by its end alone: keys are sorted. 0 where there is none."""
    try:
        with open(DIR + name + ".json") as f:
            f.seek(-40, 2)
            end = f.read()
        return int(end[end.rfind(":") + 1 : -2])
    except (OSError, ValueError):
        return read("anchor") if name == "root" else 0


def newest(source, channel, releases):
    """Returns the version of the newest release that a channel allows, with the length and the digest of its manifest."""
    from moult.version import newest

    fit = [r for r in releases if not r[3] or [k for k in r[3] if k in source.kinds]]
    for which in (fit, releases):
        version = newest(channel, [(r[0], r[4]) for r in which])
        for r in which:
            if r[0] == version:
                if r in fit:
                    return list(r[:3])
                text = "release %s: got %s, want %s" % (version, r[3], source.kinds)
                raise Refused("wrong-device", text, 'the configuration\'s "kind" says what the device is')
    raise boot.Error("%s: got no release on the channel %s" % (source.name, channel))
