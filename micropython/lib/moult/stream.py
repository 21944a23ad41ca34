"""The documents of a bundle (docs/formats.md, Bundle) are written to the flash, before the first is looked at."""

import moult_boot as boot
from moult import forget
from moult.repository import DOWNLOAD, KINDS, LIMIT, Refused


def spread(name, module, root):
    """Writes the documents of a bundle, of the roots those above the version root, to files of their own. It returns their files by name and
    version (of a timestamp 0); or None and the versions that a pointer names."""
    from moult.bundle import sections

    documents, pointer = {}, None
    try:
        with open(name, "rb") as file:
            for kind, number, feed in sections(file, module):
                named = kind in (2, 5, 6) and not feed.left
                if pointer is None:
                    pointer = named
                if pointer:
                    if not named:
                        raise Refused("format", "bundle: more than a pointer")
                    documents[KINDS[kind]] = number
                elif kind > 6:
                    break
                elif kind > 2 or number > root:
                    key = KINDS[kind], number if kind != 3 else 0
                    if feed.left > LIMIT:
                        raise Refused("length", "bundle: %s %d: got %d bytes" % (key + (feed.left,)))
                    documents[key] = "%s%s.%s%d" % ((DOWNLOAD, module) + key)
                    boot.room(feed.left)
                    with open(documents[key], "wb") as f:
                        for part in feed.parts(feed.left):
                            f.write(part)
    finally:
        forget("bundle")
    return (None, documents) if pointer else (documents, None)
