"""Metadata is read here: it is held to its form (docs/formats.md, Metadata) before any rule looks at it, and its signatures are proven."""

from binascii import hexlify, unhexlify
from hashlib import sha256
import json

from moult.repository import Refused

ROLES = ("root", "timestamp", "snapshot", "targets")


class Metadata:
    """A file of metadata: signed, what it says; signatures, pairs of a key's id and bytes; digest, of the bytes that were signed."""

    def __init__(self, data, kind):
        """Refuses what has not its form; check finds out more, and returns what is needed of it."""
        try:
            at = data.find(b'],"signed":{')
            if data[:15] != b'{"signatures":[' or at < 0 or data[-1:] != b"}":
                raise ValueError("no metadata")
            body = memoryview(data)[at + 11 : len(data) - 1]
            self.signatures = [(s["keyid"], unhexlify(s["sig"])) for s in json.loads(data[14 : at + 1])]
            self.signed = json.loads(body)
            if _same(self.signed, body, 0) != len(body):
                raise ValueError("got another form than compact JSON with sorted keys")
            if self.signed["_type"] != kind or not self.signed["spec_version"].startswith("1."):
                raise ValueError("want %s" % kind)
            self.version, self.expires = number(self.signed["version"]), moment(self.signed["expires"])
            ids = [s[0] for s in self.signatures]
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RuntimeError) as e:
            raise Refused("format", "%s: %s" % (kind, e))
        if len(set(ids)) < len(ids):  # TUF 4.2: a key counts once
            raise Refused("signature", "got a key's signature twice")
        digest = sha256()
        start = 0
        while True:  # the line ends of a key count as one byte
            end = data.find(b"\\n", at + 11 + start) - at - 11
            digest.update(body[start : end if end >= 0 else len(body)])
            if end < 0:
                break
            digest.update(b"\n")
            start = end + 2
        self.digest = digest.digest()

    def shaped(self, check, *args):
        """Runs a check of the form, whose errors are refusals."""
        try:
            return check(self.signed, *args)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as e:
            raise Refused("format", "%s: %s" % (self.signed["_type"], e))

    def prove(self, who):
        """Refuses fewer good signatures than the threshold; who is what allowed gave."""
        from moult.rsa import verify

        threshold, keys = who
        good = []
        for key, signature in self.signatures:
            for id, modulus in keys:
                if id == key and modulus and modulus not in good and verify(modulus, signature, self.digest):
                    good.append(modulus)
        if len(good) < threshold:
            raise Refused("signature", "got %d good signatures, want %d" % (len(good), threshold), "a board reads keys of RSA alone")


def _same(value, data, at):
    """Returns the place behind a value that stands at a place in the one form that it may have; ValueError where it stands otherwise."""
    if isinstance(value, (dict, list)):
        object = isinstance(value, dict)
        mark = b"{" if object else b"["
        for key in sorted(value) if object else value:
            at = _same(key, data, _is(mark, data, at))
            if object:
                at = _same(value[key], data, _is(b":", data, at))
            mark = b","
        return _is(b"}" if object else b"]", data, at if value else _is(mark, data, at))
    if isinstance(value, str):
        if "\\" in value:
            raise ValueError("got a backslash")
        value = '"%s"' % value.replace('"', '\\"').replace("\n", "\\n")
    elif value is True or value is False or value is None:
        value = {True: "true", False: "false"}.get(value, "null")
    elif not isinstance(value, int):
        raise ValueError("got a float")
    return _is(str(value).encode(), data, at)


def _is(text, data, at):
    if data[at : at + len(text)] != text:
        raise ValueError("got another form than compact JSON with sorted keys")
    return at + len(text)


def number(value, least=1):
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError("got %r, want a number" % value)
    return value


def moment(text):
    """Holds a time to the form that compares as a text."""
    if len(text) != 20 or [c for c in text if not c.isdigit()] != list("--T::Z") or text[4] + text[10] + text[19] != "-TZ":
        raise ValueError("got the time %s" % text)
    return text


def allowed(role, keys):
    """Returns who may sign for a role: the threshold, and pairs of a key's id and modulus, which is None where a board cannot read it."""
    if not role["keyids"]:
        raise Refused("untrusted", "got a role without a key")
    return number(role["threshold"]), [(id, key(keys[id])) for id in role["keyids"]]


def key(k):
    """Returns a key's modulus, None for a kind that only Linux devices read."""
    if k["keytype"] != "rsa":
        if k["keytype"] not in ("ed25519", "ecdsa", "ecdsa-sha2-nistp256"):
            raise ValueError("got a key of the kind %s" % k["keytype"])
        return None
    if k["scheme"] != "rsassa-pss-sha256":
        raise ValueError("got the scheme %s" % k["scheme"])
    from moult.rsa import modulus

    return modulus(k["keyval"]["public"])


def root(s):
    """Returns who may sign for each role."""
    if s["consistent_snapshot"] is not True:
        raise ValueError("want consistent snapshots")
    for k in s["keys"].values():
        key(k)
    return {name: allowed(s["roles"][name], s["keys"]) for name in ROLES}


def named(s, needed):
    """Returns the versions that a timestamp or a snapshot names."""
    versions = {name: number(file["version"]) for name, file in s["meta"].items()}
    versions[needed]
    return versions


def timestamp(s):
    """Returns the snapshot's version, and when the timestamp was issued."""
    if moment(s["issued"]) > s["expires"]:
        raise ValueError("got what was issued after it expired")
    return named(s, "snapshot.json")["snapshot.json"], s["issued"]


def targets(s, module):
    """Returns who may sign for a module's role; None where the module has none."""
    if s["targets"]:
        raise ValueError("got targets beside those of the modules' roles")
    found, seen = None, []
    d = s["delegations"]
    for k in d["keys"].values():
        key(k)
    for role in d["roles"]:
        name = role["name"]
        if name in seen or role["paths"] != [name + "/*"] or role["terminating"] is not True or "succinct_roles" in d:
            raise ValueError("got other delegations than each module's own")
        seen.append(name)
        who = allowed(role, d["keys"])
        if name == module:
            found = who
    return found


_VERSION = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_~+.-"


def role(s, module):
    """Returns the releases of a module: version, length and SHA-256 of the manifest, devices (none: all), whether it is a pre-release;
    the greatest name first."""
    if s.get("delegations") is not None:
        raise ValueError("got delegations in a module's role")
    out = []
    for name in sorted(s["targets"], reverse=True):
        target = s["targets"][name]
        version = name[len(module) + 1 :]
        if not name.startswith(module + "/"):
            raise Refused("wrong-module", "got the target %s, want one of %s" % (name[:64], module))
        if not 0 < len(version) <= 64 or version[0] in ".-" or not all(c in _VERSION for c in version):
            raise ValueError("got the version %s" % version[:64])
        hashes, custom = target["hashes"], target.get("custom") or {}
        devices = custom.get("devices") or []
        if len(hashes) != 1 or len(unhexlify(hashes["sha256"])) != 32 or number(target["length"]) > 1 << 25 or not isinstance(devices, list):
            raise ValueError("want a length up to 32 MiB and a SHA-256")
        out.append((version, target["length"], hashes["sha256"], devices, custom.get("prerelease") is True))
    return out


def keys_of(who):
    """Names the keys of timestamp and snapshot, as the floor has them: when they change, what these signed is forgotten (TUF 5.3.11)."""
    h = sha256()
    for name in ("timestamp", "snapshot"):
        threshold, keys = who[name]
        h.update('%s %d ["%s"]\n' % (name, threshold, '" "'.join(sorted(id for id, _ in keys))))
    return hexlify(h.digest()[:8]).decode()
