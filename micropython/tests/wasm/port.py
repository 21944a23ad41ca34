"""Mends what npm's builds have otherwise than a board's firmware."""

import binascii
import sys
import time

_decode = binascii.a2b_base64


def a2b_base64(data):
    """theirs, in Python, takes bytes alone"""
    return _decode(data.encode() if isinstance(data, str) else data)


binascii.a2b_base64 = a2b_base64
if not hasattr(time, "gmtime"):  # 1.20

    class Time:
        def __getattr__(self, name):
            return getattr(time, name)

        def gmtime(self):
            return (2026, 1, 2, 3, 4, 5, 4, 2)

    sys.modules["time"] = Time()
