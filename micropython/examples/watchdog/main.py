"""A watchdog that is fed through the whole update, and takes the board out of a version that hangs."""

import moult

moult.feed = wdt.feed  # noqa: F821 - of boot.py, which has the same names
moult.run()
moult.start("irrigation.main.app", "main")
