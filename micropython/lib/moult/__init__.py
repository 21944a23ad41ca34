"""moult updates a board's modules from their releases. boot.py calls moult_boot.start(); main.py:

    import moult
    moult.run()         # network, check, update; it never raises, and after an update the board restarts
    import application

Nothing is done at import. Parts that are not used may be left out: github (direct updates), leds, wifi, mqtt."""

feed = None  # a watchdog's feed; called while moult works
listener = print  # called with each event, a dict
_commands = {}
_agent = None
_work = _due = None


def forget(*names):
    """Gives back the memory of parts that are not needed for now; they are loaded again when they are."""
    import gc
    import sys

    package = sys.modules["moult"]
    for name in names:
        sys.modules.pop(name if name == "moult_slots" else "moult." + name, None)
        if hasattr(package, name):
            delattr(package, name)
    gc.collect()


def board():
    """The board's Agent, made at the first use."""
    global _agent
    if _agent is None:
        from moult.agent import Agent

        _agent = Agent(feed, listener, _commands)
    return _agent


def _often():
    """Has the heap swept often, so that it stays in large pieces: moult works with half of the memory. Returns how it was."""
    import gc

    before = gc.threshold()
    gc.threshold((gc.mem_alloc() + gc.mem_free()) // 16)
    return before


def _drive(work):
    import gc
    from moult.core import drive

    before = _often()
    try:
        return drive(work, feed)
    finally:
        gc.threshold(before)


def run():
    """The first round: network, clock, check, update. It returns whether it went well, and never raises: whatever is wrong is an event."""
    import gc

    before = _often()  # before the first part is loaded
    try:
        return _drive(board().first())
    except Exception as e:
        _told(e)
        return False
    finally:
        gc.threshold(before)


def _told(e):
    try:
        import moult_boot
        from moult.core import explain

        event = moult_boot.record("moult", {"since": moult_boot.now()}, "failed", text=explain(e))
        if listener:
            listener(event)
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
    from moult.core import explain
    from moult.trial import roll_back

    a = board()
    back = False
    import moult_boot

    for module in moult_boot.modules():
        if moult_boot.load(module).get("step") != "trial" or module not in a.core.modules:
            continue
        if a.core.is_own(a.core.modules[module]) and name != module:
            continue  # the updater is judged by its own round
        try:
            roll_back(a.core, module, "it failed: " + explain(error))
            back = True
        except moult_boot.NothingToGoBackTo:
            pass
    if back:
        _drive(a.restart("to run the version before"))
    elif name:
        a.say("exited", explain(error), name if name in a.core.modules else "")


def check(name=None):
    """Asks whether anything is new; returns the plan of one module, or a dict of all."""
    core = board().core
    return core.check(name) if name else {n: core.check(n) for n in core.modules}


def update(name=None, to=""):
    """Updates one module or all, now; a version that is named is taken even where it was rolled back. After a change the board restarts."""
    return _drive(board().round([name] if name else None, to))


def trust(file, replace=False):
    """Makes a root the board's root of trust, as a person gave it: the repository's metadata/1.root.json, or a newer one."""
    from moult.chain import install

    install(file, replace)


def confirm(name=None):
    """Keeps what is on trial: the application says that it is good."""
    from moult import trial

    core = board().core
    for n in [name] if name else list(core.modules):
        trial.confirm(core, n)


def rollback(name):
    """Returns to the version before, and restarts."""
    from moult.trial import roll_back

    a = board()
    roll_back(a.core, name, "a person asked for it")
    _drive(a.restart("to run the version before"))


async def watch():
    """Looks after the board in the background of an asyncio application, for ever: rounds that are due, commands, the daily restart."""
    import asyncio
    from moult.watch import forever

    work = forever(board())
    while True:
        await asyncio.sleep_ms(next(work))


def poll():
    """The same for an application without asyncio: call it often. It returns at once where nothing is to be done."""
    global _work, _due
    import time

    if _work is None:
        from moult.watch import forever

        _work, _due = forever(board()), time.ticks_ms()
    if time.ticks_diff(_due, time.ticks_ms()) <= 0:
        _due = time.ticks_add(time.ticks_ms(), next(_work))


def command(name):
    """Registers a command of the application: @moult.command("temperature"). Its result is the answer; it gets the command's words."""

    def register(function):
        _commands[name] = function
        return function

    return register
