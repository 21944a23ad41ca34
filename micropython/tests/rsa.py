"""Verifies the signatures of a JSON file, argv[1], in hex. Prints the cases that come out otherwise."""

from binascii import unhexlify
import json
import sys

from moult import rsa

with open(sys.argv[1]) as f:
    cases = json.load(f)
for c in cases:
    try:
        good = rsa.verify(rsa.modulus(c["key"]), unhexlify(c["signature"]), unhexlify(c["digest"]))
    except ValueError:
        good = None
    if good != c.get("want"):
        print("%s: got %s, want %s" % (c["name"], good, c.get("want")))
print("cases", len(cases))
