"""Canonical bytes and digests (RFC 8785 JSON, SHA-256).

The only module of the ground floor with a dependency: ``rfc8785``, because canonical JSON that is almost
right gives digests that nobody else can reproduce.
"""

from __future__ import annotations

from decimal import Decimal
from hashlib import sha256
from typing import Any

import rfc8785

from tallystick.model.errors import BadInput

_EXACT = 2**53 - 1  # RFC 8785 follows IEEE doubles: larger integers are written as strings


def canonical_json(value: Any) -> bytes:
    """Return the RFC 8785 bytes of a JSON-like value.

    Integers outside ±(2^53-1) and Decimals become strings, because JSON numbers cannot hold them exactly.
    Raises BadInput for what JSON cannot express (NaN, sets, objects).
    """
    try:
        return rfc8785.dumps(_plain(value))
    except rfc8785.CanonicalizationError as error:
        raise BadInput(f"this value has no canonical JSON: {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, bool) or value is None or isinstance(value, str | float):
        return value
    if isinstance(value, int):
        return value if -_EXACT <= value <= _EXACT else str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    raise BadInput(f"a {type(value).__name__} has no canonical JSON")


def digest_bytes(content: bytes) -> str:
    """SHA-256 of raw bytes as 64 hex digits."""
    return sha256(content).hexdigest()


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of a value as 64 hex digits."""
    return sha256(canonical_json(value)).hexdigest()
