"""Stems: words without their endings, so that "booking", "booked" and "books" are one word."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

_ENDINGS: Final = ("ing", "ed", "es", "s", "e", "ion", "ment")
_IRREGULAR: Final = {"sent": "send", "paid": "pay", "made": "make", "wrote": "write", "written": "write"}


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """A word without its ending, roughly: "booking", "booked" and "books" are one."""
    word = _IRREGULAR.get(word, word)
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    return word[:-1] + "i" if word.endswith("y") and len(word) > 3 else word
