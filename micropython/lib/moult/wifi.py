"""Brings a board online: its networks in order, a bounded number of tries, and a wrong password is an error and no loop. Then the clock."""

import time

import network
from moult.http import NetworkError

_TRIES = 2  # of each network
_PATIENCE = 15000  # ms for one try
_WRONG = ("STAT_WRONG_PASSWORD", "STAT_NO_AP_FOUND", "STAT_CONNECT_FAIL", "STAT_HANDSHAKE_TIMEOUT", "STAT_ASSOC_FAIL", "STAT_BEACON_TIMEOUT")


def online(agent):
    """Brings a board online, and sets its clock; a generator of waits."""
    try:
        joined = yield from connect(agent.config["wifi"])
        if joined:
            agent.say("network", "joined %s" % joined)
        set_clock()
    except Exception as e:
        from moult_journal import explain

        agent.say("network", explain(e))
        raise


def connect(networks):
    """Joins the first of networks that can be joined, unless the board is online. A generator of waits; it returns the network's name."""
    wlan = network.WLAN(network.STA_IF)
    wlan.active(True)
    if wlan.isconnected():
        return None
    failures = {getattr(network, name): name[5:].lower().replace("_", " ") for name in _WRONG if hasattr(network, name)}
    why = []
    for n in networks:
        _antenna(wlan, n)
        for _ in range(_TRIES):
            try:
                wlan.disconnect()
            except OSError:
                pass
            wlan.connect(n["ssid"], n.get("password") or "")
            end = time.ticks_add(time.ticks_ms(), _PATIENCE)
            said = "no answer in %d s" % (_PATIENCE // 1000)
            while time.ticks_diff(end, time.ticks_ms()) > 0:
                if wlan.isconnected():
                    return n["ssid"]
                status = wlan.status()
                if status in failures:
                    said = failures[status]
                    break
                yield 250
        why.append("%s: %s" % (n["ssid"], said))
    try:
        wlan.disconnect()  # an ESP32 would go on by itself for ever
    except OSError:
        pass
    raise NetworkError("wifi: got none of %d networks: %s" % (len(networks), "; ".join(why)), "check ssid and password")


def _antenna(wlan, n):
    """Chooses the antenna where the port has the choice: 0 inside, 1 outside."""
    if "antenna" in n:
        try:
            wlan.config(antenna=n["antenna"])
        except (ValueError, OSError):
            pass


def set_clock():
    """Sets the clock by NTP, unless it is right already. Certificates are not good before their time."""
    if time.gmtime()[0] >= 2024:
        return False
    import ntptime

    try:
        ntptime.settime()
    except (OSError, OverflowError) as e:
        raise NetworkError("ntp: %s" % e, "the clock must be right before certificates can be checked")
    return True
