"""Wrong tokens counted by the address they came from: whoever tries many is not heard for a while.

The same wrong token again and again is a program with old settings, and counts once: it must not shut out the others
on its machine.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from hashlib import blake2b
from typing import Final

MOST: Final = 10  # different wrong tokens
WITHIN_S: Final = 60
_MOST_ADDRESSES: Final = 4_096
_SECOND: Final = 1_000_000_000


class Guesses:
    """What was tried, by address; memory is bounded, and the address that tried longest ago is forgotten first."""

    def __init__(self) -> None:
        self._salt = secrets.token_bytes(16)  # nothing that was typed is kept
        self._tried: OrderedDict[str, dict[bytes, int]] = OrderedDict()

    def wait_s(self, address: str, now: int) -> int:
        """Seconds for which an address is not heard; 0: it is. ``now`` in nanoseconds."""
        tried = self._tried.get(address)
        if tried is None or len(tried) < MOST:
            return 0
        oldest = min(tried.values())
        left = oldest + WITHIN_S * _SECOND - now
        if left <= 0:
            self._forget(address, tried, now)
            return self.wait_s(address, now)
        return -(-left // _SECOND)

    def wrong(self, address: str, shown: str, now: int) -> None:
        """Note a token that nobody has."""
        tried = self._tried.setdefault(address, {})
        self._tried.move_to_end(address)
        self._forget(address, tried, now)
        mark = blake2b(shown.encode("utf-8", "surrogatepass"), digest_size=16, key=self._salt).digest()
        if len(tried) < MOST:
            tried.setdefault(mark, now)
        self._tried[address] = tried
        while len(self._tried) > _MOST_ADDRESSES:
            self._tried.popitem(last=False)

    def _forget(self, address: str, tried: dict[bytes, int], now: int) -> None:
        for mark in [mark for mark, at in tried.items() if not now - WITHIN_S * _SECOND < at <= now]:
            del tried[mark]
        if not tried:
            self._tried.pop(address, None)
