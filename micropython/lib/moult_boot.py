"""What a board does before any module's code runs: it finishes or undoes what a power cut left, and goes back from a bad version.

Everything here rests on two promises of littlefs: a rename is whole or not there, and a closed file stays. So a state is a file
replaced by rename, and a switch is two renames. This file stands outside the slots and imports nothing of the package, which
uses it as well: boot.py imports the copy at the root, the package the one that it came with.
Paths are relative to the root, which is the current directory at a board's start."""

import json
import os
import time

STATE = ".moult/state"
HISTORY = ".moult/history"
_HISTORY = 4096  # bytes of a half of the history: what a small flash can spare, and a small heap can scan
_RESERVE = 16384  # bytes left free: room for the journal, and for the application to go on
_TEXT = 500  # characters of an event's text


class Error(Exception):
    """What went wrong in plain words; hint says what a person can do; transient, that it may pass by itself."""

    transient = False

    def __init__(self, text, hint=""):
        super().__init__(text)
        self.hint = hint


class NothingToGoBackTo(Error):
    """There is no version before."""


# Files


def kind(path):
    """Returns "file", "dir", or None where nothing is."""
    try:
        mode = os.stat(path)[0]
    except OSError:
        return None
    return "dir" if mode & 0x4000 else "file"


def read(path):
    """Returns a small file's text, None where there is none or it is no text."""
    try:
        with open(path) as f:
            return f.read()
    except (OSError, UnicodeError):
        return None


def write(path, text):
    """Replaces a file wholly or not at all."""
    makedirs(parent(path))
    with open(path + ".new", "w") as f:
        f.write(text)
    os.rename(path + ".new", path)


def remove(path):
    """Removes a file; that there is none is no error."""
    if kind(path):
        os.remove(path)


def remove_tree(path):
    """Removes a file, or a folder with all in it. What says that a slot is whole goes first."""
    what = kind(path)
    if what == "dir":
        remove(path + "/.version")
        while True:  # a listing is not to be trusted while names are removed
            names = os.listdir(path)
            if not names:
                break
            for name in names:
                remove_tree(path + "/" + name)
        os.rmdir(path)
    elif what:
        os.remove(path)


def makedirs(path):
    """Makes a folder with those above it. A file in the way gives way."""
    if not path or kind(path) == "dir":
        return
    makedirs(parent(path))
    remove(path)
    os.mkdir(path)


def parent(path):
    return path[: path.rfind("/")] if "/" in path else ""


def room(size):
    """Refuses to write what the flash cannot hold."""
    s = os.statvfs(os.getcwd())
    free = s[0] * s[3]
    if size + _RESERVE > free:
        raise Error("flash full: got %d bytes free, want %d and %d to spare" % (free, size, _RESERVE), "make room; the running version is untouched")


# The journal


def now():
    """The time in UTC, as events have it."""
    return "%04d-%02d-%02dT%02d:%02d:%02dZ" % time.gmtime()[:6]


def load(module):
    """Returns the state of a module, which one that is unreadable is as if idle."""
    text = read("%s/%s.json" % (STATE, module))
    try:
        state = json.loads(text) if text else {}
    except ValueError:
        state = {}
    return state if isinstance(state, dict) else {}


def save(module, state):
    write("%s/%s.json" % (STATE, module), json.dumps(state))


def lines(name):
    """Yields the lines of a file; none where there is none."""
    if kind(name) == "file":
        with open(name, "rb") as f:
            for line in f:
                yield line


def events(after=0):
    """Yields the events of the history, numbered above after. Lines that a cut left half are passed over."""
    for half in ("-1.jsonl", ".jsonl"):
        for line in lines(HISTORY + half):
            try:
                event = json.loads(line)
                if event["seq"] > after:
                    yield event
            except (ValueError, KeyError, TypeError):
                pass


