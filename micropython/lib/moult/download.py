"""What a signed repository's server is asked for: a bundle, which goes on where it was cut; single documents and files. Nothing of it is believed here."""

import json
import os

import moult_boot as boot
from moult import forget
from moult.http import StatusError, request
from moult.repository import DOWNLOAD, Refused

_BEFORE = 612  # bytes of a stored block with the preset dictionary, which the file has more than what came
_LIMITS = {"root": 65536, "timestamp": 16384}
_METADATA = 1 << 20
_MOST = 4 << 20  # bytes of a bundle


def _ask(source, path, headers=(), also=()):
    """Returns a response, None where there is no such file."""
    try:
        r = request(source.url + "/" + path, headers=headers, also=also, feed=source.feed, meter=source.meter, signed=True)
    except StatusError as e:
        if e.status == 404 or e.status == 403 and not e.transient:
            return None
        raise
    r.meter = source.meter
    return r


def _close(r):
    if r.meter:
        r.meter[1] += r.received
    r.close()


def drop():
    boot.remove_tree(DOWNLOAD[:-1])


def _kept(name, path):
    """Returns what is known of the bytes that are kept of a bundle: their number, the ETag, how many there are in all."""
    try:
        label = json.loads(boot.read(name + ".json") or "{}")
        have = os.stat(name + ".part")[6] - _BEFORE if boot.kind(name + ".part") == "file" else 0
        if label.get("path") == path and have > 4 and have <= (label["total"] or have) and label["etag"]:
            return have, label["etag"], label["total"]
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    return 0, "", None


def bundle(source, path, known, fetch=False):
    """Brings a bundle to the flash and returns the file with its ETag; (None, known) where it is still the one known; ("", None) where
    there is none. A part that is there already is not asked for again; to fetch, nor is the whole."""
    name = DOWNLOAD + source.name
    have, etag, total = _kept(name, path)
    headers = []
    if have and have == total:
        if fetch:
            return name + ".part", etag
        headers = [("If-None-Match", etag)]
    elif have and total:
        headers = [("Range", "bytes=%d-" % have), ("If-Range", etag)]
    elif known and not fetch:
        headers = [("If-None-Match", known)]
    r = _ask(source, path, headers, (206, 304, 416))
    if r is None:
        return "", None
    try:
        if r.status == 304:
            return (name + ".part", etag) if have and etag != known else (None, known)
        if r.status == 206 and (r.headers.get("content-range") or "").startswith("bytes %d-" % have) and _take(r, name, "ab"):
            return name + ".part", etag
        if r.status != 200:
            drop()
            return bundle(source, path, "")
        etag = r.headers.get("etag") or ""
        drop()
        boot.room(r.left or 0)
        boot.write(name + ".json", json.dumps({"path": path, "etag": "" if etag[:2] == "W/" else etag, "total": r.left}))
        if _take(r, name, "wb"):
            return name + ".part", etag
        drop()
        return "", None
    finally:
        _close(r)


def _take(r, name, mode):
    """Writes a body down; the preset dictionary goes between the first five bytes and the stream. False for one that is too long."""
    buffer, head, left = memoryview(bytearray(512)), b"", _MOST
    with open(name + ".part", mode) as f:
        while mode == "wb" and len(head) < 5:
            n = r.readinto(buffer[: 5 - len(head)])
            if not n:
                return True
            head += bytes(buffer[:n])
        if head:
            from moult.preset import STORED

            f.write(head + STORED)
        while True:
            n = r.readinto(buffer)
            if not n:
                return True
            left -= n
            if left < 0:
                return False
            if f.write(buffer[:n]) != n:
                raise boot.Error("%s: the flash takes no more" % name)


def take(source, name):
    """Puts a copy of a bundle where one is downloaded to, and returns its name."""
    drop()
    boot.makedirs(DOWNLOAD[:-1])
    with open(name, "rb") as f:
        _take(f, DOWNLOAD + source.name, "wb")
    return DOWNLOAD + source.name + ".part"


def document(source, name, version):
    """Brings a document of the metadata to a file, whose name is returned; None where there is none."""
    path = "metadata/timestamp.json"
    if name != "timestamp":
        path = "metadata/%d.%s.json" % (version, source.name if name == "role" else name)
    r = _ask(source, path)
    if r is None:
        return None
    limit, file, n = _LIMITS.get(name, _METADATA), "%s%s.%s" % (DOWNLOAD, source.name, name), 0
    boot.makedirs(DOWNLOAD[:-1])
    buffer = memoryview(bytearray(256))
    try:
        boot.room(r.left or 0)
        with open(file, "wb") as f:
            while True:
                got = r.readinto(buffer)
                if not got:
                    return file
                n += got
                if n > limit:
                    raise Refused("length", "%s: got more than %d bytes" % (path, limit))
                f.write(buffer[:got])
    finally:
        _close(r)


def file(source, path, to, length, digest):
    """Brings a file to its place, whole and proven."""
    r = _ask(source, path)
    if r is None:
        raise Refused("missing", "%s: the server does not have it" % path)
    from moult.pack import write

    try:
        if r.left is not None and r.left != length:
            raise Refused("length", "%s: got %d bytes, want %d" % (path, r.left, length))
        write(to, _chunks(r), length, digest, source.feed)
    finally:
        _close(r)
        forget("pack")


def _chunks(r):
    buffer = memoryview(bytearray(512))
    while True:
        n = r.readinto(buffer)
        if not n:
            return
        yield buffer[:n]
