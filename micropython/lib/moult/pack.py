"""Files of a staged slot, each proven as it is written."""

from binascii import hexlify
from hashlib import sha256

import moult_boot as boot
from moult.repository import Refused


def write(name, parts, length, digest, feed=None):
    """Writes a file that must come out with a length and a digest; else it is refused, and is not there."""
    boot.makedirs(boot.parent(name))
    boot.room(length)
    h, n = sha256(), 0
    try:
        with open(name, "wb") as f:
            for part in parts:
                n += len(part)
                if n > length:
                    break
                if f.write(part) != len(part):
                    raise boot.Error("%s: the flash takes no more" % name)
                h.update(part)
                if feed:
                    feed()
        if n != length:
            raise Refused("length", "%s: got %d bytes, want %d" % (name, n, length))
        if hexlify(h.digest()).decode() != digest:
            raise Refused("hash", "%s: got another SHA-256 than was signed" % name)
    except BaseException:
        boot.remove_tree(name)
        raise


def read(name):
    """Yields a file's bytes."""
    buffer = memoryview(bytearray(256))
    with open(name, "rb") as f:
        while True:
            n = f.readinto(buffer)
            if not n:
                return
            yield buffer[:n]


def digest_of(name):
    """Returns a file's digest in hex; "" where there is none."""
    if boot.kind(name) != "file":
        return ""
    h = sha256()
    for part in read(name):
        h.update(part)
    return hexlify(h.digest()).decode()
