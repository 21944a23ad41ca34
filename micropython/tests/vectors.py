"""Plays the vectors of the pack, of the folder argv[1], on a board whose flash is the current directory, and tells of each that comes out otherwise."""

from binascii import hexlify, unhexlify
from hashlib import sha256
import io
import json
import os
import sys

import moult_boot as boot
from moult import download, stream
from moult.bundle import Feed, sections
from moult.repository import DOWNLOAD, KINDS, Refused
from moult.staging import files, operations, stage, unpack

count = 0


class Source:
    """A stick's module."""

    m, name, url, feed = {"main": "main"}, "m", "", None


def put(name, data):
    boot.makedirs(boot.parent(name))
    with open(name, "wb") as f:
        f.write(data)


def board(case):
    for folder in ("main", "next", DOWNLOAD[:-1]):
        boot.remove_tree(folder)
        boot.makedirs(folder)
    if case["base"]:
        put("main/.manifest", case["base"].encode())
    for name, content in case["have"].items():
        put("main/" + name, unhexlify(content))


def staged(bundle, manifest):
    """Stages from a bundle, and returns the files in hex."""
    version = json.loads(manifest)["version"]
    for _ in stage(Source, bundle, version, len(manifest), hexlify(sha256(manifest).digest()).decode(), "next"):
        pass
    found = {}
    for path, _, _, link in files("next/.manifest"):
        if not link:
            with open("next/" + path, "rb") as f:
                found[path] = hexlify(f.read()).decode()
    return found


def delta(case):
    return hexlify(made(unhexlify(case["delta"]), case["length"], unhexlify(case["base"]))).decode()


def made(delta, length, base):
    return b"".join(bytes(part) for part in operations(feed_of(delta), length, io.BytesIO(base)))


def feed_of(data):
    feed = Feed(io.BytesIO(data))
    feed.left = len(data)
    return feed


def uvarint(n):
    return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + uvarint(n >> 7)


def packed(case):
    """Makes a bundle around a pack, stored."""
    board(case)
    manifest = case["manifest"].encode()
    data = b"\1\0\1m"
    if case["base"]:
        data += b"\7\0\x08" + sha256(case["base"].encode()).digest()[:8]
    data += b"\x08\0" + uvarint(len(manifest)) + manifest + b"\x09\0\0" + unhexlify(case["pack"])
    size = bytes([len(data) & 255, len(data) >> 8])
    put("bundle", b"MLT\1\x0c\1" + size + bytes(b ^ 255 for b in size) + data)
    return staged(download.take(Source, "bundle"), manifest)


def bundle(case):
    board(case)
    put("bundle", unhexlify(case["bundle"]))
    name = download.take(Source, "bundle")
    found, bodies, manifest, old = [{"kind": 1, "number": 0, "body": "6d"}], {}, b"", case["base"].encode()
    with open(name, "rb") as file:
        for kind, number, feed in sections(file, "m"):
            if kind == 9:
                found.append({"kind": 9, "number": 0, "body": ""})
                break
            body = b"".join(bytes(part) for part in feed.parts(feed.left))
            found.append({"kind": kind, "number": number, "body": hexlify(body).decode()})
            if kind == 8:
                manifest = patched(body, old) if number and old else body
            if kind < 7:
                bodies[KINDS[kind], number if kind != 3 else 0] = body.decode()
    stream.LIMIT = case["limit"]
    for root in (0, 2):
        documents, pointer = stream.spread(name, "m", root)
        if documents is None:
            got, want = pointer, {}
            for kind, number in sorted(bodies):
                want[kind] = number
        else:
            got = {key: boot.read(file) for key, file in documents.items()}
            want = {key: body for key, body in bodies.items() if key[0] != "root" or key[1] > root}
        if got != want:
            raise AssertionError("got the documents %r, want %r" % (got, want))
    if case.get("sections", found) != found:
        raise AssertionError("sections: got %r, want %r" % (found, case["sections"]))
    if found[-1]["kind"] != 9:
        return None
    if case["base"]:
        return staged(name, manifest)
    # A case of the sections alone: there is a manifest, and what is installed is always the base.
    put("next/.manifest", b'{"module":"m","version":"2","files":[\n]}\n')
    from moult import pack  # what staged something has forgotten it

    digest_of = pack.digest_of
    pack.digest_of = lambda name: found[1]["body"]
    try:
        for _ in unpack(Source, name, "next", 0, ""):
            pass
    finally:
        pack.digest_of = digest_of


def patched(delta, old):
    """Returns what a delta leads to from old: as many bytes as its operations have together."""
    n, feed = 0, feed_of(delta)
    while feed.left:
        head = feed.number()
        n += head >> 1
        if head & 1:
            feed.number()
        else:
            for _ in feed.parts(head >> 1):
                pass
    return made(delta, n, old)


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
