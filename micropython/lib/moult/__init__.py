"""moult updates a board's modules from their releases. boot.py calls moult_boot.start(); main.py:

    import moult
    moult.run()         # network, check, update; it never raises, and after an update the board restarts
    import application

Nothing is done at import. Parts that are not used may be left out: github with direct and archive (direct updates), repository and what it
loads (signed ones), leds, wifi, mqtt. The other verbs are in moult.verbs."""

feed = None  # a watchdog's feed; called while moult works
listener = print  # called with each event, a dict
_commands = {}
_agent = None
working = False  # while a program waits for moult


def __getattr__(name):
    """Loads a verb, or a part, when it is first used."""
    import sys

    verb = name in ("start", "failed", "check", "update", "trust", "confirm", "rollback", "watch", "poll")
    part = "moult." + ("verbs" if verb else name)
    if name[0] == "_":
        raise AttributeError(name)
    __import__(part)
    part = sys.modules[part]
    return getattr(part, name) if verb else part


def forget(*names):
    """Gives back the memory of parts that are not needed for now; they are loaded again when they are."""
    import gc
    import sys

    package = sys.modules["moult"]
    for name in names:
        sys.modules.pop(name if name[:6] == "moult_" else "moult." + name, None)
        if name in package.__dict__:
            delattr(package, name)
    gc.collect()


def board():
    """The board's Agent, made at the first use."""
    global _agent
    if _agent is None:
        from moult.agent import Agent

        _agent = Agent(feed, listener, _commands)
    return _agent


def drive(work):
    """Runs a generator to its end, and returns what it returns; with the heap swept often, so that it stays in large pieces: moult works
    with half of the memory. Without work it is the first round of the board."""
    global working
    import gc
    import time

    before, working = gc.threshold(), True
    gc.threshold((gc.mem_alloc() + gc.mem_free()) // 16)
    try:
        work = work or board().first()
        while True:
            ms = next(work)
            while ms > 0:
                time.sleep_ms(min(ms, 500))
                ms -= 500
                if feed:
                    feed()
    except StopIteration as e:
        return e.value
    finally:
        working = False
        gc.threshold(before)


def run():
    """The first round: network, clock, check, update. It returns whether it went well, and never raises: whatever is wrong is an event."""
    try:
        return drive(None)
    except Exception as e:
        from moult.verbs import told

        told(e)
        return False


def command(name):
    """Registers a command of the application: @moult.command("temperature"). Its result is the answer; it gets the command's words."""

    def register(function):
        _commands[name] = function
        return function

    return register
