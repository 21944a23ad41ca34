"""Plays one vector of the whole chain: argv[1] is its folder. The board's flash is the current directory, which has what the board is at first.
Prints the reason of the refusal; or the action, and what runs then."""

import json
import sys

import moult_boot as boot
from moult import drive
from moult.core import Core

with open(sys.argv[1] + "/case.json") as f:
    case = json.load(f)
boot.now = lambda: case["now"]
name = case["module"]
m = {"name": name, "main": name + "/main", "keep": [], "channel": case["channel"], "bundle": sys.argv[1] + "/bundle"}
core = Core({"modules": {name: m}}, lambda e: None)
make = core.source


def source(m, bundle=""):
    s = make(m, bundle)
    s.kinds = case["kinds"]
    return s


core.source = source
try:
    print("did", drive(core.update(name))["action"])
except Exception as e:
    if not hasattr(e, "reason"):
        raise
    print("refused", e.reason, e)
