# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a password is the one that MySQL keeps a hash of. Private to this collection.

The plugin caching_sha2_password keeps `$A$`, the rounds in thousands as three hexadecimal digits, `$`, a salt of 20
bytes, and 43 characters: the SHA-256 crypt of U. Drepper (www.akkadia.org/drepper/SHA-crypt.txt), with a longer salt.
"""

from __future__ import annotations

import hashlib
import hmac
import re

STORED = re.compile(
    rb"\A\$A\$(?P<rounds>[0-9A-F]{3})\$(?P<salt>.{20})(?P<digest>[./0-9A-Za-z]{43})\Z", re.DOTALL
)
LETTERS = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def is_password_of(stored: bytes, password: str) -> bool | None:
    """Whether `stored` is the hash of `password`; None if it is not a hash of this plugin."""
    found = STORED.match(stored)
    if found is None:
        return None
    rounds = int(found["rounds"], 16) * 1000
    return hmac.compare_digest(sha256_crypt(password.encode("utf-8"), found["salt"], rounds), found["digest"])


def repeat(piece: bytes, length: int) -> bytes:
    return (piece * (length // len(piece) + 1))[:length] if piece else b""


def sha256_crypt(password: bytes, salt: bytes, rounds: int) -> bytes:
    """The 43 characters of the SHA-256 crypt."""
    length = len(password)
    other = hashlib.sha256(password + salt + password).digest()
    mixed = hashlib.sha256(password + salt + repeat(other, length))
    bits = length
    while bits:
        mixed.update(other if bits & 1 else password)
        bits >>= 1
    result = mixed.digest()
    long_password = repeat(hashlib.sha256(password * length).digest(), length)
    long_salt = repeat(hashlib.sha256(salt * (16 + result[0])).digest(), len(salt))
    for number in range(rounds):
        odd = number % 2 == 1
        one = hashlib.sha256(long_password if odd else result)
        if number % 3:
            one.update(long_salt)
        if number % 7:
            one.update(long_password)
        one.update(result if odd else long_password)
        result = one.digest()
    text = bytearray()
    # Bytes go into characters in this order: (0, 10, 20), (21, 1, 11), ..., and the last two by themselves.
    first, second, third = 0, 10, 20
    for _group in range(10):
        value = result[first] << 16 | result[second] << 8 | result[third]
        text += bytes(LETTERS[value >> shift & 63] for shift in (0, 6, 12, 18))
        first, second, third = third + 1, first + 1, second + 1
    value = result[31] << 8 | result[30]
    text += bytes(LETTERS[value >> shift & 63] for shift in (0, 6, 12))
    return bytes(text)
