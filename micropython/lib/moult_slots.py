"""The slots of a module, and the steps that a power cut can fall between: see moult_boot."""

import json
import os

import moult_boot
from micropython import const
from moult_boot import Error, kind, makedirs, now, parent, places, remove_tree, room, save, version, write
from moult_journal import record

_REASON = const(500)  # characters


class NothingToGoBackTo(Error):
    """There is no version before."""


class Slots:
    """main/ (running), next/ (being staged) and prev/ (to go back to) of one module. Every change may be cut and repeated."""

    def __init__(self, state):
        self.main, self.keep = state["main"], state.get("keep", ())
        self.next, self.prev = places(self.main)

    def lists(self, slot, path, below=False):
        """Reports whether a slot's manifest has a file, or one below a folder. It is read a line at a time."""
        quoted = json.dumps(path).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")  # the form that a manifest has
        start = ('{"path":' + quoted[:-1] + ("/" if below else '",')).encode()
        if kind(slot + "/.manifest") == "file":
            with open(slot + "/.manifest", "rb") as f:
                for line in f:
                    if line.startswith(start):
                        return True
        return False

    def switch(self, to):
        """Makes next main, and main prev:

        main   next   prev   it was cut
        old    new    any    before the switch: carry what is the device's own, write .version, drop prev, rename twice
        -      new    old    between the two renames: next becomes main
        new    -      old    after all of it"""
        main, next = version(self.main), version(self.next)
        if next is None:
            if main == to:
                return
            raise Error("%s is gone" % self.next)
        if not (main is None and next == to):
            if kind(self.next + "/.manifest") != "file" and next != to:
                raise Error("%s is not whole: got no .manifest in it" % self.next)
            if main is not None:
                self._carry(self.main, self.next, False)
            write(self.next + "/.version", to)
            remove_tree(self.prev)
            if main is not None:
                os.rename(self.main, self.prev)
        makedirs(parent(self.main))
        os.rename(self.next, self.main)

    def roll_back(self, to):
        """Makes prev main again, and drops what was main:

        main   next   prev   it was cut
        bad    any    old    before: carry what is the device's own, rename twice, drop next
        -      bad    old    between the two renames: prev becomes main, drop next
        old    bad    -      before all of it was dropped"""
        main, prev = version(self.main), version(self.prev)
        if prev is None:
            if main is None or main != to:
                raise NothingToGoBackTo("nothing to go back to")
        else:
            if main is not None:
                self._carry(self.main, self.prev, True)
                remove_tree(self.next)
                os.rename(self.main, self.next)
            os.rename(self.prev, self.main)
        remove_tree(self.next)

    def _carry(self, old, new, move, folder=""):
        """Brings the device's own files along: those that no release put there, and those to keep. On the way back they
        are moved, as what they are moved out of is dropped, and a flash that a bad version filled has no room for more."""
        known = kind(old + "/.manifest") == "file"
        entries = os.listdir(old + "/" + folder if folder else old)
        if not entries and folder and not self.lists(new, folder, True):
            makedirs(new + "/" + self._free(folder, old, new, move))
        for name in entries:
            path = folder + "/" + name if folder else name
            if path in (".version", ".manifest", ".version.new") or name == ".carry":
                continue
            if kind(old + "/" + path) == "dir":
                self._carry(old, new, move, path)
                continue
            keep = any(matches(pattern, path) for pattern in self.keep)
            if not keep and self.lists(old if known else new, path):
                continue
            to = new + "/" + (path if keep else self._free(path, old, new, move))
            makedirs(parent(to))
            if kind(to) == "dir":
                remove_tree(to)
            if move:
                os.rename(old + "/" + path, to)
            else:
                room(os.stat(old + "/" + path)[6])
                beside = (parent(to) or ".") + "/.carry"
                with open(old + "/" + path, "rb") as r, open(beside, "wb") as w:
                    part = r.read(512)
                    while part:
                        w.write(part)
                        part = r.read(512)
                        if moult_boot.feed:
                            moult_boot.feed()
                os.rename(beside, to)  # until now the release's file of that name stands there: never neither

    def _free(self, path, old, new, move):
        """Returns the name for one of the device's own files or folders: NAME.local where the release has one of its name."""
        parts = path.split("/")
        for i in range(len(parts)):
            prefix = "/".join(parts[: i + 1])
            if self.lists(new, prefix) or i == len(parts) - 1 and self.lists(new, prefix, True):
                n, name = 1, prefix + ".local"
                while self.lists(new, name) or self.lists(new, name, True) or kind(old + "/" + name) or move and kind(new + "/" + name):
                    n += 1
                    name = "%s.local%d" % (prefix, n)
                return "/".join([name] + parts[i + 1 :])
        return path


