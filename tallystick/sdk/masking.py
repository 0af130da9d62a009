"""Says quickly whether texts may hold a credential; the shapes themselves are in ``model.masking``."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any

SHORTEST = 19  # characters: no shape below is shorter, so shorter texts need no look
_CLEAN_LENGTH = 64
_CLEAN_MAX = 1_024
_clean: set[str] = set()  # texts that were looked at and held nothing
_GITHUB = re.compile(r"gh[pousr]_|github_pat_")
_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})


def suspicious(values: Collection[Any]) -> bool:
    """Whether any text among the values, however deep, may hold a credential (never misses a shape above)."""
    texts = []
    for value in values:  # one plain loop: this runs for every span
        kind = type(value)
        if kind is str:
            if len(value) >= SHORTEST and value not in _clean:
                texts.append(value)
        elif (
            kind is not int and kind is not float and kind is not bool and (kind is not tuple or _long(value))
        ):
            texts.extend(_nested((value,), 0))
    if not texts:
        return False
    if _held(texts[0] if len(texts) == 1 else "\n".join(texts)):
        return True
    for text in texts:
        if (
            len(text) <= _CLEAN_LENGTH
        ):  # names and addresses that come back with the next call are looked at once
            if len(_clean) >= _CLEAN_MAX:
                _clean.clear()
            _clean.add(text)
    return False


def _long(values: tuple[Any, ...]) -> bool:
    """Whether there is anything but texts too short to hold something."""
    for value in values:  # noqa: SIM110 - a generator would cost more than it finds
        if type(value) is not str or len(value) >= SHORTEST:
            return True
    return False


def _held(text: str) -> bool:
    # Every shape holds one of these. Looking for plain text is many times cheaper than matching the shapes.
    return (
        "sk-" in text
        or "eyJ" in text
        or ("gh" in text and _GITHUB.search(text) is not None)
        or "earer " in text
        or "EARER " in text
        or ("IA" in text and ("AKIA" in text or "ASIA" in text))
        or "AIza" in text
        or "xox" in text
        or "PRIVATE KEY" in text
    )


def _nested(values: Iterable[Any], depth: int) -> list[str]:
    """The texts inside lists and mappings, keys included; below 64 levels nothing is looked at, and nothing written."""
    texts: list[str] = []
    for value in values:
        kind = type(value)
        if kind is str:
            if len(value) >= SHORTEST:
                texts.append(value)
        elif kind is tuple or kind is list or kind is dict:
            if depth < 64:
                texts.extend(_nested(value, depth + 1))
                if kind is dict:
                    texts.extend(_nested(value.values(), depth + 1))
        elif kind not in _PLAIN:  # a subclass, or a stranger that will be written as its text
            texts.append(str(value))
    return texts
