"""Plays the vectors of the whole chain: argv[1] is their folder, argv[2] has for each a folder that is the board's flash, as it is at first.
Prints a line of JSON for each: what was done, or the reason of the refusal with its text; and what stands in the module's slot then."""

from binascii import hexlify
from hashlib import sha256
import json
import os
import sys

import moult_boot as boot
from moult.core import Core


def drive(work):
    """Runs a generator without a wait, and without the often sweeping of moult.drive, which npm's 1.20 does not do."""
    try:
        while True:
            next(work)
    except StopIteration as e:
        return e.value


def play(folder, case):
    boot.now = lambda: case["now"]
    name = case["module"]
    m = {"name": name, "main": name + "/main", "keep": [], "channel": case["channel"], "bundle": folder + "/bundle"}
    core = Core({"modules": {name: m}}, lambda e: None)
    make = core.source

    def source(m, bundle=""):
        s = make(m, bundle)
        s.kinds = case["kinds"]
        return s

    core.source = source
    try:
        return "did %s" % drive(core.update(name))["action"]
    except Exception as e:
        if not hasattr(e, "reason"):
            raise
        return "refused %s %s" % (e.reason, e)


def tree(folder):
    files = {}
    for name in os.listdir(folder) if boot.kind(folder) else ():
        path = folder + "/" + name
        if boot.kind(path) == "dir":
            for below, digest in tree(path).items():
                files[name + "/" + below] = digest
        else:
            with open(path, "rb") as f:
                files[name] = hexlify(sha256(f.read()).digest()).decode()
    return files


vectors, boards = sys.argv[1:]
for name in sorted(os.listdir(boards)):
    os.chdir(boards + "/" + name)
    with open("%s/%s/case.json" % (vectors, name)) as f:
        case = json.load(f)
    main = case["module"] + "/main"
    before = tree(main)
    said = play("%s/%s" % (vectors, name), case)
    print(json.dumps({"case": name, "said": said, "before": before, "after": tree(main), "version": boot.version(main)}))
