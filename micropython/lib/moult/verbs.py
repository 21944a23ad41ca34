"""What a program may ask of moult beside run and command: import moult; moult.check()."""

import time

import moult
import moult_boot as boot
from moult import board, drive, forget

_work = _due = None


def told(e):
    """Makes an event of what nothing else could."""
    try:
        from moult_journal import explain, record

        event = record("moult", {"since": boot.now()}, "failed", text=explain(e))
        if moult.listener:
            moult.listener(event)
    except Exception:
        pass


def start(module, function=None):
    """Imports the application and calls a function of it. Where it fails on trial, the board goes back to the version before."""
    try:
        __import__(module)
        import sys

        return getattr(sys.modules[module], function)() if function else None
    except Exception as e:
        failed(e, module.split("/")[0].split(".")[0])
        raise


def failed(error, name=None):
    """Tells that the application failed. What is on trial goes back, and the board restarts."""
    from moult.trial import roll_back
    from moult_journal import explain
    from moult_slots import NothingToGoBackTo

    a = board()
    back = False
    for module in boot.modules():
        if boot.load(module).get("step") != "trial" or module not in a.core.modules:
            continue
        if a.core.is_own(a.core.modules[module]) and name != module:
            continue  # the updater is judged by its own round
        try:
            roll_back(a.core, module, "it failed: " + explain(error))
            back = True
        except NothingToGoBackTo:
            pass
    if back:
        drive(a.restart("to run the version before"))
    elif name:
        a.say("exited", explain(error), name if name in a.core.modules else "")


def check(name=None):
    """Asks whether anything is new; returns the checked event of one module, or a dict of all. Its action is nothing, install, update,
    downgrade or refuse, its text says why."""
    core = board().core
    return core.check(name) if name else {n: core.check(n) for n in core.modules}


def update(name=None, to="", bundle=""):
    """Updates one module or all, now; a version that is named is taken even where it was rolled back. bundle is a file to take a signed
    release of the module from, as one that was copied to the board. After a change the board restarts."""
    if bundle and not name:
        raise boot.Error("update: got a bundle and no module, want both")
    return drive(board().round([name] if name else None, to, bundle))


def trust(file, replace=False):
    """Makes a root the board's root of trust, as a person gave it: the repository's metadata/1.root.json, or a newer one."""
    from moult.chain import install

    install(file, replace)
    install = None
    forget("chain", "walk", "rsa", "repository", "proof", "staging", "pack", "manifest")


def confirm(name=None):
    """Keeps what is on trial: the application says that it is good."""
    from moult.trial import confirm

    core = board().core
    for n in [name] if name else list(core.modules):
        confirm(core, n)
    forget("trial", "moult_journal")


def rollback(name):
    """Returns to the version before, and restarts."""
    from moult.trial import roll_back

    a = board()
    roll_back(a.core, name, "a person asked for it")
    drive(a.restart("to run the version before"))


async def watch():
    """Looks after the board in the background of an asyncio application, for ever: rounds that are due, commands, the daily restart."""
    import asyncio
    from moult.background import forever

    work = forever(board())
    while True:
        await asyncio.sleep_ms(next(work))


def poll():
    """The same for an application without asyncio: call it often. It returns at once where nothing is to be done."""
    global _work, _due
    if _work is None:
        from moult.background import forever

        _work, _due = forever(board()), time.ticks_ms()
    if time.ticks_diff(_due, time.ticks_ms()) <= 0:
        _due = time.ticks_add(time.ticks_ms(), next(_work))
