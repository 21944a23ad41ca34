"""The walk from the root of trust to a module's role (TUF 1.0, clause 5; docs/formats.md): one document at a time, held to its form, its
signatures, and to what was seen, and saved before the next is asked for. It asks nobody itself: what it lacks it names, and the walk is done again
once that is there. A refusal of the form names the field."""

from binascii import hexlify, unhexlify
from hashlib import sha256
import json
import os

import moult_boot as boot
from moult.repository import DIR, KINDS, Refused, floor
from moult.rsa import modulus, verify


def walk(source, documents, asks):
    """Returns the releases of the source's module (form), and when the first of what proves them expires. documents are files by
    kind and version, None where there is none; the one looked at last stands under None. What is not among them, of a kind from the number asks on,
    is a StopIteration with kind and version."""
    seen, root, until = floor(), DIR + "root.json", "~"
    want, who, found = 0, None, {}

    def get():
        """Returns the file of the document that is wanted, what is false where there is none."""
        documents[None] = key = kind, want
        if key not in documents and KINDS.index(kind) >= asks:
            raise StopIteration(key)
        file = documents.get(key)
        return file and boot.kind(file) and file  # one that was good is held by now

    def check(expires):
        """Refuses what has expired, by the clock or by what was seen."""
        if max(source.now, seen.get("time", "")) > expires:
            raise Refused("expired", "%s: was good until %s" % (kind, expires), "check the clock; else it must be signed anew")

    def read(file):
        """Reads a document that is the one wanted, and not below what was seen."""
        data = version, _, found = load(file, kind, who, source.name)
        if kind == "root":
            least(kind, version, want)
        if want and version != want:
            raise Refused("mismatch", "%s: got %d, want %d" % (kind, version, want))
        if kind == "snapshot":
            for name, version in seen.get("roles", {}).items():
                least(name, found.get(name, 0), version)
        elif kind == "timestamp":
            least(kind, version, seen.get(kind, 0))
            least("snapshot", found["snapshot.json"], seen.get("snapshot", 0))
            if version > seen.get(kind, 0):
                seen.update({kind: version, "snapshot": found["snapshot.json"], "time": max(seen.get("time", ""), found["time"])})
        return data

    if not boot.kind(DIR + "anchor.json"):
        raise Refused("untrusted", "got no root", 'call moult.trust("1.root.json")')
    for kind in KINDS[2:]:
        if kind == "root":
            try:
                held = read(root)
            except Refused:
                root = DIR + "anchor.json"
                held = read(root)
            for _ in range(257):  # more than 256 in a row are too many
                want, who = held[0] + 1, held[2]
                file = get()
                if not file:
                    break
                held = read(file)
                root = DIR + "root.json"
                os.rename(file, root)
                seen[kind] = want
            else:
                raise Refused("length", "root: got 257 in a row")
            least(kind, held[0], seen.get(kind, 0))
            end = held[1]
            check(end)
            keys = held[2][2]
            if seen.get("keys", keys) != keys:  # what they signed is forgotten (TUF 5.3.11), first what the floor guards
                boot.remove_tree(DIR + "timestamp.json")
                boot.remove_tree(DIR + "snapshot.json")
                seen = {"root": seen.get("root", 0)}
            seen["keys"] = keys
        else:
            name, file, who, held = kind, kind, held[2], None
            if kind == "role":
                name, file = source.name, "role-" + source.name
            else:
                who = None  # makes room
                with open(root) as data:  # again for each role: together their keys need much memory
                    who = form(json.load(data)["signed"], "root", kind)
            want, place = found.get(name + ".json", 0), DIR + file + ".json"
            if not who or found and not want:
                raise Refused("missing", "%s: got none" % name)
            try:
                held = read(place)
            except Refused:
                pass
            if not held or not want:
                file = get()
                if file:
                    data = read(file)
                    check(data[1])
                    if not want and data[2]["time"] > end:  # else a thief of the timestamp's key could move the time beyond any recovery
                        raise Refused("expired", "root: at %s, before the timestamp" % end)
                    if not held or data[0] > held[0]:
                        os.rename(file, place)
                        held = data
                elif not held:
                    raise Refused("missing", "%s: got none of version %s" % (kind, want))
            if kind != "targets":
                found = held[2]
            if kind == "snapshot":
                seen["roles"] = found
        if floor() != seen:
            boot.write(DIR + "floor.json", json.dumps(seen) + "\n")
        check(held[1])
        until = min(until, held[1])
    return found, until


def least(name, got, want):
    """Refuses a version below one that was seen."""
    if got < want:
        raise Refused("rollback", "%s: got %d, want %d" % (name, got, want))


