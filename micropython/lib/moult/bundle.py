"""A bundle as it is read from flash (docs/formats.md, Bundle): its sections, in the memory of its window and one small buffer."""

from moult.repository import Refused


class Feed:
    """The inflated bytes of a bundle, of which left are still of the section that it stands at. What reads it shares the buffer."""

    def __init__(self, z):
        self.z, self.left, self.buffer = z, 607, memoryview(bytearray(256))  # the preset dictionary comes first

    def read(self, into):
        """Reads to fill into; less at the end of the section or of the bundle."""
        try:
            n = self.z.readinto(into[: self.left])
        except (OSError, EOFError, ValueError) as e:
            raise Refused("format", "bundle: deflate: %r" % e)
        self.left -= n
        return n

    def number(self):
        """Reads a uvarint: at most 9 bytes, in the shortest form."""
        n, one = 0, self.buffer[:1]
        for shift in range(0, 63, 7):
            if not self.read(one) or shift and not one[0]:
                break
            n |= (one[0] & 127) << shift
            if one[0] < 128:
                return n
        raise Refused("format", "bundle: no number")

    def parts(self, n, read=None):
        """Yields n bytes, of the section or that a function reads, as many at once as the buffer holds."""
        while n:
            got = (read or self.read)(self.buffer[:n])
            if not got:
                raise Refused("format", "bundle: cut, %d bytes before" % n)
            n -= got
            yield self.buffer[:got]


def sections(file, name):
    """Yields the sections of a bundle for the module of a name, behind that: kind, number, and the feed. Their bytes may be left unread."""
    head = file.read(5)
    if head[:4] != b"MLT\x01" or not 10 <= head[-1] <= 15:
        raise Refused("format", "bundle: got %r first" % head)
    try:
        from deflate import RAW, DeflateIO

        feed = Feed(DeflateIO(file, RAW, head[4]))
    except ImportError:  # before 1.21
        from uzlib import DecompIO

        feed = Feed(DecompIO(file, -head[4]))
    kind = number = 0
    while True:
        if kind < 9:
            for _ in feed.parts(feed.left):
                pass
        feed.left, before, last = 0x3FFFFFFF, kind, number  # more than any flash has
        if not feed.read(feed.buffer[:1]):
            if not kind or file.read(1):
                raise Refused("format", "bundle: empty, or more behind it")
            return
        kind, number, left = feed.buffer[0], feed.number(), feed.number()
        bad = (
            kind > 9
            or kind > 1 > before  # something before the module
            or kind - before < (kind != 2 or number <= last)  # each once, but roots by their versions
            or (number > (kind == 8 == before + 1)) != (1 < kind < 7)  # documents have versions, a manifest behind its base may have 1
            or kind in (7, 9) and left != (kind == 7) * 8
        )
        if bad or left > 1 << b"\0\6\x10\x0e\x14\x14\x14\3\x19\0"[kind]:
            raise Refused("format" if bad else "length", "bundle: section %d, %d, of %d bytes after %d" % (kind, number, left, before))
        if kind < 9:  # the pack says itself where it ends
            feed.left = left
        if kind > 1:
            yield kind, number, feed
        else:
            left = bytes(feed.buffer[: feed.read(feed.buffer)])
            if left != name.encode():
                raise Refused("wrong-module", "bundle: got %r, want %s" % (left, name))
