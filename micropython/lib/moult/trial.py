"""The end of a trial: a version is kept, or the board goes back to the one before."""

import os

import moult_boot as boot


def confirm(core, name):
    """Keeps the version that is on trial, once it was started: until then it is the old one that speaks. It is no error where none is."""
    m = core.module(name)
    state = boot.load(name)
    if state.get("step") == "trial" and state.get("starts"):
        text = "%s is confirmed" % state["to"]
        from moult_journal import record

        core.tell(record(name, state, "confirmed", version=state["to"], text=text, **{"from": state.get("from", "")}))
        state["step"] = ""
        boot.save(name, state)
    if not state.get("step") and core.is_own(m):
        renew(m["main"])


def roll_back(core, name, reason):
    """Returns to the version before; it runs after a restart."""
    import moult_slots

    m = core.module(name)
    state = boot.load(name)
    state.setdefault("main", m["main"])
    state.setdefault("keep", m["keep"])
    core.tell(moult_slots.begin_roll_back(name, state, reason))


def renew(main):
    """Puts the confirmed updater's recovery beside boot.py, each file by a rename: the old or the new one is there, whole. One that is
    frozen, or was installed elsewhere, stays."""
    for name in ("moult_alarm", "moult_journal", "moult_slots", "moult_boot"):
        for old, new in ((".py", ".mpy"), (".mpy", ".py")):
            source = "%s/%s%s" % (main, name, new)
            if boot.kind(source) != "file" or not (boot.kind(name + new) or boot.kind(name + old)):
                continue
            if not same(source, name + new):
                with open(source, "rb") as r, open("moult.tmp", "wb") as w:
                    part = r.read(256)
                    while part:
                        w.write(part)
                        part = r.read(256)
                os.rename("moult.tmp", name + new)
            boot.remove_tree(name + old)


def same(a, b):
    """Reports whether two files have the same bytes."""
    if boot.kind(b) != "file" or os.stat(a)[6] != os.stat(b)[6]:
        return False
    with open(a, "rb") as x, open(b, "rb") as y:
        while True:
            part = x.read(256)
            if part != y.read(256):
                return False
            if not part:
                return True
