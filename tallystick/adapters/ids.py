"""Fresh ids behind ``ports.Ids``: ULIDs (48 bits of time, 80 random bits) with a prefix that says what they name."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_LENGTH = 26


def encode(number: int) -> str:
    """A number below 2^128 as 26 digits of Crockford's base 32."""
    digits = []
    for _ in range(_LENGTH // 2):
        digits.append(_PAIRS[number & 1023])
        number >>= 10
    return "".join(reversed(digits))


class TimeIds:
    """Ids that sort by the millisecond they were made in and that nobody can guess."""

    def __init__(self, now: Callable[[], int] = time.time_ns) -> None:
        self._now = now

    def new(self, prefix: str) -> str:
        """A fresh id such as ``apr_01J…``."""
        milliseconds = (self._now() // 1_000_000) & (2**48 - 1)
        return f"{prefix}_{encode(milliseconds << 80 | secrets.randbits(80))}"

    def salt(self) -> bytes:
        """16 random bytes for a commitment."""
        return secrets.token_bytes(16)
