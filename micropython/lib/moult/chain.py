"""The walk from the root of trust to a module's role (TUF 1.0, clause 5; docs/formats.md): one document at a time, each saved
before the next is asked for. It asks nobody itself: what it lacks is Lacks, and the walk is done again once that is there."""

import json
import os

import moult_boot as boot
from moult import metadata
from moult.metadata import Metadata
from moult.repository import DIR, Refused, floor

_ROOTS = 256  # in a row


def save(name, file):
    """Makes a document the one that is held; the other goes."""
    boot.makedirs(DIR[:-1])
    os.rename(file, DIR + name)


def self_signed(file):
    """Reads a root that its own keys signed (TUF 5.3.4): its version, when it expires, and who may sign."""
    m = Metadata(file, "root")
    who = m.shaped(metadata.root)
    m.prove(who["root"])
    return m.version, m.expires, who


class Chain:
    """get returns the file of a document by its name and version, None where there is none. now is the board's time as a text."""

    def __init__(self, module, get, now):
        self.module, self.get, self.clock = module, get, now
        self.floor = floor()

    def walk(self):
        """Returns the module's releases as metadata.role does, and when the first of what proves them expires."""
        self._roots()
        self._timestamp()
        self._snapshot()
        who = self._delegated("targets", self.who["targets"], metadata.targets)
        if who is None:
            raise Refused("missing", "got no role of the module %s" % self.module)
        releases = self._delegated(self.module, who, metadata.role)
        return releases, self.until

    def _raise(self, **floor):
        self.floor.update(floor)
        text = json.dumps(self.floor) + "\n"
        if boot.read(DIR + "floor.json") != text:
            boot.write(DIR + "floor.json", text)

    def _unexpired(self, expires):
        now = max(self.clock, self.floor.get("time", ""))
        if now > expires:
            raise Refused("expired", "expired at %s" % expires, "the publisher must sign it anew; or check the clock")

    def _begin(self):
        if boot.kind(DIR + "anchor.json") is None:
            raise Refused("untrusted", "got no root of trust", 'install the repository\'s: moult.trust("1.root.json")')
        for name in ("root.json", "anchor.json"):
            try:
                self.version, self.until, self.who = self_signed(DIR + name)
                return
            except Refused as e:
                error = e
        raise error

    def _roots(self):
        self._begin()
        for n in range(_ROOTS + 1):
            data = self.get("root", self.version + 1)
            if data is None:
                break
            if n == _ROOTS:
                raise Refused("length", "got more than %d roots in a row" % n)
            m = Metadata(data, "root")
            who = m.shaped(metadata.root)
            m.prove(self.who["root"])
            m.prove(who["root"])
            if m.version != self.version + 1:
                raise Refused("mismatch" if m.version > self.version else "rollback", "root: got version %d in place of %d" % (m.version, self.version + 1))
            self.version, self.until, self.who = m.version, m.expires, who
            save("root.json", data)
            self._raise(root=self.version)
        if self.version < self.floor.get("root", 0):
            raise Refused("rollback", "root: got version %d, want at least %d" % (self.version, self.floor["root"]))
        self.root_until = self.until
        self._unexpired(self.until)

    def _held(self, name, who, check, *args):
        """Returns a held document with what check gave; None where there is none that is good."""
        try:
            m = Metadata(DIR + name, name.split(".")[0] if name in ("timestamp.json", "snapshot.json") else "targets")
            found = m.shaped(check, *args)
            m.prove(who)
            return m.version, m.expires, found
        except Refused:
            return None

    def _timestamp(self):
        keys = metadata.keys_of(self.who)
        if self.floor.get("keys") != keys:
            if "keys" in self.floor:  # the first that goes is what the floor guards
                for name in ("timestamp.json", "snapshot.json"):
                    boot.remove_tree(DIR + name)
                self.floor = {"root": self.floor.get("root", 0)}
            self.floor["keys"] = keys
        floor = self.floor
        held = self._held("timestamp.json", self.who["timestamp"], metadata.timestamp)
        if held:
            floor["timestamp"] = max(floor.get("timestamp", 0), held[0])
            floor["snapshot"] = max(floor.get("snapshot", 0), held[2][0])
            floor["time"] = max(floor.get("time", ""), held[2][1])
        data = self.get("timestamp", 0)
        if data is None and not held:
            raise Refused("missing", "timestamp: got none")
        if data is not None:
            m = Metadata(data, "timestamp")
            snapshot, issued = m.shaped(metadata.timestamp)
            m.prove(self.who["timestamp"])  # 5.4.2
            if m.version < floor.get("timestamp", 0) or snapshot < floor.get("snapshot", 0):  # 5.4.3
                got = (m.version, snapshot, floor.get("timestamp", 0), floor.get("snapshot", 0))
                raise Refused("rollback", "timestamp: got version %d with snapshot %d, want at least %d with %d" % got)
            self._unexpired(m.expires)  # 5.4.4
            if issued > self.root_until:  # else a thief of this key could move the time beyond any recovery
                raise Refused("expired", "issued at %s, when the root had expired" % issued)
            if not held or m.version > held[0]:
                held = m.version, m.expires, (snapshot, issued)
                save("timestamp.json", data)  # 5.4.5
                self._raise(timestamp=m.version, snapshot=snapshot, time=max(floor.get("time", ""), issued))
        self.snapshot = held[2][0]
        self.until = min(self.until, held[1])
        self._unexpired(held[1])  # the one held may be by now

    def _snapshot(self):
        want, who = self.snapshot, self.who["snapshot"]
        held = self._held("snapshot.json", who, metadata.named, "targets.json")
        if held and held[0] == want and not self._lower(held[2]):
            self._unexpired(held[1])  # another copy would be no younger
        else:
            data = self.get("snapshot", want)
            if data is None:
                raise Refused("missing", "snapshot: got none of version %d" % want)
            m = Metadata(data, "snapshot")
            held = m.version, m.expires, m.shaped(metadata.named, "targets.json")
            m.prove(who)  # 5.5.3
            if held[0] != want:  # 5.5.4
                raise Refused("mismatch", "snapshot: got version %d, want %d" % (held[0], want))
            lower = self._lower(held[2])  # 5.5.5
            if lower:
                raise Refused("rollback", "snapshot: got an older %s in it than was seen, or none" % lower)
            self._unexpired(held[1])  # 5.5.6
            save("snapshot.json", data)  # 5.5.7
        self.until = min(self.until, held[1])
        self.named = held[2]
        if self.floor.get("roles") != self.named:
            self._raise(roles=self.named)

    def _lower(self, versions):
        for name, seen in self.floor.get("roles", {}).items():
            if versions.get(name, 0) < seen:
                return name

    def _delegated(self, name, who, check):
        """Brings targets or a module's role up to date: the one held where it is of the version that the snapshot names."""
        want = self.named.get(name + ".json")
        if not want:
            raise Refused("missing", "the snapshot does not name %s" % name)
        file = "targets.json" if check == metadata.targets else "role-%s.json" % name
        held = self._held(file, who, check, self.module)
        if held and held[0] == want:
            self._unexpired(held[1])
        else:
            data = self.get("targets" if check == metadata.targets else "role", want)
            if data is None:
                raise Refused("missing", "%s: got none of version %d" % (name, want))
            m = Metadata(data, "targets")
            held = m.version, m.expires, m.shaped(check, self.module)
            m.prove(who)  # 5.6.3
            if held[0] != want:  # 5.6.4
                raise Refused("mismatch", "%s: got version %d, want %d" % (name, held[0], want))
            self._unexpired(held[1])  # 5.6.5
            save(file, data)  # 5.6.6
        self.until = min(self.until, held[1])
        return held[2]


def install(file, replace):
    """Makes a root the board's root of trust; another than the one held only where it is to be replaced: then all that it led to is
    forgotten, the floor last."""
    self_signed(file)
    with open(file, "rb") as f:
        data = f.read()
    old = boot.read(DIR + "anchor.json")
    if old.encode() == data:
        return
    if old and not replace:
        raise boot.Error("trust: the board has another root of trust", "replace=True takes the new one, and forgets what the other led to")
    if boot.kind(DIR[:-1]):
        for name in sorted(os.listdir(DIR[:-1]), key=lambda name: name == "floor.json"):
            boot.remove_tree(DIR + name)
    boot.write(DIR + "anchor.json", data)
