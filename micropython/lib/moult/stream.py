"""A bundle as it is read from flash (docs/formats.md, Bundle): its sections, in the memory of its window and one small buffer."""

import moult_boot as boot
from moult.repository import DOWNLOAD, KINDS, LIMIT, Refused

_LIMITS = {1: 64, 2: 65536, 3: 16384, 8: 1 << 25}  # bytes of a section, even to pass it over
_METADATA = 1 << 20
_PRESET = 607  # bytes of the preset dictionary, which comes first


class Feed:
    """The sections of a bundle in a file, which download wrote down. kind, number and left are of the section that it stands at."""

    def __init__(self, name):
        self.file = open(name, "rb")
        self.kind = self.number = self.left = self.at = self.end = 0
        head = self.file.read(5)
        if len(head) < 5 or head[:4] != b"MLT\x01" or not 10 <= head[4] <= 15:
            raise Refused("format", "bundle: got %r first, want MLT, 1 and a window" % head)
        self.buffer = memoryview(bytearray(256))
        try:
            from deflate import RAW, DeflateIO

            self.z = DeflateIO(self.file, RAW, head[4])
        except ImportError:  # before 1.21
            from uzlib import DecompIO

            self.z = DecompIO(self.file, -head[4])
        self.skip(_PRESET)

    def close(self):
        self.file.close()

    def _fill(self):
        try:
            n = self.z.readinto(self.buffer)
        except (OSError, EOFError, ValueError) as e:
            raise Refused("format", "bundle: deflate: %r" % e)
        self.at, self.end = 0, n
        return n

    def readinto(self, into):
        """Reads at least one byte."""
        if self.at == self.end and not self._fill():
            raise Refused("format", "bundle: it ends early")
        n = min(len(into), self.end - self.at)
        into[:n] = self.buffer[self.at : self.at + n]
        self.at += n
        return n

    def skip(self, n):
        while n:
            if self.at == self.end and not self._fill():
                raise Refused("format", "bundle: it ends early")
            step = min(n, self.end - self.at)
            self.at += step
            n -= step

    def byte(self):
        if self.at == self.end and not self._fill():
            raise Refused("format", "bundle: it ends early")
        self.at += 1
        return self.buffer[self.at - 1]

    def uvarint(self):
        """Reads a number: at most 9 bytes, in the shortest form."""
        n = 0
        for shift in range(0, 63, 7):
            b = self.byte()
            n |= (b & 127) << shift
            if b < 128:
                if not b and shift:
                    break
                return n
        raise Refused("format", "bundle: got a number in another form than the shortest")

    def next(self):
        """Goes to the next section, and returns its kind; 0 at the bundle's end."""
        self.skip(self.left)
        self.left = 0
        if self.at == self.end and not self._fill():
            if not self.kind or self.file.read(1):
                raise Refused("format", "bundle: got %s" % ("more behind its end" if self.kind else "no section"))
            return 0
        before, last = self.kind, self.number
        self.kind, self.number, self.left = self.byte(), self.uvarint(), self.uvarint()
        kind, number, left = self.kind, self.number, self.left
        versioned = 2 <= kind <= 6
        good = 1 <= kind <= 9 and (before > 0) == (kind > 1) and (kind > before or kind == before == 2 and number > last)
        good = good and (number > 0 if versioned else number <= (kind == 8 and before == 7))
        if not good or kind == 7 and left != 8 or kind == 9 and left:
            raise Refused("format", "bundle: got the section %d with %d and %d bytes after %d" % (kind, number, left, before))
        if left > _LIMITS.get(kind, _METADATA):
            raise Refused("length", "bundle: got the section %d of %d bytes" % (kind, left))
        return kind

    def is_pointer(self):
        """Reports whether the bundle only names versions; asked at its first section behind the name."""
        return self.kind in (2, 5, 6) and not self.left

    def seek(self, kind, number=0):
        """Goes to a section of a kind, and of a number, if one is given; it reports whether there is one. Those behind stay."""
        while True:
            if self.kind == kind and (not number or self.number == number):
                return True
            if self.kind > kind or self.kind == kind and number and self.number > number:
                return False
            if not self.next():
                self.kind = 10
                return False

    def body(self, limit):
        """Returns a section's bytes, which there must be no more of than limit."""
        if self.left > limit:
            raise Refused("length", "bundle: got the section %d of %d bytes, want at most %d" % (self.kind, self.left, limit))
        out = bytearray(self.left)
        view = memoryview(out)
        while self.left:
            self.left -= self.readinto(view[len(out) - self.left :])
        return out

    def save(self, name):
        """Writes a section's bytes to a file."""
        boot.room(self.left)
        with open(name, "wb") as f:
            while self.left:
                if self.at == self.end and not self._fill():
                    raise Refused("format", "bundle: it ends early")
                n = min(self.left, self.end - self.at)
                f.write(self.buffer[self.at : self.at + n])
                self.at += n
                self.left -= n


def open_bundle(name, module):
    """Returns the feed of a module's bundle, at its first section behind the name."""
    feed = Feed(name)
    try:
        feed.next()
        got = bytes(feed.body(64))
        if got != module.encode():
            raise Refused("wrong-module", "bundle: got the module %r, want %s" % (got, module))
        first = feed.next()
        if not first:
            feed.kind = 10
        return feed
    except BaseException:
        feed.close()
        raise


def spread(name, module, root):
    """Writes the documents of a bundle, of the roots those above the version root, to files of their own. It returns their files by name and
    version (of a timestamp 0); or None and the versions that a pointer names."""
    feed, documents = open_bundle(name, module), {}
    try:
        if feed.is_pointer():
            while feed.kind in (2, 5, 6) and not feed.left:
                documents[KINDS[feed.kind]] = feed.number
                if not feed.next():
                    return None, documents
            raise Refused("format", "bundle: got a pointer with more in it")
        while 2 <= feed.kind <= 6:
            key = (KINDS[feed.kind], feed.number if feed.kind != 3 else 0)
            if feed.kind > 2 or feed.number > root:
                if feed.left > LIMIT:
                    raise Refused("length", "bundle: %s: got %d bytes, want at most %d" % (key[0], feed.left, LIMIT))
                documents[key] = "%s%s.%s%s" % (DOWNLOAD, module, key[0], key[1] if feed.kind == 2 else "")
                feed.save(documents[key])
            if not feed.next():
                break
    finally:
        feed.close()
    return documents, None