def matches(pattern, path):
    """Reports whether a pattern of keep matches: * and ? within a part, [a-z] and [^a-z], ** for any number of parts. One without
    any of these names a file, or a folder with all below it."""
    below = pattern.endswith("/")
    pattern = pattern.rstrip("/")
    if not ("*" in pattern or "?" in pattern or "[" in pattern):
        return path == pattern or path.startswith(pattern + "/")
    parts = pattern.split("/")
    if below or parts[-1] == "**":
        parts += ["**", "*"]  # at least one part below
    return _match(parts, path.split("/"), True)


def _match(pattern, text, parts=False):
    """Matches a list of parts, or the characters of one part. It goes back to the last star only."""
    many = "**" if parts else "*"
    p = n = start = 0
    star = -1
    while n < len(text):
        width = 1
        if p < len(pattern):
            if pattern[p] == many:
                star, start, p = p, n, p + 1
                continue
            if parts:
                good = _match(pattern[p], text[n])
            elif pattern[p] == "[":
                width = pattern.find("]", p + 2) + 1 - p
                good = width > 0 and _in_set(pattern[p + 1 : p + width - 1], text[n])
            else:
                good = pattern[p] in ("?", text[n])
            if good:
                p, n = p + width, n + 1
                continue
        if star < 0:
            return False
        start += 1
        p, n = star + 1, start
    while p < len(pattern) and pattern[p] == many:
        p += 1
    return p == len(pattern)


def _in_set(chars, c):
    no = chars[0] == "^"
    i = 1 if no else 0
    found = False
    while i < len(chars):
        last = chars[i + 2] if chars[i + 1 : i + 2] == "-" and i + 2 < len(chars) else chars[i]
        found = found or chars[i] <= c <= last
        i += 3 if last is not chars[i] and chars[i + 1 : i + 2] == "-" else 1
    return found != no


# The steps of an update that a cut can fall between


def drop(module, state):
    """Gives up what was fetched. The journal first says that next is not to be used."""
    if state.get("step") != "fetching":
        state["step"] = "fetching"
        save(module, state)
    remove_tree(places(state["main"])[0])
    end(module, state)


def end(module, state):
    """The module is at rest."""
    state["step"] = ""
    save(module, state)


def finish_switch(module, state, fields=None):
    """Makes what is staged main. It is where a cut update is taken up again, too. Returns the event."""
    state["step"] = "switching"
    save(module, state)
    Slots(state).switch(state["to"])
    old, new, judged = state.get("from"), state["to"], state.get("limit")
    text = "updated from %s to %s" % (old, new) if old else "%s is installed" % new
    event = record(
        module, state, "switched" if judged else "updated", version=new, text=text + (", on trial" if judged else ""), **(fields or {"from": old or ""})
    )
    state["step"], state["starts"] = ("trial" if judged else ""), 0
    state["rejected"] = [v for v in state.get("rejected", ()) if v != new]
    state.pop("failure", None)
    state.pop("reason", None)
    if judged:
        state["since"] = now()
    save(module, state)
    return event


def begin_roll_back(module, state, reason):
    """Returns to the version before, for a reason. Where there is none, NothingToGoBackTo; a trial then ends."""
    slots = Slots(state)
    prev, trial = version(slots.prev), state.get("step") == "trial"
    if prev is None:
        if trial:
            text = "%s failed its trial and stays, as there is nothing to go back to: %s" % (state["to"], reason)
            record(module, state, "failed", version=state["to"], text=text, reason=reason)
            end(module, state)
        raise NothingToGoBackTo("%s: nothing to go back to" % module)
    state["attempt"] = state.get("attempt", 0) + 1
    state["from"], state["to"] = version(slots.main) or (state["to"] if trial else ""), prev
    state["step"], state["since"], state["reason"] = "rolling-back", now(), str(reason)[:_REASON]
    save(module, state)
    return finish_roll_back(module, state)


def finish_roll_back(module, state):
    """Goes the way back to its end. It is where a cut roll back is taken up again, too. Returns the event."""
    bad, good, reason = state.get("from", ""), state.get("to", ""), state.pop("reason", "")
    Slots(state).roll_back(good)
    text = "rolled back from %s to %s: %s" % (bad, good or "what was there before", reason)
    event = record(module, state, "rolled-back", version=good, text=text, reason=reason, **{"from": bad})
    state["step"], state["back"] = "", True  # for the LEDs to show
    if bad and bad != good:
        state["rejected"] = ([v for v in state.get("rejected", ()) if v != bad] + [bad])[-16:]
    save(module, state)
    return event


def recover(module, state):
    """Finishes or undoes what a cut left. It needs no network."""
    step = state.get("step")
    if step == "fetching":
        drop(module, state)
    elif step in ("staged", "switching"):
        slots = Slots(state)
        if kind(slots.next) is None and version(slots.main) != state["to"]:
            end(module, state)  # somebody removed what was staged: main is as it was
        else:
            finish_switch(module, state)
    elif step == "rolling-back":
        try:
            finish_roll_back(module, state)
        except NothingToGoBackTo:
            end(module, state)  # somebody removed prev: what is main stays
