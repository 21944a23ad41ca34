"""RSA-PSS with SHA-256 and a salt as long as the hash (RFC 8017, 8.1.2 and 9.1.2); keys of 2048 to 4096 bits with the exponent 65537."""

from binascii import a2b_base64
from hashlib import sha256


def _two(n):
    return bytes([n >> 8, n & 255])


def modulus(pem):
    """Returns a public key's modulus as bytes; ValueError for what is no such key (RFC 5280, SubjectPublicKeyInfo)."""
    lines = pem.strip().split("\n")
    if lines[0] != "-----BEGIN PUBLIC KEY-----" or lines[-1] != "-----END PUBLIC KEY-----":
        raise ValueError("no public key")
    der = a2b_base64("".join(lines[1:-1]))
    n = len(der) - 37  # what stands around the modulus is the same in all keys, but for four lengths
    head = b"0\x82" + _two(n + 33) + b"0\r\x06\t*\x86H\x86\xf7\r\x01\x01\x01\x05\0\x03\x82" + _two(n + 14) + b"\x000\x82" + _two(n + 9) + b"\x02\x82" + _two(n)
    if n < 256 or der[:32] != head or der[-5:] != b"\x02\x03\x01\0\x01" or (der[32] == 0) != (der[33 - (der[32] > 0)] > 127):
        raise ValueError("no RSA key")
    number = der[32 + (der[32] == 0) : -5]
    if len(number) == 256 and number[0] < 128 or not 256 <= len(number) <= 512:
        raise ValueError("the key's size")
    return number


def _power(s, n):
    try:
        return pow(s, 65537, n)
    except TypeError:  # a small port has no third argument
        x = s
        for _ in range(16):
            x = x * x % n
        return x * s % n


def verify(number, signature, digest):
    """Reports whether a signature of a digest was made with the key of a modulus."""
    n, s, size = int.from_bytes(number, "big"), int.from_bytes(signature, "big"), len(number)
    if len(signature) != size or s >= n:
        return False
    bits, top = 8 * size - 1, number[0]
    while top < 128:
        top, bits = top << 1, bits - 1
    em = _power(s, n).to_bytes(size, "big")
    if bits % 8 == 0:
        if em[0]:
            return False
        em = em[1:]
    spare = 8 * len(em) - bits
    h, db = em[-33:-1], bytearray(em[:-33])
    if em[-1] != 0xBC or db[0] & ~(0xFF >> spare) & 0xFF:
        return False
    for i in range(0, len(db), 32):
        mask = sha256(h + bytes([0, 0, 0, i >> 5])).digest()
        for j in range(min(32, len(db) - i)):
            db[i + j] ^= mask[j]
    db[0] &= 0xFF >> spare
    end = len(db) - 33
    return not any(db[:end]) and db[end] == 1 and sha256(bytes(8) + digest + db[end + 1 :]).digest() == h
