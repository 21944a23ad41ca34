"""What a start does about what was cut, and about trials: see moult_boot. Until the time of a trial is over this stays in memory, and so
loads no more than it must."""

import sys

from micropython import const
from moult_boot import load, modules, now, save

_AGAIN = const(9)  # times that a trial gets its seconds again


def start(alarm):
    """Recovers every module, and counts a start of what is on trial: alarm says whether the board is to be reset where that is not
    confirmed in time. It never raises."""
    within = 0
    for module in modules():
        try:
            state = load(module)
            if state.get("step") not in (None, "", "trial"):
                from moult_slots import recover

                recover(module, state)
            if state.get("step") == "trial":
                state["starts"] = state.get("starts", 0) + 1
                save(module, state)
                if state["starts"] > state["limit"]:
                    from moult_slots import begin_roll_back

                    begin_roll_back(module, state, state.get("reason") or "it was started %d times and nothing confirmed it" % state["limit"])
                else:
                    within = min(within or state["within"], state["within"])
        except Exception as e:
            from moult_journal import record

            record(module, {"since": now()}, "failed", text="recover %s: %s" % (module, e))
    if within and alarm:
        set_alarm(within)


def set_alarm(seconds):
    """Resets the board after some seconds if a trial is still not confirmed, also where the new version came back to the prompt or
    hangs in Python: the next start goes back. What hangs below Python is for the watchdog. While moult waits for a network the
    application cannot confirm: then it is given the time again, a bounded number of times."""
    from machine import Timer, reset

    left = _AGAIN

    def late(_):
        nonlocal left
        moult = sys.modules.get("moult")
        if left and getattr(moult, "working", False):
            left -= 1
            arm()
            return
        over = False
        for module in modules():
            state = load(module)
            if state.get("step") == "trial":
                over = True
                state["starts"], state["reason"] = state["limit"], "it did not confirm itself within %ds" % state["within"]
                save(module, state)
        if over:
            reset()

    def arm():
        for number in (-1, 3, 0):  # which are virtual, or there at all, differs by port
            try:
                Timer(number).init(mode=Timer.ONE_SHOT, period=seconds * 1000, callback=late)
                return
            except (ValueError, OSError, TypeError):
                pass

    arm()
