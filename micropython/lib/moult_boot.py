"""What a board does before any module's code runs: it finishes or undoes what a power cut left, and goes back from a bad version.

Everything rests on two promises of littlefs: a rename is whole or not there, and a closed file stays. So a state is a file replaced by
rename, and a switch is two renames. This file and moult_slots.py stand outside the slots and import nothing of the package, which
uses them as well: boot.py imports the copies at the root, the package those that it came with. Each is replaced by rename, one after
the other, so that either must work with the other's neighbouring version: what moult_boot calls there is recover and begin_roll_back.
Paths are relative to the root, which is the current directory at a board's start."""

import json
import os
import time

STATE = ".moult/state"
HISTORY = ".moult/history"
_HISTORY = 4096  # bytes of a half of the history: what a small flash can spare, and a small heap can scan
_RESERVE = 16384  # bytes left free: room for the journal, and for the application to go on
TEXT = 500  # characters of an event's text


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


def version(slot):
    """Returns a slot's version, "" where it is not said, None where there is no slot."""
    if kind(slot) != "dir":
        return None
    return (read(slot + "/.version") or "").strip()


def places(main):
    """Returns where a module's next and prev stand, beside its main."""
    base = main[: main.rfind("/") + 1]
    return base + "next", base + "prev"


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
            fields[key] = str(fields[key])[:TEXT]
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


def drop(module, state):
    """Gives up what was fetched. The journal first says that next is not to be used."""
    if state.get("step") != "fetching":
        state["step"] = "fetching"
        save(module, state)
    remove_tree(places(state["main"])[0])
    state["step"] = ""
    save(module, state)


def modules():
    """Returns the names of the modules that have a state."""
    try:
        return [name[:-5] for name in os.listdir(STATE) if name.endswith(".json")]
    except OSError:
        return []


def start(updater="moult", alarm=True):
    """Call it first in boot.py: recovers every module, counts the starts of a trial, and goes back where they are used up.
    updater names the module that has the package in it, if one does: it is put on the path. It never raises."""
    within = 0
    for module in modules():
        try:
            state = load(module)
            if state.get("step") not in (None, "", "trial"):
                import moult_slots

                moult_slots.recover(module, state)
            if state.get("step") == "trial":
                state["starts"] = state.get("starts", 0) + 1
                save(module, state)
                if state["starts"] > state["limit"]:
                    import moult_slots

                    moult_slots.begin_roll_back(module, state, state.get("reason") or "it was started %d times and nothing confirmed it" % state["limit"])
                else:
                    within = min(within or state["within"], state["within"])
        except Exception as e:  # whatever it is, the board must boot
            record(module, {"since": now()}, "failed", text="recover %s: %s" % (module, e))
    import sys

    main = updater + "/main"
    if kind(main) == "dir" and main not in sys.path:
        sys.path.insert(0, main)
        sys.modules.pop("moult_boot", None)  # the package has its own, of its own version
    sys.modules.pop("moult_slots", None)
    if within and alarm:
        try:
            set_alarm(within)
        except Exception as e:  # as where a port has no timer: the starts are counted all the same
            record("moult_boot", {"since": now()}, "failed", text="alarm: %s" % e)


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
