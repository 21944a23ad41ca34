"""Two LEDs. Yellow is on from the start, off when the routine ended well, on while the network or an update fails. Green blinks
twice after an update, once when nothing was new. A roll back is yellow and green in turn, three times."""

from machine import Pin

_BLINK = 1000  # ms: what the earlier system took
_QUICK = 200  # ms, for a roll back, so that it looks like nothing else

# Each step: yellow, green (None: as it is), ms.
PATTERNS = {
    "working": ((1, None, 0),),
    "settled": ((0, None, 0),),
    "updated": ((None, 1, _BLINK), (None, 0, _BLINK), (None, 1, _BLINK), (None, 0, 0)),
    "nothing": ((None, 1, _BLINK), (None, 0, 0)),
    "back": ((1, 0, _QUICK), (0, 1, _QUICK)) * 3 + ((0, 0, 0),),
}


class Leds:
    """config is {"yellow": PIN, "green": PIN}; either may be missing."""

    def __init__(self, config):
        self.pins = [Pin(config[name], Pin.OUT) if config.get(name) is not None else None for name in ("yellow", "green")]

    def show(self, *names):
        """Shows patterns; a generator of waits."""
        for name in names:
            for step in PATTERNS[name]:
                for pin, on in zip(self.pins, step):
                    if pin and on is not None:
                        pin.value(on)
                if step[2]:
                    yield step[2]
