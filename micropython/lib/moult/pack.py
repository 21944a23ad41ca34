"""From the manifest and the pack of a bundle to a staged slot (docs/formats.md, Manifest, Delta, Pack): a line and a buffer at a time."""

from binascii import hexlify
from hashlib import sha256
import json
import os

import moult_boot as boot
from moult.repository import Refused


class Lines:
    """The files of a manifest, one by one: path, length, digest, link of the one that it stands at; number, from 0 on."""

    def __init__(self, name):
        self.file = open(name, "rb")
        self.rewind()

    def rewind(self):
        self.file.seek(0)
        self.line = self.file.readline()
        self.number = -1

    def close(self):
        self.file.close()

    def next(self):
        """Goes to the next file; False where there is none."""
        self.line = line = self.file.readline()
        if line == b"]}\n" or not line:
            return False
        self.number += 1
        try:
            e = json.loads(line[: -2 if line[-2:] == b",\n" else -1])
            self.path, self.length, self.digest, self.link = e["path"], e["length"], e.get("sha256", ""), e.get("link", "")
            self.entry = e
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            raise Refused("format", "manifest: got no file in %r" % line[:64])
        return True

    def find(self, digest):
        """Goes to the next file of a digest, from where it stands on and around, as it mostly is the next; False where there is none."""
        mark = b'"sha256":"%s"' % digest.encode()
        for _ in range(2):
            while True:
                at = self.file.tell()
                line = self.file.readline()
                if not line or line == b"]}\n":
                    break
                if mark in line:
                    self.file.seek(at)
                    return self.next()
                self.number += 1
            self.rewind()
        return False

    def go(self, number):
        """Goes to the file of a number; False where there is none."""
        if number <= self.number:
            self.rewind()
        while self.number < number:
            if not self.next():
                return False
        return True


def digest_of(name):
    """Returns a file's digest in hex, and its length; None where there is none."""
    if boot.kind(name) != "file":
        return None, 0
    h, n, buffer = sha256(), 0, memoryview(bytearray(256))
    with open(name, "rb") as f:
        while True:
            got = f.readinto(buffer)
            if not got:
                return hexlify(h.digest()).decode(), n
            h.update(buffer[:got])
            n += got


def chunks(name, buffer):
    """Yields a file's bytes."""
    with open(name, "rb") as f:
        while True:
            n = f.readinto(buffer)
            if not n:
                return
            yield buffer[:n]


def write(name, parts, length, digest, feed=None):
    """Writes a file that must come out with a length and a digest; else it is refused, and is not there."""
    folder = boot.parent(name)
    if boot.kind(folder) != "dir":
        above = folder
        while above:
            if boot.kind(above) == "file":
                raise Refused("path", "%s: got a file below a file" % name)
            above = boot.parent(above)
        boot.makedirs(folder)
    boot.room(length)
    h, n = sha256(), 0
    try:
        with open(name, "wb") as f:
            for part in parts:
                n += len(part)
                if n > length:
                    raise Refused("length", "%s: got more than %d bytes" % (name, length))
                if f.write(part) != len(part):
                    raise boot.Error("%s: the flash takes no more" % name)
                h.update(part)
                if feed:
                    feed()
        if n < length:
            raise Refused("length", "%s: got %d bytes, want %d" % (name, n, length))
        if hexlify(h.digest()).decode() != digest:
            raise Refused("hash", "%s: got another SHA-256 than was signed" % name)
    except BaseException:
        boot.remove_tree(name)
        raise


def operations(feed, length, size, base, buffer):
    """Yields what the operations of a delta make of base, a file of size bytes; with base None it only passes over them."""
    end = 0
    while length:
        n = feed.uvarint()
        copy, n = n & 1, n >> 1
        if not n:
            raise Refused("format", "delta: got an operation of no bytes")
        if n > length:
            raise Refused("length", "delta: got an operation of %d bytes, want at most %d" % (n, length))
        length -= n
        if copy:
            z = feed.uvarint()
            end += ~(z >> 1) if z & 1 else z >> 1
            if end < 0 or end + n > size:
                raise Refused("format", "delta: got a copy of %d bytes at %d of %d" % (n, end, size))
            if base:
                base.seek(end)
            end += n
        while n:
            if copy and not base:
                break
            got = (base if copy else feed).readinto(buffer[:n])
            if not got:
                raise Refused("hash", "delta: its base is shorter than it was")
            n -= got
            yield buffer[:got]


def whole(feed, length, buffer):
    """Yields the next bytes of a pack."""
    while length:
        n = feed.readinto(buffer[:length])
        length -= n
        yield buffer[:n]


