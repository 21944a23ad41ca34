"""A manifest is held to its form, byte for byte (docs/formats.md, Manifest), a line at a time."""

import json

from moult.pack import Lines
from moult.repository import Refused


def _quote(text):
    return json.dumps(text).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _form(line, fields, object):
    """Holds a line to the one form that its fields have; ValueError where they are others."""
    parts = []
    for key in fields:
        if key in object:
            value = object[key]
            parts.append('"%s":%s' % (key, "true" if value is True else _quote(value) if isinstance(value, str) else "%d" % value))
    if line != "{" + ",".join(parts):
        raise ValueError("got another form than docs/formats.md has it")


def head(line):
    """Reads a manifest's first line: the module and the version."""
    try:
        h = json.loads(line + b"]}")
        if line[-11:] != b',"files":[\n':
            raise ValueError("got no files")
        _form(line[:-11].decode(), ("module", "version", "repository", "commit"), h)
        return h["module"], h["version"]
    except (ValueError, KeyError, TypeError) as e:
        raise Refused("format", "manifest: %s" % e)


def check_path(path):
    """Refuses a path that could leave the slot, or that is one of the updater's own."""
    parts = path.split("/")
    if len(path) > 1024 or "" in parts or "." in parts or ".." in parts or any(c < " " or c == "\x7f" for c in path):
        raise Refused("path", "got the path %r, want a clean one below the module's directory" % path[:64])
    if path in (".version", ".manifest", "..version.new", ".version.new") or ".moult-carry" in parts or ".carry" in parts:
        raise Refused("path", "got the path %s, which is the updater's own" % path)


def _check_link(path, target):
    above = path.count("/")
    names = False
    for part in target.split("/"):
        above -= part == ".."
        if above < 0 or part in ("", ".") or part == ".." and names:
            raise Refused("path", "%s: got a link to %r, want a clean one inside the release" % (path, target[:64]))
        names = names or part != ".."


def check(name, module, version):
    """Holds a manifest to its form, byte for byte, and returns the number of its files, their bytes, and whether one is a link."""
    lines = Lines(name)
    count = size = 0
    links, last, ended = False, "", True
    try:
        got = head(lines.line)
        while lines.next():
            line = lines.line
            path, link, e = lines.path, lines.link, lines.entry
            try:
                if not isinstance(path, str) or not isinstance(lines.length, int) or lines.length < 0 or count and not more:
                    raise ValueError("got no file")
                check_path(path)
                if path.encode() <= last.encode():
                    raise Refused("path", "manifest: got %s after %s, want each path once, in order" % (path, last))
                more = line[-2:] == b",\n"
                _form(line[: -3 if more else -2].decode(), ("path", "length", "sha256", "executable", "link"), e)
                if link:
                    if lines.digest or lines.length or "executable" in e:
                        raise ValueError("got a link with content")
                    _check_link(path, link)
                elif len(lines.digest) != 64 or not all(c in "0123456789abcdef" for c in lines.digest) or e.get("executable", True) is not True:
                    raise ValueError("got the digest %s" % lines.digest[:64])
            except (ValueError, TypeError, AttributeError) as e:
                raise Refused("format", "manifest: %s: %s" % (str(path)[:64], e))
            links = links or link != ""
            last = path
            count += 1
            size += lines.length
        if lines.line != b"]}\n" or lines.file.read(1) or count and more:
            raise Refused("format", "manifest: got no end of it")
    finally:
        lines.close()
    if got[0] != module:
        raise Refused("wrong-module", "manifest: got the module %s, want %s" % (got[0], module))
    if got[1] != version:
        raise Refused("mismatch", "manifest: got the version %s, want %s" % (got[1], version))
    return count, size, links
