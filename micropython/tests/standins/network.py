"""Stands in for a board's network. {"wifi": {SSID: PASSWORD}} in $BOARD are the networks that there are."""

from standin import record, setting

STA_IF = 0
STAT_WRONG_PASSWORD, STAT_NO_AP_FOUND, STAT_GOT_IP = 202, 201, 1010


class WLAN:
    joined = False
    said = 0

    def __init__(self, interface):
        pass

    def active(self, on):
        record(wifi="active", on=on)

    def isconnected(self):
        return WLAN.joined

    def connect(self, ssid, password):
        there = setting("wifi", {})
        WLAN.joined = ssid in there and there[ssid] == password
        WLAN.said = STAT_GOT_IP if WLAN.joined else STAT_WRONG_PASSWORD if ssid in there else STAT_NO_AP_FOUND
        record(wifi="connect", ssid=ssid, good=WLAN.joined)

    def disconnect(self):
        record(wifi="disconnect")

    def status(self):
        return WLAN.said

    def config(self, **what):
        record(wifi="config", **what)
