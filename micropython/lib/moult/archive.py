"""A release's files out of a .tar.gz as forges make it, streamed: the memory is the window of the inflation (32 KB) and one block."""

from binascii import hexlify
from hashlib import sha256
import json
import os

from moult_boot import Error, kind, makedirs, parent, room

_BLOCK = 512


class BadArchive(Error):
    """The archive is not whole, or not harmless. A cut one may be whole the next time."""

    transient = True


def _quote(text):
    """Writes a text as docs/formats.md has it in a manifest."""
    return json.dumps(text).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


class Manifest:
    """Writes a slot's .manifest a line at a time, in the form of docs/formats.md."""

    def __init__(self, slot, module, version, repository, commit=""):
        self.file = open(slot + "/.manifest", "w")
        head = [("module", module), ("version", version), ("repository", repository), ("commit", commit)]
        self.file.write("{%s" % ",".join('"%s":%s' % (k, _quote(v)) for k, v in head if v or k in ("module", "version")))
        self.file.write(',"files":[\n')
        self.count = self.bytes = 0

    def add(self, path, length, digest, executable):
        if self.count:
            self.file.write(",\n")
        self.file.write('{"path":%s,"length":%d,"sha256":"%s"%s}' % (_quote(path), length, digest, ',"executable":true' if executable else ""))
        self.count += 1
        self.bytes += length

    def close(self):
        self.file.write("\n]}\n")
        self.file.close()


def check_path(path):
    """Refuses a path that could leave the slot, or that a flash would not take."""
    if not path or len(path) > 200 or path[0] == "/" or any(c < " " or c == "\x7f" or c == "\\" for c in path):
        raise Error("path: got %r, want a clean one below the module's directory, of at most 200 characters" % path[:64])
    for part in path.split("/"):
        if part in ("", ".", ".."):
            raise Error("path %s: got the part %r" % (path, part))


class _Inflated:
    """The inflated bytes of a gzip stream, whose checksum the interpreter proves at the end."""

    def __init__(self, body):
        self.size = 0
        try:
            from deflate import GZIP, DeflateIO

            self.z = DeflateIO(body, GZIP, 15)
        except ImportError:  # before 1.21
            from uzlib import DecompIO

            self.z = DecompIO(body, 31)

    def readinto(self, into):
        try:
            n = self.z.readinto(into)
        except (EOFError, OSError, ValueError) as e:
            raise BadArchive("the archive is broken or cut after %d bytes: %r" % (self.size, e))
        self.size += n
        return n


def unpack(body, folder, slot, head):
    """Unpacks what is below folder into slot, which must be there and empty, and writes its manifest. head is the module, version and
    repository. It is a generator that yields 0 between blocks, and returns the manifest."""
    z = _Inflated(body)
    block = bytearray(_BLOCK)
    manifest, last, long_name, commit = None, "", None, ""
    prefix = folder + "/" if folder else ""
    try:
        while True:
            yield 0
            if z.readinto(block) != _BLOCK:
                raise BadArchive("the archive ends within a header")
            if not block[0]:
                break
            size, typ = _octal(block, 124, 12), chr(block[156])
            if _octal(block, 148, 8) != sum(block) - sum(memoryview(block)[148:156]) + 256:
                raise BadArchive("got a header with a wrong checksum")
            if typ in "xgL":  # what follows is about the next file, or about all
                if size > 4096:
                    raise Error("got a header of %d bytes, want at most 4096" % size)
                text = yield from _read(z, block, size)
                if typ == "L":
                    long_name = text.rstrip(b"\0").decode()
                    continue
                for key, value in _records(text):
                    if typ == "x" and key == "path":
                        long_name = value
                    elif typ == "g" and key == "comment" and len(value) == 40:
                        commit = value
                continue
            name = long_name or (_text(block, 345, 155) + "/" if block[257:262] == b"ustar" and block[345] else "") + _text(block, 0, 100)
            long_name = None
            path = name[name.find("/") + 1 :]  # without the one folder that forges put around it
            if typ == "5" or "/" not in name or not path.startswith(prefix):
                yield from _skip(z, block, size)
                continue
            path = path[len(prefix) :]
            if typ not in "0\0":
                raise Error("%s: got a link or a special file, which a board cannot have" % path)
            check_path(path)
            if path <= last:
                raise Error("got the file %s after %s, want each once, in order" % (path, last))
            last = path
            if manifest is None:
                manifest = Manifest(slot, head[0], head[1], head[2], commit)
            if path in (".version", ".manifest"):
                yield from _skip(z, block, size)
                continue
            executable = bool(_octal(block, 100, 8) & 0o100)
            digest = yield from _write(z, block, size, slot + "/" + path)
            manifest.add(path, size, digest, executable)
        while z.readinto(block):  # to the end, so that a cut is seen
            yield 0
        if body.readinto(block):
            raise BadArchive("got more than the archive")
        if manifest is None or not manifest.count:
            raise Error("release %s: got no file below %s" % (head[1], folder or "its top"), 'check "dir"')
        manifest.close()
    except ValueError as e:  # as of a name that is no UTF-8
        raise BadArchive("got a header that is none: %r" % e)
    finally:
        if manifest:
            manifest.file.close()
    return manifest


def _write(z, block, size, name):
    room(size)
    folder = parent(name)
    if kind(folder) != "dir":
        if kind(folder) == "file":
            raise Error("%s: got a file below a file" % name)
        makedirs(folder)
    digest, left = sha256(), size
    with open(name, "wb") as f:
        while left:
            yield 0
            if z.readinto(block) != _BLOCK:
                raise BadArchive("the archive ends within %s" % name)
            data = block if left >= _BLOCK else memoryview(block)[:left]
            if f.write(data) != len(data):
                raise Error("%s: the flash takes no more" % name)
            digest.update(data)
            left -= len(data)
    if os.stat(name)[6] != size:
        raise Error("%s: length: got %d, want %d" % (name, os.stat(name)[6], size))
    return hexlify(digest.digest()).decode()


def _read(z, block, size):
    out = b""
    while len(out) < size:
        yield 0
        if z.readinto(block) != _BLOCK:
            raise BadArchive("the archive ends within a header")
        out += block
    return out[:size]


def _skip(z, block, size):
    while size > 0:
        yield 0
        if z.readinto(block) != _BLOCK:
            raise BadArchive("the archive ends within a file")
        size -= _BLOCK


def _octal(block, at, size):
    text = bytes(block[at : at + size]).strip(b" \0")
    if block[at] & 0x80:  # sizes of 8 GiB and more: no flash is as large
        raise Error("got a file that is too large")
    try:
        return int(text or b"0", 8)
    except ValueError:
        raise BadArchive("got a header that is none")


def _text(block, at, size):
    text = bytes(block[at : at + size])
    end = text.find(b"\0")
    return (text if end < 0 else text[:end]).decode()


def _records(data):
    """Yields the keys and values of a pax header."""
    while data:
        space = data.find(b" ")
        try:
            size = int(data[:space])
        except ValueError:
            size = 0
        if space < 1 or size <= space or size > len(data):
            raise BadArchive("got a pax header that is none")
        key, _, value = data[space + 1 : size - 1].partition(b"=")
        yield key.decode(), value.decode()
        data = data[size:]
