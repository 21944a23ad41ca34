"""Loses the power before every operation on the flash of what a board does from a start on; then again before each operation of what
recovers it. argv: a JSON file with the board's files and what each version of its modules has; how many recoveries are cut (0: all)."""

import gc
import json
import sys

sys.path.insert(0, "")
sys.path.append("lib")
import flash

with open(sys.argv[1]) as f:
    plan = json.load(f)
share = int(sys.argv[2])
cuts = recovery_cuts = went_on = 0


def whole(where):
    """Holds each module to the law: the old or the new version whole, nothing of the person's lost."""
    versions = []
    for module, versions_of in sorted(plan["modules"].items()):
        got = flash.tree(module + "/main")
        got.pop(".manifest", None)
        version = got.pop(".version", b"").decode()
        if version not in versions_of:
            raise AssertionError("%s: %s: got version %r in %r" % (where, module, version, list(got)))
        want = versions_of[version]
        for name in set(want) | set(got):
            if got.get(name) != want[name].encode() if name in want else name not in plan["either"]:
                raise AssertionError("%s: %s %s: %s: got %r" % (where, module, version, name, got.get(name)))
        versions.append(version)
    for name, content in plan["own"].items():
        with open(name) as f:
            if f.read() != content:
                raise AssertionError("%s: %s is not what it was" % (where, name))
    for name, either in (plan["boots"] or {}).items():
        with open(name) as f:
            if f.read() not in either:
                raise AssertionError("%s: %s is neither the old nor the new one" % (where, name))
    return versions


def ends(where):
    """Starts a board until it is at its prompt: the new versions run then, and what recovers the board is of the new updater."""
    flash.boot()
    got = whole(where)
    if got != plan["end"]:
        raise AssertionError("%s: got %r, want %r" % (where, got, plan["end"]))
    for name, either in (plan["boots"] or {}).items():
        with open(name) as f:
            if f.read() != either[-1]:
                raise AssertionError("%s: %s is not the new one" % (where, name))


def recovers(image, log, where):
    """Starts a board up to where the application would; both modules must be whole then."""

    def work():
        if flash.start(("boot.py",)) != 0:
            raise AssertionError(where + ": it does not boot")
        return whole(where)

    return flash.use(flash.Flash(image, log), work)


base = flash.new()


def fill():
    for name, content in plan["files"].items():
        flash.put(name, content.encode())


flash.use(flash.Flash(base), fill)
log, after = [], bytearray(base)
flash.use(flash.Flash(after, log), lambda: ends("without a cut"))
print("operations", len(log))
seen = set()
every = max(1, len(log) // share) if share else 1
for n in range(len(log) + 1):
    gc.collect()
    image, again = bytearray(base), []
    seen.add(" ".join(recovers(image, again, "cut before operation %d" % n)))
    cuts += 1
    if n % every == 0:
        cut = bytearray(base)
        for m in range(len(again)):
            recovers(bytearray(cut), None, "cut before operation %d, and operation %d of the recovery" % (n, m))
            recovery_cuts += 1
            flash.replay(cut, again[m])
        # And the next starts bring it to its end.
        flash.use(flash.Flash(image), lambda: ends("after a cut before operation %d" % n))
        went_on += 1
    if n < len(log):
        flash.replay(base, log[n])
print("states", sorted(seen))
print("cuts", cuts, "of the recovery", recovery_cuts, "went on", went_on)
