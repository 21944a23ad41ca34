"""A release's files out of a .tar.gz as forges make it, streamed: the memory is the window of the inflation (32 KB) and one block."""

import io
import json
import os
from binascii import hexlify
from hashlib import sha256

from micropython import const
from moult_boot import Error, kind, makedirs, parent, room

_BLOCK = const(512)


class BadArchive(Error):
    """The archive is not whole, or not harmless. A cut one may be whole the next time."""

    transient = True


def quote(text):
    """Writes a text as docs/formats.md has it in a manifest."""
    return json.dumps(text).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def inflate(body):
    """Returns a reader of what gzip has packed."""
    try:
        from deflate import GZIP, DeflateIO

        return DeflateIO(body, GZIP, 15)
    except ImportError:  # before 1.21
        from uzlib import DecompIO

        return DecompIO(body, 31)  # which reads gzip's head at once


class Body(io.IOBase):
    """The deflated bytes, which the interpreter takes one by one."""

    def __init__(self, body):
        self.body, self.data = body, memoryview(bytearray(_BLOCK))
        self.at = self.end = 0

    def readinto(self, data):
        if self.at == self.end:
            self.at, self.end = 0, self.body.readinto(self.data)
        n = min(len(data), self.end - self.at)
        data[:n] = self.data[self.at : self.at + n]
        self.at += n
        return n


def unpack(body, folder, slot, head):
    """Unpacks what is below folder into slot, which must be there and empty, and writes its manifest. head is the module, version and
    repository. It is a generator that yields 0 between blocks, and returns the number of files and their bytes."""
    body, z = Body(body), None
    block, size, count, total = bytearray(_BLOCK), 0, 0, 0

    def fill():
        """Reads a block; the interpreter proves the checksum at the end."""
        nonlocal z
        try:
            z = z or inflate(body)
            return z.readinto(block)
        except (EOFError, OSError, ValueError) as e:
            raise BadArchive("the archive is broken or cut: %r" % e)

    def each(use):
        """Uses the next size bytes, and leaves out what fills their last block."""
        for left in range(size, 0, -_BLOCK):
            yield 0
            if fill() != _BLOCK:
                raise BadArchive("the archive is cut within a file")
            use(memoryview(block)[:left])

    def number(at, n):
        return int(bytes(block[at : at + n]).strip(b" \0") or b"0", 8)

    def text(at, n):
        return bytes(block[at : at + n]).split(b"\0", 1)[0].decode()

    manifest, last, name, commit = None, "", "", ""
    prefix = folder + "/" if folder else ""
    try:
        while True:
            yield 0
            if fill() != _BLOCK:
                raise BadArchive("the archive is cut before a header")
            if not block[0]:
                break
            size, typ = number(124, 12), chr(block[156])
            if number(148, 8) != sum(block) - sum(memoryview(block)[148:156]) + 256:
                raise BadArchive("got a header with a wrong checksum")
            if typ in "xgL":  # what follows is about the next file, or about all
                if size > 4096:
                    raise Error("got a header of %d bytes, want at most 4096" % size)
                data = bytearray()
                yield from each(data.extend)
                data = bytes(data)
                if typ == "L":
                    name = data.rstrip(b"\0").decode()
                while data and typ != "L":
                    n = int(data[: data.find(b" ")])
                    if not 3 < n <= len(data):
                        raise ValueError
                    key, _, value = data[:n].decode().split(" ", 1)[1][:-1].partition("=")
                    data = data[n:]
                    if typ == "x" and key == "path":
                        name = value
                    elif typ == "g" and key == "comment" and len(value) == 40:
                        commit = value
                continue
            name = name or (text(345, 155) + "/" if block[257:262] == b"ustar" and block[345] else "") + text(0, 100)
            _, inside, path = name.partition("/")  # without the one folder that forges put around it
            name = ""
            if typ == "5" or not inside or not path.startswith(prefix):
                yield from each(len)
                continue
            path = path[len(prefix) :]
            if typ not in "0\0":
                raise Error("%s: got a link or a special file, which a board cannot have" % path)
            check(path)
            if path <= last:
                raise Error("got the file %s after %s, want each once, in order" % (path, last))
            last = path
            if manifest is None:
                manifest = open(slot + "/.manifest", "w")
                manifest.write('{"module":%s,"version":%s' % (quote(head[0]), quote(head[1])))
                for key, value in (("repository", head[2]), ("commit", commit)):
                    if value:
                        manifest.write(',"%s":%s' % (key, quote(value)))
                manifest.write(',"files":[\n')
            if path in (".version", ".manifest"):
                yield from each(len)
                continue
            executable = ',"executable":true' if number(100, 8) & 0o100 else ""
            room(size)
            to = slot + "/" + path
            if kind(parent(to)) == "file":
                raise Error("%s: got a file below a file" % path)
            makedirs(parent(to))
            digest = sha256()
            with open(to, "wb") as f:

                def use(data):
                    if f.write(data) != len(data):
                        raise Error("%s: the flash takes no more" % path)
                    digest.update(data)

                yield from each(use)
            if os.stat(to)[6] != size:
                raise Error("%s: length: got %d, want %d" % (path, os.stat(to)[6], size))
            comma, found = ",\n" if count else "", hexlify(digest.digest()).decode()
            manifest.write('%s{"path":%s,"length":%d,"sha256":"%s"%s}' % (comma, quote(path), size, found, executable))
            count += 1
            total += size
        while fill():  # to the end, so that a cut is seen
            yield 0
        if body.readinto(block):
            raise BadArchive("got more than the archive")
        if not count:
            raise Error("release %s: got no file below %s" % (head[1], folder or "its top"), 'check "dir"')
        manifest.write("\n]}\n")
    except ValueError as e:  # as of a number that is none, or a name that is no UTF-8
        raise BadArchive("got a header that is none: %r" % e)
    finally:
        if manifest:
            manifest.close()
    return count, total


def check(path):
    """Refuses a path that could leave the slot, or that a flash would not take."""
    if not path or len(path) > 200 or path[0] == "/" or any(c < " " or c in "\x7f\\" for c in path):
        raise Error("path: got %r, want a clean one below the module's directory, of at most 200 characters" % path[:64])
    for part in path.split("/"):
        if part in ("", ".", ".."):
            raise Error("path %s: got the part %r" % (path, part))
