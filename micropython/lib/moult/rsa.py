"""RSA-PSS with SHA-256 and a salt as long as the hash (RFC 8017, 8.1.2 and 9.1.2); keys of 2048 to 4096 bits with the exponent 65537."""

from binascii import a2b_base64
from hashlib import sha256
from struct import pack


def modulus(pem):
    """Returns a public key's modulus as bytes; ValueError for what is no such key (RFC 5280, SubjectPublicKeyInfo)."""
    end = len(pem.rstrip()) - 24
    der = a2b_base64(memoryview(pem)[27:end])  # whose length of a key's text would be much for a copy
    n = len(der) - 37  # what stands around the modulus is the same in all keys, but for four lengths
    head = pack(">HH17sHBHHHH", 0x3082, n + 33, b"0\r\x06\t*\x86H\x86\xf7\r\x01\x01\x01\x05\0\x03\x82", n + 14, 0, 0x3082, n + 9, 0x282, n)
    value = int.from_bytes(der[32:-5], "big")
    if (
        pem[:27] + pem[end - 1 : end + 24] != "-----BEGIN PUBLIC KEY-----\n\n-----END PUBLIC KEY-----"
        or der[:32] + der[-5:] != head + b"\x02\x03\x01\0\x01"
        or not 0 < value >> 8 * n - 9 < 256  # the shortest form of a number that is not negative
        or not value >> 2047
        or value >> 4096
    ):
        raise ValueError("got no RSA key")
    return der[32:-5]


def verify(number, signature, digest):
    """Reports whether a signature of a digest was made with the key of a modulus."""
    n, x = int.from_bytes(number, "big"), int.from_bytes(signature, "big")
    bits = 8 * len(number) - 9  # of the encoded message: one less than the modulus has
    while n >> bits > 1:
        bits += 1
    if len(signature) != bits // 8 + 1 or x >= n:
        return False
    for _ in range(16):  # to the power of 65537: a small port's pow has no third argument
        x = x * x  # which lets the one before go
        x = x % n
    x = x * int.from_bytes(signature, "big")
    x = x % n
    size = bits - 257 >> 3  # bytes of the masked block; behind it stand the hash, and 0xBC
    h = (x >> 8).to_bytes(len(number), "big")[-32:]
    mask = b"".join(sha256(h + bytes([0, 0, 0, i])).digest() for i in range(bits >> 8))
    block = (x >> 264 ^ int.from_bytes(mask[:size], "big")) & (1 << bits - 264) - 1
    salt = block.to_bytes(size, "big")[-32:]
    return not x >> bits and x & 255 == 0xBC and block >> 256 == 1 and sha256(bytes(8) + digest + salt).digest() == h
