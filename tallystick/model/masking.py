"""Masks what is plainly a credential before anything is written, and says how a masked value looks.

Recognised by shape only: provider API keys (sk-…), AWS access key ids, GitHub, Slack and Google keys, bearer tokens,
JSON web tokens, Tallystick's own tokens, PEM private keys. A secret without a shape cannot be found this way; keep
such values out of arguments, or record without contents. The redactor (``govern.redaction``) finds these and many more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

MARK: Final = "‹redacted:"  # how every mark begins: ‹redacted:KIND›
MASK: Final = f"{MARK}secret›"
EARLIER_MASK: Final = "[masked]"  # what stood there before; entries of that time have it


def mark_of(kind: str) -> str:
    """What stands in the place of a value that was taken out: ``‹redacted:KIND›``."""
    return f"{MARK}{kind}›"


# A JSON web token begins where no such token can be going on: else each "eyJ" in a long one would be read to its end.
_SHAPES: Final = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)"
    r"|(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{16,}"
    r"|(?<![A-Z0-9])(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Z])"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}"
    r"|\bgithub_pat_[A-Za-z0-9_]{20,}"
    r"|\bxox[abprs]-[A-Za-z0-9-]{14,}"
    r"|\bAIza[0-9A-Za-z_-]{30,}"
    r"|\btallyagent_[A-Za-z0-9_=-]{24,}|\btally_[A-Za-z0-9_=-]{40,}"
    r"|(?<=[Bb]earer )[A-Za-z0-9._~+/=-]{12,}"
    r"|(?<=BEARER )[A-Za-z0-9._~+/=-]{12,}"
    r"|(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+",
    re.DOTALL,
)

# An RE2 expression that is found wherever a shape is; it is looked for in long texts first.
FIRST_LOOK: Final = (
    r"PRIVATE KEY-----|sk-[A-Za-z0-9_-]{16}|A[KS]IA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{20}|github_pat_|xox[abprs]-"
    r"|tallyagent_[A-Za-z0-9_=-]{24}|tally_[A-Za-z0-9_=-]{40}"
    r"|AIza[0-9A-Za-z_-]{30}|(?:[Bb]earer|BEARER) [A-Za-z0-9._~+/=-]{12}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\."
)

_SHORTEST: Final = 19  # characters of the shortest text with a credential: "sk-" and 16 more


def shapes(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of every credential in a text."""
    if len(text) >= _SHORTEST:
        for found in _SHAPES.finditer(text):
            yield found.span()


def mask_text(text: str) -> str:
    """The text with every credential replaced by the mark; the scheme word before a bearer token stays."""
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
