"""What a board does before any module's code runs, and the few words about its flash that all of moult uses.

Everything rests on two promises of littlefs: a rename is whole or not there, and a closed file stays. So a state is a file replaced by
rename, and a switch is two renames. This file, moult_alarm, moult_journal and moult_slots stand outside the slots and import nothing of the package, which
uses them as well: boot.py imports the copies at the root, the package those that it came with. Each is replaced by rename, one after
the other, so that each must work with the others' neighbouring versions: what they import of each other stays.
Paths are relative to the root, which is the current directory at a board's start."""

import json
import os
import time

from micropython import const

feed = None  # a watchdog's, which is fed while large files are carried over
_RESERVE = const(16384)  # bytes left free: room for the journal, and for the application to go on


class Error(Exception):
    """What went wrong in plain words; hint says what a person can do; transient, that it may pass by itself."""

    transient = False

    def __init__(self, text, hint=""):
        super().__init__(text)
        self.hint = hint


# Files


def kind(path):
    """Returns "file", "dir", or None where nothing is."""
    try:
        return "dir" if os.stat(path)[0] & 0x4000 else "file"
    except OSError:
        pass


def read(path):
    """Returns a small file's text, "" where there is none or it is no text."""
    try:
        with open(path) as f:
            return f.read()
    except (OSError, UnicodeError):
        return ""


def write(path, text):
    """Replaces a file wholly or not at all."""
    makedirs(parent(path))
    with open(path + ".new", "w") as f:
        f.write(text)
    os.rename(path + ".new", path)


def remove_tree(path):
    """Removes a file, or a folder with all in it; that there is none is no error. What says that a slot is whole goes first."""
    if kind(path) == "dir":
        remove_tree(path + "/.version")
        while True:  # a listing is not to be trusted while names are removed
            names = os.listdir(path)
            if not names:
                break
            for name in names:
                remove_tree(path + "/" + name)
        os.rmdir(path)
    elif kind(path):
        os.remove(path)


def makedirs(path):
    """Makes a folder with those above it. A file in the way gives way."""
    if path and kind(path) != "dir":
        makedirs(parent(path))
        remove_tree(path)
        os.mkdir(path)


def parent(path):
    return path.rpartition("/")[0]


def room(size):
    """Refuses to write what the flash cannot hold."""
    s = os.statvfs(os.getcwd())
    free = s[0] * s[3]
    if size + _RESERVE > free:
        raise Error("flash full: got %d bytes free, want %d and %d to spare" % (free, size, _RESERVE), "make room; the running version is untouched")


def version(slot):
    """Returns a slot's version, "" where it is not said, None where there is no slot."""
    if kind(slot) == "dir":
        return read(slot + "/.version").strip()


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
    try:
        state = json.loads(read(".moult/state/%s.json" % module))
    except ValueError:
        state = {}
    return state if isinstance(state, dict) else {}


def save(module, state):
    write(".moult/state/%s.json" % module, json.dumps(state))


def modules():
    """Returns the names of the modules that have a state."""
    try:
        return [name[:-5] for name in os.listdir(".moult/state") if name.endswith(".json")]
    except OSError:
        return []


def start(updater="moult", alarm=True, watchdog=None):
    """Call it first in boot.py: recovers every module, counts the starts of a trial, and goes back where they are used up.
    updater names the module that has the package in it, if one does: it is put on the path. alarm says whether the board is to be
    reset where a trial is not confirmed in time; watchdog is called while much is copied. It never raises."""
    global feed
    import sys

    feed = watchdog
    try:
        for module in modules():
            if load(module).get("step"):
                from moult_alarm import start

                start(alarm)
                break
    except Exception as e:  # whatever it is, the board must boot
        try:
            from moult_journal import record

            record("moult_boot", {"since": now()}, "failed", text="start: %s" % e)
        except Exception:
            sys.print_exception(e)
    main = updater + "/main"
    if kind(main) == "dir" and main not in sys.path:
        sys.path.insert(0, main)
        sys.modules.pop("moult_boot", None)  # the package has its own, of its own version
    sys.modules.pop("moult_slots", None)
    sys.modules.pop("moult_journal", None)
