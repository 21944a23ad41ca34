"""Prints the names that this interpreter's types and modules have, a line each: see scripts/mpy-names.js."""

import builtins
import hashlib
import os
import re
import select
import socket

MODULES = "array asyncio binascii collections cryptolib deflate errno gc hashlib heapq io json math micropython os platform random re select socket struct sys time tls vfs".split()
names = set()


def add(thing):
    for name in dir(thing):
        names.add(name)


def generator():
    yield


for name in MODULES:
    module = __import__(name)
    add(module)
    for name in dir(module):
        value = getattr(module, name)
        if isinstance(value, type):
            add(value)
for name in dir(builtins):
    value = getattr(builtins, name)
    if isinstance(value, type):
        add(value)
context = __import__("tls").SSLContext(0)
for thing in (generator(), open(__file__), open(__file__, "rb"), socket.socket(), select.poll(), hashlib.sha256(), context, memoryview(b"x"), {}.keys(), re.compile("a"), re.match("a", "a"), os.ilistdir("/")):
    add(thing)
print("\n".join(sorted([n for n in names if n[:2] != "__"])))
