"""Plays the vectors of the pack, of the folder argv[1], on a board whose flash is the current directory, and tells of each that comes out otherwise."""

from binascii import hexlify, unhexlify
from hashlib import sha256
import io
import json
import os
import sys

import moult_boot as boot
from moult import manifest, pack, stream
from moult.repository import Refused

count = 0


class Raw(stream.Feed):
    """What stands in a bundle, without one around it."""

    def __init__(self, data, kind):
        self.z = self.file = io.BytesIO(data)
        self.buffer = memoryview(bytearray(7))
        self.kind, self.number, self.left, self.at, self.end = kind, 0, 0, 0, 0


def put(name, data):
    boot.makedirs(boot.parent(name))
    with open(name, "wb") as f:
        f.write(data)


def board(case):
    boot.remove_tree("main")
    boot.remove_tree("next")
    boot.makedirs("main")
    boot.makedirs("next")
    if case["base"]:
        put("main/.manifest", case["base"].encode())
    for name, content in case["have"].items():
        put("main/" + name, unhexlify(content))


def unpacked(feed, fresh):
    manifest.check("next/.manifest", "m", manifest.head(pack.Lines("next/.manifest").line)[1])
    for _ in pack.unpack(feed, "main", "next", fresh):
        pass
    lines, files = pack.Lines("next/.manifest"), {}
    while lines.next():
        if lines.link:
            continue
        if not boot.kind("next/" + lines.path):
            raise Refused("missing", lines.path)
        with open("next/" + lines.path, "rb") as f:
            files[lines.path] = hexlify(f.read()).decode()
    return files


def delta(case):
    base, length = io.BytesIO(unhexlify(case["base"])), case["length"]
    feed = Raw(unhexlify(case["delta"]), 9)
    out = b"".join(bytes(part) for part in pack.operations(feed, length, len(case["base"]) // 2, base, memoryview(bytearray(11))))
    return hexlify(out).decode()


def packed(case):
    board(case)
    put("next/.manifest", case["manifest"].encode())
    return unpacked(Raw(unhexlify(case["pack"]), 9), not case["base"])


def bundle(case):
    board(case)
    put("bundle", unhexlify(case["bundle"]))
    from moult import download

    class Source:
        name = "m"

    feed = stream.Feed(download.take(Source, "bundle"))
    sections, files = [], None
    old = boot.read("main/.manifest") or ""
    while feed.next():
        if feed.kind == 9:
            if not case["base"]:  # a case of the sections alone
                put("next/.manifest", b'{"module":"m","version":"2","files":[\n]}\n')
            files = unpacked(feed, not [s for s in sections if s["kind"] == 7])
            sections.append({"kind": 9, "number": 0, "body": ""})
            if feed.kind == 10:
                break
            continue
        body = feed.body(case["limit"])
        sections.append({"kind": feed.kind, "number": feed.number, "body": hexlify(body).decode()})
        if feed.kind == 8 and case["base"]:
            if feed.number:
                again = Raw(body, 8)
                again.number, again.left = 1, len(body)
                text = pack.operations(again, length_of(body), len(old), io.BytesIO(old.encode()), memoryview(bytearray(64)))
                body = b"".join(bytes(p) for p in text)
            put("next/.manifest", body)
    if case.get("sections", sections) != sections:
        raise AssertionError("sections: got %r, want %r" % (sections, case["sections"]))
    return files


def length_of(delta):
    """The length of what a delta leads to: that of its operations together."""
    feed, n = Raw(delta, 8), 0
    while feed.at < feed.end or feed._fill():
        head = feed.uvarint()
        n += head >> 1
        if head & 1:
            feed.uvarint()
        else:
            feed.skip(head >> 1)
    return n


for file, play in (("delta", delta), ("pack", packed), ("bundle", bundle)):
    with open("%s/%s.json" % (sys.argv[1], file)) as f:
        for line in f:
            if len(line) < 3:
                continue
            case = json.loads(line.rstrip().rstrip(","))
            count += 1
            try:
                got, reason, why = play(case), "", ""
            except Refused as e:
                got, reason, why = None, e.reason, e
            if reason != case.get("reason", "") or not reason and (got or None) != (case.get("want") or None):
                print("%s: %s: got %r %s (%s), want %r %s" % (file, case["name"], got, reason, why, case.get("want"), case.get("reason", "")))
print("cases", count)