def manifest(feed, old, new, length, digest):
    """Writes the bundle's manifest to the file new; False where the bundle has none for this board, whose own is old."""
    based = feed.seek(7)
    if based and (boot.kind(old) != "file" or digest_of(old)[0][:16] != hexlify(feed.body(8)).decode()):
        return False
    if not feed.seek(8):
        return False
    if feed.left > length:
        raise Refused("length", "manifest: got %d bytes, want at most %d" % (feed.left, length))
    buffer, left = memoryview(bytearray(256)), feed.left
    feed.left = 0
    if not feed.number:
        write(new, whole(feed, left, buffer), length, digest)
        return True
    inner = _Within(feed, left)
    with open(old, "rb") as base:
        write(new, operations(inner, length, os.stat(old)[6], base, buffer), length, digest)
    if inner.left:
        raise Refused("format", "manifest: got %d bytes behind the delta" % inner.left)
    return True


class _Within:
    """A section of a feed, that is not read beyond."""

    def __init__(self, feed, left):
        self.feed, self.left = feed, left

    def readinto(self, into):
        if not self.left:
            raise Refused("format", "manifest: the delta ends early")
        n = self.feed.readinto(into[: self.left])
        self.left -= n
        return n

    def byte(self):
        one = memoryview(bytearray(1))
        self.readinto(one)
        return one[0]

    def uvarint(self):
        return type(self.feed).uvarint(self)


def unpack(feed, main, next, fresh, tell=None):
    """Stages the files of a bundle's pack, and those that the board has, into next, which has the manifest. fresh says that the pack is for
    a board that has nothing. A generator of waits; it returns the number of files that could not be had."""
    buffer = memoryview(bytearray(512))
    new, lacking = Lines(next + "/.manifest"), 0
    old = None if boot.kind(main + "/.manifest") != "file" else Lines(main + "/.manifest")
    packed = feed is not None and feed.seek(9)
    skip = feed.uvarint() if packed else -1
    try:
        while new.next():
            yield 0
            path = next + "/" + new.path
            if new.link:
                if skip == 0:
                    raise Refused("format", "%s: got content, want none" % new.path)
            elif skip == 0:
                if not new.length:
                    raise Refused("format", "%s: got content, want none" % new.path)
                base = feed.uvarint()
                if not base:
                    write(path, whole(feed, new.length, buffer), new.length, new.digest, tell)
                elif fresh or not old or not old.go(base - 1):
                    raise Refused("format", "%s: got a delta to file %d" % (new.path, base))
                elif digest_of(main + "/" + old.path) != (old.digest, old.length):  # the board has altered it
                    for _ in operations(feed, new.length, old.length, None, buffer):
                        pass
                    lacking += 1
                else:
                    with open(main + "/" + old.path, "rb") as f:
                        write(path, operations(feed, new.length, old.length, f, buffer), new.length, new.digest, tell)
            elif not new.length:
                write(path, (), 0, new.digest)
            elif not _own(old, main, new, next, buffer, tell):
                lacking += 1
            if skip == 0:
                skip = feed.uvarint()
            elif skip > 0:
                skip -= 1
        if packed and skip != 0:
            raise Refused("format", "pack: got %d files to pass over behind the last" % skip)
        if packed:
            feed.left = 0
            feed.next()
            if feed.kind != 9:
                raise Refused("format", "bundle: got a section behind the pack")
    finally:
        new.close()
        if old:
            old.close()
    return lacking


def _own(old, main, new, next, buffer, tell):
    """Copies a file that the board has, from the running version or from what is staged already, whatever its name; reports whether it did."""
    first = None
    while old and old.find(new.digest):
        place = main + "/" + old.path
        if place == first:
            break
        first = first or place
        if _copied(place, new, next, buffer, tell):
            return True
    lines = Lines(next + "/.manifest")
    try:
        while lines.find(new.digest) and lines.number < new.number:
            if _copied(next + "/" + lines.path, new, next, buffer, tell):
                return True
    finally:
        lines.close()
    return False


def _copied(place, new, next, buffer, tell):
    if boot.kind(place) != "file" or os.stat(place)[6] != new.length:
        return False
    try:
        write(next + "/" + new.path, chunks(place, buffer), new.length, new.digest, tell)
        return True
    except Refused as e:
        if e.reason == "path":
            raise
        return False  # the board has altered it


def link(next):
    """Puts a copy where the release has a link: a board's flash has none."""
    lines = Lines(next + "/.manifest")
    try:
        while lines.next():
            if lines.link:
                folder = boot.parent(lines.path)
                to = lines.link
                while to.startswith("../"):
                    to, folder = to[3:], boot.parent(folder)
                place = next + "/" + (folder + "/" if folder else "") + to
                digest, length = digest_of(place)
                if not digest:
                    raise boot.Error("%s: got a link to %s, which a board can only have to a file before it" % (lines.path, lines.link))
                write(next + "/" + lines.path, chunks(place, memoryview(bytearray(256))), length, digest)
    finally:
        lines.close()
