"""What a configuration says about time: spans, times of day, and the time zone."""

from moult.config import need, wrong


def take(c):
    """Puts numbers in the place of a configuration's times: seconds, and minutes of the day."""
    check = c["check"]
    if check.get("on", "start") not in ("start", "power-on"):
        wrong("check.on", check["on"], '"start" or "power-on"')
    if "every" in check:
        check["every"] = seconds(check["every"], "check.every")
    if "window" in check:
        a, _, b = need(check["window"], str, "check.window").partition("-")
        check["window"] = _minute(a.strip(), "check.window"), _minute(b.strip(), "check.window")
    if "restart" in check:
        check["restart"] = _minute(check["restart"], "check.restart")
    c["zone"] = _zone(need(c.get("timezone", "UTC"), str, "timezone"))


def seconds(text, where):
    """Reads a time span such as "15m" or "1h30m" into seconds."""
    total, number = 0, ""
    for x in str(text):
        if x.isdigit():
            number += x
        elif number and x in "hms":
            total += int(number) * (60 ** (2 - "hms".find(x)))
            number = ""
        else:
            number = x
            break
    if number or not total:
        wrong(where, text, 'a number with its unit, such as "60s", "15m" or "12h"')
    return total


def _minute(text, where):
    try:
        h, m = [int(x) for x in need(text, str, where).split(":")]
        if 0 <= h < 24 and 0 <= m < 60:
            return h * 60 + m
    except ValueError:
        pass
    wrong(where, text, 'a time of day from "00:00" to "23:59"')


def _zone(text):
    """Returns a time zone's offset in seconds. A board has no time zone database: it knows UTC, Etc/GMT+3 (west of Greenwich, as the
    database has it), +05:30, and the few that need no rule."""
    known = "UTC 0 Etc/UTC 0 America/Sao_Paulo -3 Asia/Tokyo 9 Asia/Shanghai 8 Asia/Singapore 8 Asia/Kolkata 5:30".split()
    try:
        if text in known[::2]:
            text = known[known.index(text) + 1]
        elif text[:7] == "Etc/GMT":
            text = "%d" % -int(text[7:] or 0)
        elif text[0] not in "+-":
            raise ValueError
        hours, _, minutes = text[text[0] in "+-" :].partition(":")
        offset = int(hours) * 3600 + int(minutes or 0) * 60
        if not (hours + (minutes or "0")).isdigit() or offset > 14 * 3600:
            raise ValueError
        return -offset if text[0] == "-" else offset
    except ValueError:
        wrong("timezone", text, 'one that a board knows: "UTC", "Etc/GMT+3", "-03:00", "America/Sao_Paulo"')
