"""The root of trust is put in its place; the walk goes on from there."""

import os

import moult_boot as boot
from moult.repository import DIR
from moult.walk import load


def install(file, replace):
    """Makes a root the board's root of trust; another than the one held only where it is to be replaced: then all that it led to is
    forgotten, the floor last."""
    load(file, "root")
    data, old = boot.read(file), boot.read(DIR + "anchor.json")
    if old == data:
        return
    if old and not replace:
        raise boot.Error("trust: the board has another root of trust", "replace=True takes the new one, and forgets what the other led to")
    if boot.kind(DIR[:-1]):
        for name in sorted(os.listdir(DIR[:-1]), key=lambda name: name == "floor.json"):
            boot.remove_tree(DIR + name)
    for module in boot.modules():  # nor is anything known of releases
        state = boot.load(module)
        if state.pop("memo", None):
            boot.save(module, state)
    boot.write(DIR + "anchor.json", data)