def record(module, state, event, **fields):
    """Writes an event into the history and returns it; told again under its id, it is the same one. Before the state that
    makes it true is saved: cut between the two, it is recorded again."""
    fields["event"], fields["time"], fields["module"] = event, now(), module
    fields["id"] = "%s-%d-%s-%s" % (module, state.get("attempt", 0), state.get("since", ""), event)
    for key in ("text", "reason"):
        if key in fields:
            fields[key] = str(fields[key])[:_TEXT]
    try:
        last = 0
        for known in events():
            last = known["seq"]
            if known.get("id") == fields["id"] and event != "failed":
                return known
        fields["seq"] = max(last, int(read(".moult/sent") or 0)) + 1
        if event == "failed":  # one attempt can fail in several ways
            fields["id"] += "-%d" % fields["seq"]
        makedirs(".moult")
        now_file = HISTORY + ".jsonl"
        if kind(now_file) and os.stat(now_file)[6] > _HISTORY:
            os.rename(now_file, HISTORY + "-1.jsonl")
        with open(now_file, "ab") as f:
            f.write(b"\n" + json.dumps(fields).encode() + b"\n")  # the line before may have been cut
    except (OSError, ValueError) as e:  # what happened is true all the same
        fields.pop("id", None)
        fields["text"] = "%s (not in the history: %s)" % (fields.get("text", ""), e)
    return fields


# The slots


class Slots:
    """main/ (running), next/ (being staged) and prev/ (to go back to) of one module. Every change may be cut and repeated."""

    def __init__(self, main, keep=()):
        base = main[: main.rfind("/") + 1]
        self.main, self.next, self.prev, self.keep = main, base + "next", base + "prev", keep

    def version(self, slot):
        """Returns a slot's version, "" where it is not said, None where there is no slot."""
        if kind(slot) != "dir":
            return None
        return (read(slot + "/.version") or "").strip()

    def lists(self, slot, path, below=False):
        """Reports whether a slot's manifest has a file, or one below a folder. It is read a line at a time."""
        start = ('{"path":' + json.dumps(path)[:-1] + ("/" if below else '",')).encode()
        for line in lines(slot + "/.manifest"):
            if line.startswith(start):
                return True
        return False

    def kept(self, path):
        """Reports whether a pattern of keep matches a path."""
        for pattern in self.keep:
            if matches(pattern, path):
                return True
        return False

    def switch(self, version):
        """Makes next main, and main prev:

        main   next   prev   it was cut
        old    new    any    before the switch: carry what is the device's own, write .version, drop prev, rename twice
        -      new    old    between the two renames: next becomes main
        new    -      old    after all of it"""
        main, next = self.version(self.main), self.version(self.next)
        if next is None:
            if main == version:
                return
            raise Error("%s is gone" % self.next)
        if not (main is None and next == version):
            if kind(self.next + "/.manifest") != "file" and next != version:
                raise Error("%s is not whole: got no .manifest in it" % self.next)
            if main is not None:
                self._carry(self.main, self.next, False)
            write(self.next + "/.version", version)
            remove_tree(self.prev)
            if main is not None:
                os.rename(self.main, self.prev)
        makedirs(parent(self.main))
        os.rename(self.next, self.main)

    def roll_back(self, version):
        """Makes prev main again, and drops what was main:

        main   next   prev   it was cut
        bad    any    old    before: carry what is the device's own, rename twice, drop next
        -      bad    old    between the two renames: prev becomes main, drop next
        old    bad    -      before all of it was dropped"""
        main, prev = self.version(self.main), self.version(self.prev)
        if prev is None:
            if main is None or main != version or kind(self.next) is None:
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
            keep = self.kept(path)
            if not keep and self.lists(old if known else new, path):
                continue
            to = new + "/" + (path if keep else self._free(path, old, new, move))
            makedirs(parent(to))
            if kind(to) == "dir":
                remove_tree(to)
            if move:
                os.rename(old + "/" + path, to)
            else:
                _copy(old + "/" + path, to)

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


def _copy(old, new):
    room(os.stat(old)[6])
    beside = (parent(new) or ".") + "/.carry"
    buffer = bytearray(512)
    with open(old, "rb") as r, open(beside, "wb") as w:
        while True:
            n = r.readinto(buffer)
            if not n:
                break
            w.write(memoryview(buffer)[:n])
    os.rename(beside, new)  # until now the release's file of that name stands there: never neither


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


