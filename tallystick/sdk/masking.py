"""Masks what is plainly a credential before anything is written.

Recognised by shape only: provider API keys (sk-…), AWS access key ids, GitHub, Slack and Google keys, bearer tokens,
JSON web tokens and PEM private keys. A secret without a shape cannot be found this way; keep such values out of
arguments, or record without contents.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any

MASK = "[masked]"

SHORTEST = 19  # characters: no shape below is shorter, so shorter texts need no look
_CLEAN_LENGTH = 64
_CLEAN_MAX = 1_024
_clean: set[str] = set()  # texts that were looked at and held nothing
_GITHUB = re.compile(r"gh[pousr]_|github_pat_")
_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})
_SHAPES = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)"
    r"|(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{16,}"
    r"|(?<![A-Z0-9])(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Z])"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}"
    r"|\bgithub_pat_[A-Za-z0-9_]{20,}"
    r"|\bxox[abprs]-[A-Za-z0-9-]{14,}"
    r"|\bAIza[0-9A-Za-z_-]{30,}"
    r"|(?<=[Bb]earer )[A-Za-z0-9._~+/=-]{12,}"
    r"|(?<=BEARER )[A-Za-z0-9._~+/=-]{12,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+",
    re.DOTALL,
)


def suspicious(values: Collection[Any]) -> bool:
    """Whether any text among the values, however deep, may hold a credential (never misses a shape above)."""
    texts = []
    for value in values:  # one plain loop: this runs for every span
        kind = type(value)
        if kind is str:
            if len(value) >= SHORTEST and value not in _clean:
                texts.append(value)
        elif kind is not int and kind is not float and kind is not bool and (kind is not tuple or _long(value)):
            texts.extend(_nested((value,), 0))
    if not texts:
        return False
    if _held(texts[0] if len(texts) == 1 else "\n".join(texts)):
        return True
    for text in texts:
        if len(text) <= _CLEAN_LENGTH:  # names and addresses that come back with the next call are looked at once
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


def mask_text(text: str) -> str:
    """The text with every credential replaced by ``[masked]``; the scheme word before a bearer token stays."""
    return _SHAPES.sub(MASK, text)


def mask(value: Any) -> Any:
    """The same for all strings in a JSON-like value (keys too); other values are returned as they are."""
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, dict):
        return {mask_text(key) if isinstance(key, str) else key: mask(item) for key, item in value.items()}
    if isinstance(value, list):
        return [mask(item) for item in value]
    if isinstance(value, tuple):
        return tuple(mask(item) for item in value)
    return value
