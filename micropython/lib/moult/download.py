"""What a signed repository's server is asked for: a bundle, which goes on where it was cut; single documents and files. Nothing of it is believed here."""

import json
import os

import moult_boot as boot
from moult.http import NetworkError, request
from moult.repository import DOWNLOAD, LIMIT, Refused, drop


def get(source, path, headers=()):
    """Returns a response, None where there is no such file."""
    try:
        also = (206, 304, 416) if headers else ()
        return request(source.url + "/" + path, headers=headers, also=also, feed=source.feed, meter=source.meter, signed=True)
    except NetworkError as e:
        if e.status != 404 and (e.status != 403 or e.transient):
            raise


def close(source, r):
    if source.meter:
        source.meter[1] += r.received
    r.close()


def bundle(source, path, known, fetch=False):
    """Brings a bundle to the flash and returns the file with its ETag; (None, known) where it is still the one known; ("", None) where
    there is none. A part that is there already is not asked for again; to fetch, nor is the whole."""
    label, file = DOWNLOAD + source.name + ".json", DOWNLOAD + source.name + ".part"
    try:
        name, tag, size = json.loads(boot.read(label) or "0")  # what is known of the bytes that are kept
        have = os.stat(file)[6] - 612  # the stored block with the preset dictionary, which the file has more than what came
        if name != path or not tag or not 4 < have <= (size or have):
            have = 0
    except (OSError, ValueError, TypeError):
        have = 0
    headers = []
    if have and have == size:
        if fetch:
            return file, tag
        headers = [("If-None-Match", tag)]
    elif have and size:
        headers = [("Range", "bytes=%d-" % have), ("If-Range", tag)]
    elif known and not fetch:
        headers, have = [("If-None-Match", known)], 0
    r = get(source, path, headers)
    if not r:
        return "", None
    try:
        if r.status == 304:
            return (file, tag) if have and tag != known else (None, known)
        if r.status == 206 and have and r.headers.get("content-range", "").startswith("bytes %d-" % have):
            return write(r, file, "ab"), tag
        drop()
        if r.status == 200:
            tag = r.headers.get("etag", "")
            boot.room(r.left or 0)
            boot.write(label, json.dumps([path, "" if tag[:2] == "W/" else tag, r.left]))
            return save(r, file), tag
    except Refused:  # it is too long
        drop()
        return "", None
    finally:
        close(source, r)
    return bundle(source, path, "")


def save(r, file):
    """Writes a bundle down; the preset dictionary goes between the first five bytes and the stream."""
    head = memoryview(bytearray(5))
    for i in range(5):
        r.readinto(head[i : i + 1])
    from moult.preset import STORED

    with open(file, "wb") as f:
        f.write(head)
        f.write(STORED)
    return write(r, file, "ab")


def write(r, file, mode, left=4 << 20):
    """Writes a body down, of which not more may be left than so many bytes; a bundle's are 4 MiB."""
    with open(file, mode) as f:
        for data in read(r):
            left -= len(data)
            if left < 0:
                raise Refused("length", "%s: got more bytes than it may have" % file)
            if f.write(data) != len(data):
                raise boot.Error("%s: the flash takes no more" % file)
    return file


def take(source, name):
    """Puts a copy of a bundle where one is downloaded to, and returns its name."""
    drop()
    boot.makedirs(DOWNLOAD[:-1])
    boot.room(os.stat(name)[6])
    with open(name, "rb") as f:
        return save(f, DOWNLOAD + source.name + ".part")


def document(source, name, version):
    """Brings a document of the metadata to a file, whose name is returned; None where there is none."""
    path = source.name if name == "role" else name
    r = get(source, "metadata/%s.json" % (path if name == "timestamp" else "%d.%s" % (version, path)))
    if r:
        try:
            boot.makedirs(DOWNLOAD[:-1])
            boot.room(r.left or 0)
            return write(r, "%s%s.%s" % (DOWNLOAD, source.name, name), "wb", LIMIT)
        finally:
            close(source, r)


def file(source, path, to, length, digest):
    """Brings a file to its place, whole and proven."""
    r = get(source, path)
    if not r:
        raise Refused("missing", "%s: the server does not have it" % path)
    try:
        if r.left not in (None, length):
            raise Refused("length", "%s: got %d bytes, want %d" % (path, r.left, length))
        from moult import pack

        pack.write(to, read(r), length, digest, source.feed)
    finally:
        close(source, r)


def read(r):
    buffer = memoryview(bytearray(512))
    while True:
        n = r.readinto(buffer)
        if not n:
            return
        yield buffer[:n]
