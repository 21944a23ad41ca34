"""What goes on beside the application: commands, rounds that are due, the daily restart; and a board's local time."""

import time


def local(agent):
    """The local time as time.gmtime gives it."""
    return time.gmtime(time.time() + agent.config["zone"])


def minute(agent):
    """The minute of the day."""
    t = local(agent)
    return t[3] * 60 + t[4]


def allowed(agent):
    """Reports whether the routine may run by itself now: in the window, which may go over midnight."""
    window = agent.config["check"].get("window")
    if not window:
        return True
    now, (a, b) = minute(agent), window
    return a <= now < b if a < b else now >= a or now < b


def forever(agent):
    """A generator of waits without end. Whoever drives it lets the application run in between."""
    restart = agent.config["check"].get("restart")
    restarted = restart is not None and minute(agent) == restart  # not twice within one minute
    while True:
        if agent.mqtt:
            yield from agent.mqtt.step()
        if agent.due is not None and time.ticks_diff(agent.due, time.ticks_ms()) <= 0 and allowed(agent):
            yield from agent.try_round()
        if restart is not None:
            if minute(agent) != restart:
                restarted = False
            elif not restarted:
                restarted = True
                yield from agent.restart("it is restarted every day at this time")
        yield 100
