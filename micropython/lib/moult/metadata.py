"""Metadata is read here: it is held to its form (docs/formats.md, Metadata) before any rule looks at it, and its signatures are proven."""

from binascii import hexlify, unhexlify
from hashlib import sha256
import json

from moult.repository import Refused

ROLES = ("root", "timestamp", "snapshot", "targets")


class Metadata:
    """A document in a file: signed, what it says; signatures, pairs of a key's id and bytes; digest, of the bytes that were signed."""

    def __init__(self, name, kind):
        """Refuses what has not its form, which is one for the whole file; a check, as below, finds out more."""
        try:
            with open(name, "rb") as file:
                self.file = file
                m = json.load(self.file)
                self.file.seek(0)
                self.hash = None
                self._is('{"signatures":')
                self._same(m["signatures"])
                self._is(',"signed":')
                self.hash = sha256()
                self._same(m["signed"])
                self.digest, self.hash = self.hash.digest(), None
                self._is("}")
                if self.file.read(1):
                    raise ValueError("got more behind it")
            self.signatures = [(s["keyid"], unhexlify(s["sig"])) for s in m["signatures"]]
            self.signed = m["signed"]
            if self.signed["_type"] != kind or not self.signed["spec_version"].startswith("1."):
                raise ValueError("want %s" % kind)
            self.version, self.expires = number(self.signed["version"]), moment(self.signed["expires"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RuntimeError) as e:
            raise Refused("format", "%s: %s" % (kind, e))
        if len(set([s[0] for s in self.signatures])) < len(self.signatures):  # TUF 4.2: a key counts once
            raise Refused("signature", "got a key's signature twice")

    def _same(self, value):
        """Holds what stands next in the file to the one form that a value may have: compact, with sorted keys."""
        if isinstance(value, (dict, list)):
            keyed = isinstance(value, dict)
            mark = "{" if keyed else "["
            if not value:
                self._is(mark)
            for key in sorted(value) if keyed else value:
                self._is(mark)
                self._same(key)
                if keyed:
                    self._is(":")
                    self._same(value[key])
                mark = ","
            self._is("}" if keyed else "]")
        elif isinstance(value, str):
            if "\\" in value:
                raise ValueError("got a backslash")
            value = '"%s"' % value.replace('"', '\\"')
            self._is(value, value.replace("\n", "\\n"))
        elif value is None or isinstance(value, bool):
            self._is({True: "true", False: "false"}.get(value, "null"))
        elif isinstance(value, int):
            self._is(str(value))
        else:
            raise ValueError("got a float")

    def _is(self, text, stands=None):
        """Holds what stands next in the file to a text. The line end of a key, two bytes in the file, is signed as one."""
        stands = (stands or text).encode()
        if self.file.read(len(stands)) != stands:
            raise ValueError("got another form than compact JSON with sorted keys")
        if self.hash:
            self.hash.update(text)

    def shaped(self, check, *args):
        """Runs a check of the form, whose errors are refusals, and forgets what it does not give."""
        signed, self.signed = self.signed, None
        try:
            return check(signed, *args)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as e:
            raise Refused("format", "%s: %s" % (signed["_type"], e))

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
