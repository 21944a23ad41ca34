"""A manifest is held to its form, byte for byte (docs/formats.md, Manifest); and what of its files the board has is copied."""

from binascii import hexlify, unhexlify
import json
import os

import moult_boot as boot
from moult.pack import digest_of, read, write
from moult.repository import Refused
from moult.staging import files


def _quote(path):
    """Writes a text as Go's encoder does; TypeError where it is none."""
    return json.dumps(path + "").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _clean(path):
    """Returns a path; it is refused where it could leave the slot, or is one of the updater's own."""
    data = path.encode() + b" "
    bad = len(data) > 1025 or min(data) < 32 or 127 in data or path in (".version", ".manifest", "..version.new", ".version.new")
    for part in path.split("/"):
        if bad or part in ("", ".", "..", ".moult-carry", ".carry") or len(part.encode()) > 255:
            raise Refused("path", "manifest: got the path %r" % path[:64])
    return path


def target(path, link):
    """Returns the path that a link leads to."""
    folder = path.split("/")[:-1]
    while link[:3] == "../":
        link = link[3:] if folder else ""  # which is refused
        folder = folder[:-1]
    return _clean("/".join(folder + [link]))


def check(name, module, version):
    """Holds a manifest to its form, and returns the number of its files and their bytes."""
    count = size = 0
    above = []  # the path before, and those that it begins with
    with open(name, "rb") as f:
        line = f.readline()
        try:
            head = json.loads(line + b"]}")
            want = ""
            for key in ("module", "version", "repository", "commit"):
                if head.get(key):
                    want += ',"%s":%s' % (key, _quote(head[key]))
            if line.decode() != '{%s,"files":[\n' % want[1:]:
                raise ValueError
            line = f.readline()
            while line != b"]}\n":
                e = json.loads(line.rstrip(b",\n"))
                path, length, link = _clean(e["path"]), e["length"], e.get("link")
                for p in above:
                    if path <= p or path.startswith(p + "/"):
                        raise Refused("path", "manifest: got %s after %s" % (path, p))
                while above and not path.startswith(above[-1]):
                    above.pop()
                above.append(path)
                if link:
                    target(path, link)
                    want = '0,"link":%s' % _quote(link)
                else:
                    digest = unhexlify(e["sha256"])
                    if length < 0 or len(digest) != 32:
                        raise ValueError
                    want = '%d,"sha256":"%s"%s' % (length, hexlify(digest).decode(), ',"executable":true' if "executable" in e else "")
                after = f.readline()
                if line.decode() != '{"path":%s,"length":%s}%s\n' % (_quote(path), want, "" if after == b"]}\n" else ","):
                    raise ValueError
                line = after
                count += 1
                size += length
            if f.read(1):
                raise ValueError
            if head["module"] != module:
                raise Refused("wrong-module", "manifest: got %s, want %s" % (head["module"], module))
            if head["version"] != version:
                raise Refused("mismatch", "manifest: got %s, want %s" % (head["version"], version))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Refused("format", "manifest: line %r" % line[:64])
    return count, size


def own(source, place, file):
    """Stages a file as a copy of what the board has, whatever its name, and a link as one of what it leads to: a board's flash has no links. It
    reports whether it did."""
    path, length, digest, link = file
    main, place = source.m["main"] + "/", place + "/"
    name = main + path
    if link:
        name = place + target(path, link)
        digest = digest_of(name)
        if not digest:
            raise boot.Error("%s: got a link to %s, which is no file before it" % (path, link))
        length = os.stat(name)[6]
    elif length and digest_of(name) != digest:
        name = ""
        for slot in (main, place):
            for file in files(slot + ".manifest", digest.encode()):
                if not name and digest_of(slot + file[0]) == digest:
                    name = slot + file[0]
    if name:
        write(place + path, read(name) if length else (), length, digest, source.feed)
    return name
