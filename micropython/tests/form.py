"""Brings documents of the folder argv[1] that are altered in one place before the check of their form. Prints the cases that come out otherwise."""

import json
import sys

from moult.repository import Refused
from moult.walk import load

FILES = {"root": "anchor", "timestamp": "timestamp", "snapshot": "snapshot", "targets": "targets", "role": "role-irrigation"}
count = 0


def alter(kind, old, new, want):
    """Replaces a text of a document, or adds one; want is the reason of the refusal. That of the signature says that the form was good."""
    global count
    with open("%s/%s.json" % (sys.argv[1], FILES[kind])) as f:
        text = f.read()
    if old not in text:
        raise AssertionError("%s: there is no %r" % (kind, old))
    with open("document", "w") as f:
        f.write(text.replace(old, new, 1) if old else text + new)
    try:
        load("document", kind, (1, []), "irrigation")
        got = ""
    except Refused as e:
        got = e.reason
    if got != want:
        print("%s: %r in place of %r: got %r, want %r" % (kind, new, old, got, want))
    count += 1


for kind in FILES:
    alter(kind, '"signed"', '"signed"', "signature")
    for value, want in (
        ('"a"', "signature"),
        ("12", "signature"),
        ("-12", "signature"),
        ('[{},[],true,false,null,"\u00e9"]', "signature"),
        ("1.5", "format"),
        ("1.0", "format"),
        ("1e3", "format"),
        ("012", "format"),
        ("[1, 2]", "format"),
        ('{"b":1,"a":1}', "format"),
        ('{"a":1,"a":1}', "format"),
        ('"a\\tb"', "format"),
        ('"a\\"b"', "format"),
        ('"a\\\\b"', "format"),
        ('"a\\/b"', "format"),
        ('"a\\u0041b"', "format"),
        ('"' + 63 * "a" + '\\nb"', "signature"),  # the line end of a key, wherever it stands
        ('"' + 63 * "a" + '\\\\nb"', "format"),
    ):
        alter(kind, '"spec_version"', '"some":%s,"spec_version"' % value, want)
    alter(kind, '"1.0', '"2.0', "format")
    alter(kind, '"_type":"', '"_type":"x', "format")
    alter(kind, '"version":', '"version":-', "format")
    alter(kind, '"expires":"2', '"expires":"x', "format")
    alter(kind, 'Z"', '"', "format")
    alter(kind, "", "\n", "format")
    alter(kind, ',"signed"', ',"sidned":1,"signed"', "format")
alter("root", '"consistent_snapshot":true', '"consistent_snapshot":false', "format")
alter("root", '"threshold":1', '"threshold":0', "format")
alter("root", '"threshold":1', '"threshold":true', "format")
alter("root", "rsassa-pss-sha256", "rsassa-pss-sha512", "format")
alter("root", '"keytype":"rsa"', '"keytype":"rsb"', "format")
alter("root", '"keytype":"rsa"', '"keytype":"ecdsa"', "signature")  # a key that a board cannot read does no harm
alter("root", "BEGIN PUBLIC", "BEGIN Public", "format")
alter("root", '"keyids":["', '"keyids":[],"lost":["', "untrusted")
alter("root", '"keyids":["', '"keyids":["0', "format")
alter("timestamp", '"issued":"2026', '"issued":"2099', "format")
alter("timestamp", '"issued":"2026', '"issued":"26', "format")
alter("timestamp", '"snapshot.json"', '"snapshut.json"', "format")
alter("snapshot", '"targets.json"', '"tarkets.json"', "format")
alter("targets", '"targets":{}', '"targets":{"a":1}', "format")
alter("targets", '"terminating":true', '"terminating":false', "format")
alter("targets", '"paths":["', '"paths":["x', "format")
alter("targets", '"paths":["', '"paths":["a","', "format")
alter("targets", ']},"expires"', '],"succinct_roles":{}},"expires"', "format")
alter("targets", '"name":"updater"', '"name":"irrigation"', "format")
alter("targets", '"name":"updater","paths":["updater/*"]', '"name":"irrigation","paths":["irrigation/*"]', "format")
alter("targets", '/*"]', '/*","x"]', "format")
alter("role", '"expires"', '"delegations":{},"expires"', "format")
alter("role", '"length":', '"length":-', "format")
alter("role", '"length":', '"length":99999', "format")
alter("role", '"sha256":"', '"sha256":"00', "format")
alter("role", '"irrigation/', '"irrigatiom/', "wrong-module")
for version in (".", "-", " ", "a" * 64, "\u00e9", "/"):
    alter("role", '"irrigation/', '"irrigation/' + version, "format")
print("cases", count)
