"""Masks what is plainly a credential before anything is written.

Recognised by shape only: provider API keys (sk-…), AWS access key ids, GitHub, Slack and Google keys, bearer tokens,
JSON web tokens and PEM private keys. A secret without a shape cannot be found this way; keep such values out of
arguments, or record without contents.
"""

from __future__ import annotations

import re
from typing import Any, Final

MASK: Final = "[masked]"

_SHAPES: Final = re.compile(
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

_SHORTEST: Final = 19  # characters of the shortest text with a credential: "sk-" and 16 more


def mask_text(text: str) -> str:
    """The text with every credential replaced by ``[masked]``; the scheme word before a bearer token stays."""
    return _SHAPES.sub(MASK, text) if len(text) >= _SHORTEST else text


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
