"""Stands in for a board's machine: a reset ends the process with status 3, deep sleep with status 4."""

import os
import sys

from standin import record, setting

PWRON_RESET, WDT_RESET, SOFT_RESET, DEEPSLEEP_RESET = 1, 3, 5, 4


def reset_cause():
    return int(os.getenv("BOARD_CAUSE") or PWRON_RESET)


def reset():
    record(machine="reset")
    sys.exit(3)


def deepsleep(ms):
    record(machine="deepsleep", ms=ms)
    sys.exit(4)


class Pin:
    OUT = 1

    def __init__(self, number, mode=None):
        if not isinstance(number, int):
            raise ValueError("bad pin")
        self.number = number

    def value(self, on):
        record(pin=self.number, value=on)


class Timer:
    ONE_SHOT = 0
    started = []

    def __init__(self, number):
        if number == -1 and setting("no_virtual_timer"):
            raise ValueError("invalid Timer number")

    def init(self, mode, period, callback):
        record(timer=period)
        Timer.started.append(callback)


def fire():
    """The time of all timers is over."""
    started, Timer.started = Timer.started, []  # a callback may start another
    for callback in started:
        callback(None)


class WDT:
    fed = 0

    def __init__(self, timeout):
        record(wdt=timeout)

    def feed(self):
        WDT.fed += 1


class RTC:
    def memory(self, data=None):
        name = os.getenv("BOARD_CALLS") + ".rtc"
        if data is None:
            try:
                with open(name, "rb") as f:
                    return f.read()
            except OSError:
                return b""
        with open(name, "wb") as f:
            f.write(data)