def finish_switch(module, state, fields=None):
    """Makes what is staged main. It is where a cut update is taken up again, too. Returns the event."""
    state["step"] = "switching"
    save(module, state)
    slots = Slots(state["main"], state.get("keep", ()))
    slots.switch(state["to"])
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
    slots = Slots(state["main"], state.get("keep", ()))
    prev, trial = slots.version(slots.prev), state.get("step") == "trial"
    if prev is None:
        if trial:
            text = "%s failed its trial and stays, as there is nothing to go back to: %s" % (state["to"], reason)
            record(module, state, "failed", version=state["to"], text=text, reason=reason)
            state["step"] = ""
            save(module, state)
        raise NothingToGoBackTo("%s: nothing to go back to" % module)
    state["attempt"] = state.get("attempt", 0) + 1
    state["from"], state["to"] = slots.version(slots.main) or (state["to"] if trial else ""), prev
    state["step"], state["since"], state["reason"] = "rolling-back", now(), str(reason)[:_TEXT]
    save(module, state)
    return finish_roll_back(module, state)


def finish_roll_back(module, state):
    """Goes the way back to its end. It is where a cut roll back is taken up again, too. Returns the event."""
    bad, good, reason = state.get("from", ""), state.get("to", ""), state.pop("reason", "")
    Slots(state["main"], state.get("keep", ())).roll_back(good)
    text = "rolled back from %s to %s: %s" % (bad, good or "what was there before", reason)
    event = record(module, state, "rolled-back", version=good, text=text, reason=reason, **{"from": bad})
    state["step"] = ""
    if bad and bad != good:
        state["rejected"] = ([v for v in state.get("rejected", ()) if v != bad] + [bad])[-16:]
    save(module, state)
    return event


def drop(module, state):
    """Gives up what was fetched. The journal first says that next is not to be used."""
    if state.get("step") != "fetching":
        state["step"] = "fetching"
        save(module, state)
    remove_tree(Slots(state["main"]).next)
    state["step"] = ""
    save(module, state)


def recover(module, state):
    """Finishes or undoes what a cut left. It needs no network."""
    step = state.get("step")
    if step == "fetching":
        drop(module, state)
    elif step in ("staged", "switching"):
        slots = Slots(state["main"])
        if kind(slots.next) is None and slots.version(slots.main) != state["to"]:
            state["step"] = ""  # somebody removed what was staged: main is as it was
            save(module, state)
        else:
            finish_switch(module, state)
    elif step == "rolling-back":
        try:
            finish_roll_back(module, state)
        except NothingToGoBackTo:  # somebody removed prev: what is main stays
            state["step"] = ""
            save(module, state)


def modules():
    """Returns the names of the modules that have a state."""
    if kind(STATE) != "dir":
        return []
    return [name[:-5] for name in os.listdir(STATE) if name.endswith(".json")]


def start(updater="moult", alarm=True):
    """Call it first in boot.py: recovers every module, counts the starts of a trial, and goes back where they are used up.
    updater names the module that has the package in it, if one does: it is put on the path. It never raises."""
    within = 0
    for module in modules():
        try:
            state = load(module)
            recover(module, state)
            if state.get("step") == "trial":
                state["starts"] = state.get("starts", 0) + 1
                save(module, state)
                if state["starts"] > state["limit"]:
                    begin_roll_back(module, state, state.get("reason") or "it was started %d times and nothing confirmed it" % state["limit"])
                else:
                    within = min(within or state["within"], state["within"])
        except Exception as e:  # whatever it is, the board must boot
            record(module, {"since": now()}, "failed", text="recover %s: %s" % (module, e))
    import sys

    main = updater + "/main"
    if kind(main) == "dir" and main not in sys.path:
        sys.path.insert(0, main)
        sys.modules.pop("moult_boot", None)  # the package has its own, of its own version
    if within and alarm:
        set_alarm(within)


def set_alarm(seconds):
    """Resets the board after some seconds if a trial is still not confirmed, also where the new version came back to the prompt or
    hangs in Python. What hangs below Python is for the watchdog."""
    from machine import Timer

    for number in (-1, 3, 0):  # which are virtual, or there at all, differs by port
        try:
            Timer(number).init(mode=Timer.ONE_SHOT, period=seconds * 1000, callback=lambda _: late())
            return
        except (ValueError, OSError, TypeError):
            pass


def late():
    """Ends the trials that are still on, and resets the board: the next start goes back."""
    over = False
    for module in modules():
        state = load(module)
        if state.get("step") == "trial":
            over = True
            state["starts"] = state["limit"]
            state["reason"] = "it did not confirm itself within %ds" % state["within"]
            save(module, state)
    if over:
        from machine import reset

        reset()
