"""Brings a board online: its networks in order, a bounded number of tries, and a wrong password is an error and no loop. Then the clock."""

import time

import network
from micropython import const
from moult_boot import Error

_TRIES = const(2)  # of each network
_PATIENCE = const(15000)  # ms for one try


def online(agent):
    """Brings a board online, and sets its clock; a generator of waits."""
    try:
        wlan = network.WLAN(network.STA_IF)
        wlan.active(True)
        if not wlan.isconnected():
            yield from _join(agent, wlan)
        if time.gmtime()[0] < 2024:
            import ntptime

            try:
                ntptime.settime()
            except (OSError, OverflowError) as e:
                raise Error("ntp: %s" % e, "the clock must be right before certificates can be checked")
    except Exception as e:
        from moult_journal import explain

        agent.say("network", explain(e))
        raise


def _join(agent, wlan):
    """Joins the first of the networks that can be joined; a generator of waits."""
    networks = agent.config["wifi"]
    why = ""
    for n in networks:
        if "antenna" in n:
            try:
                wlan.config(antenna=n["antenna"])  # where the port has the choice: 0 inside, 1 outside
            except (ValueError, OSError):
                pass
        for _ in range(_TRIES):
            _leave(wlan)
            wlan.connect(n["ssid"], n.get("password") or "")
            end, said = time.ticks_add(time.ticks_ms(), _PATIENCE), ""
            while not said and time.ticks_diff(end, time.ticks_ms()) > 0:
                if wlan.isconnected():
                    agent.say("network", "joined %s" % n["ssid"])
                    return
                for name in ("WRONG_PASSWORD", "NO_AP_FOUND", "CONNECT_FAIL", "HANDSHAKE_TIMEOUT", "ASSOC_FAIL", "BEACON_TIMEOUT"):
                    if getattr(network, "STAT_" + name, None) == wlan.status():
                        said = name.lower().replace("_", " ")
                        break
                else:
                    yield 250
        why += "; %s: %s" % (n["ssid"], said or "no answer in 15 s")
    _leave(wlan)  # an ESP32 would go on by itself for ever
    raise Error("wifi: got none of %d networks%s" % (len(networks), why), "check ssid and password")


def _leave(wlan):
    try:
        wlan.disconnect()
    except OSError:
        pass
