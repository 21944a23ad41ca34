"""Stands in for the module that sets a board's clock."""

import time

from standin import record, setting


def settime():
    record(ntp="settime")
    if setting("ntp") == "fails":
        raise OSError(110)
    time.set_year(2026)
