"""Time that passes at once: long sleeps are written down and skipped. {"year": N} in $BOARD is where the clock begins."""

import utime
from standin import record, setting
from utime import localtime, mktime, ticks_add, ticks_cpu, ticks_diff, ticks_us

_skipped = 0
_shift = 0
_SHORT = 50  # ms that are really slept, as a broker needs some


def sleep_ms(ms):
    global _skipped
    if ms <= _SHORT:
        utime.sleep_ms(ms)
    else:
        record(sleep=ms)
        _skipped += ms


def sleep(seconds):
    sleep_ms(int(seconds * 1000))


def ticks_ms():
    return ticks_add(utime.ticks_ms(), _skipped)


def time():
    return utime.time() + _skipped // 1000 + _shift


def gmtime(seconds=None):
    return utime.gmtime(time() if seconds is None else seconds)


def set_year(year):
    global _shift
    _shift += utime.mktime((year, 6, 1, 12, 0, 0, 0, 0, 0)) - time()


if setting("year"):
    set_year(setting("year"))
