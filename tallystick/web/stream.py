"""Answers that are made while they are sent: one thread hop a block, and a fault breaks the answer off.

Litestar's own wrapping of an iterator takes a ValueError for its end, which would make half an answer look whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Final

BLOCK: Final = 65_536


async def sent(parts: Iterable[bytes], *, block: int = 1) -> AsyncIterator[bytes]:
    """The parts in order, joined to blocks of at least ``block`` bytes; each block is made in a worker thread."""
    left = iter(parts)
    while taken := await asyncio.to_thread(_taken, left, block):
        yield taken


def _taken(left: Iterator[bytes], least: int) -> bytes:
    """The next parts together; empty only at the end."""
    found = bytearray()
    for part in left:
        found += part
        if len(found) >= least:
            break
    return bytes(found)