def load(name, kind, who=None, module=""):
    """Reads a document from a file, which the keys who must have signed, and its own a root (TUF 5.3.4), for which there need be no others. It
    returns the version, when it expires, and what it says (form)."""
    try:
        with open(name) as file:
            data = json.load(file)
            file.seek(0)

            def write(text):
                """Holds what stands next in the file to a text. The line end of a key, two bytes in the file, is signed as one."""
                line = text.replace("\\n", "\n")
                if file.read(len(text)) != text or "\\" in line:
                    raise ValueError("want compact JSON, keys sorted")
                digest.update(line)

            for text in ('{"signatures":', ',"signed":'):
                digest = sha256()
                write(text)
                digest = sha256()
                dump(data[text[2:-2]], write)
            digest = digest.digest()
            if file.read() != "}":
                raise ValueError("got more behind it")
        signatures = {s["keyid"]: unhexlify(s["sig"]) for s in data["signatures"]}
        if len(signatures) < len(data["signatures"]):  # TUF 4.2: a key counts once; here such a file has no good signature
            signatures = {}
        data = data["signed"]
        if data["_type"] != ("targets" if kind == "role" else kind) or data["spec_version"][:2] != "1.":
            raise ValueError("_type")
        version, expires = number(data["version"]), time(data["expires"])
        data = form(data, kind, kind if kind == "root" else module)  # all else of it is let go
    except Exception as e:
        if isinstance(e, (MemoryError, Refused)):
            raise
        raise Refused("format", "%s: %s" % (kind, e))
    whose = [who]
    if kind == "root":
        whose = [who, data] if who else [data]
    for who in whose:
        good = []
        for id, key in who[1]:
            if key and key not in good and id in signatures and verify(key, signatures[id], digest):
                good.append(key)
        if len(good) < who[0]:
            raise Refused("signature", "%s: got %d good, want %d" % (kind, len(good), who[0]), "a board needs RSA")
    return version, expires, data


def dump(value, write):
    """Writes a value in the one form that it may have, compact JSON with sorted keys, in small pieces."""
    keyed = isinstance(value, dict)
    if keyed or isinstance(value, list):
        mark = "[{"[keyed]
        if not value:
            write(mark)
        for key in sorted(value) if keyed else value:
            write(mark)
            dump(key, write)
            if keyed:
                write(":")
                dump(value[key], write)
            mark = ","
        write("]}"[keyed])
    elif isinstance(value, str):
        write('"')
        for i in range(0, len(value), 64):
            write(json.dumps(value[i : i + 64])[1:-1])
        write('"')
    elif isinstance(value, float):
        raise ValueError("float")
    else:
        write(json.dumps(value))


def number(value):
    if not isinstance(value, int) or value < 1:  # True is none to MicroPython
        raise ValueError("got the number %r" % value)
    return value


def time(text):
    """Holds a time to the form that compares as a text."""
    parts = text[:4], text[5:7], text[8:10], text[11:13], text[14:16], text[17:19]  # a character alone would become a name that stays
    digits = "".join(parts)
    if len(digits) != 14 or not digits.isdigit() or "%s-%s-%sT%s:%s:%sZ" % parts != text:
        raise ValueError("got the time %s" % text)
    return text


def form(data, kind, module):
    """Returns what a document says. A root and targets: who may sign for the role module, the threshold, pairs of a key's id and modulus, which
    is None where a board cannot read it, and a digest that names those of timestamp and snapshot; None where there is no such role. A timestamp and a snapshot: the versions that they name, and the time
    when it was issued. A module's role: its releases, the greatest name first, each its version, the length and SHA-256 of its manifest, the devices
    it is for (none: all), and whether it is a pre-release."""
    if kind in ("timestamp", "snapshot"):
        found = {name: number(file["version"]) for name, file in data["meta"].items()}
        found["snapshot.json" if kind == "timestamp" else "targets.json"]
        if kind == "timestamp":
            found["time"] = time(data["issued"])
            if found["time"] > data["expires"]:
                raise ValueError("issued")
        return found
    if kind == "role":
        if data.get("delegations") is not None:
            raise ValueError("delegations")
        found = []
        for name in sorted(data["targets"], reverse=True):
            target, version = data["targets"][name], name[len(module) + 1 :]
            if not name.startswith(module + "/"):
                raise Refused("wrong-module", "got %s, want %s" % (name[:64], module))
            digest, custom = target["hashes"], target.get("custom") or {}
            devices = custom.get("devices") or []
            if (
                version.lower().strip("0123456789abcdefghijklmnopqrstuvwxyz_~+.-")
                or version[0] in ".-"
                or len(version) > 64
                or len(digest) != 1
                or len(unhexlify(digest["sha256"])) != 32
                or number(target["length"]) > 1 << 25
                or not isinstance(devices, list)
            ):
                raise ValueError(name[:64])
            found.append((version, target["length"], digest["sha256"], devices, custom.get("prerelease") is True))
        return found
    roles, seen, found, digest = KINDS[2:6], [], None, sha256()
    if kind == "targets":
        if data[kind]:
            raise ValueError(kind)
        data = data["delegations"]
        roles = data["roles"]
    elif data["consistent_snapshot"] is not True:
        raise ValueError("consistent_snapshot")
    keys = data["keys"]
    for id, key in keys.items():  # a text gives way to its number before the next is read
        if key["keytype"] == "rsa" and key["scheme"] == "rsassa-pss-sha256":
            keys[id] = modulus(key["keyval"]["public"])
        elif key["keytype"] in ("ed25519", "ecdsa", "ecdsa-sha2-nistp256"):
            keys[id] = None
        else:
            raise ValueError("keytype")
    for role in roles:
        if kind == "root":
            name, role = role, data["roles"][role]
        else:
            name = role["name"]
            if name in seen or role["paths"] != [name + "/*"] or role["terminating"] is not True or "succinct_roles" in data:
                raise ValueError(name)
            seen.append(name)
        if not role["keyids"]:
            raise Refused("untrusted", "%s: got no key" % name)
        who = number(role["threshold"]), [(id, keys[id]) for id in role["keyids"]]
        if name in KINDS[3:5]:
            digest.update('%s %d ["%s"]\n' % (name, who[0], '" "'.join(sorted(role["keyids"]))))
        if name == module:
            found = who
    return found and found + (hexlify(digest.digest()[:8]).decode(),)
