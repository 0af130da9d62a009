"""Base64 as RFC 4648 section 4 writes it, and in no second way: one text for one value."""

from __future__ import annotations

import base64
import binascii

from tallystick.model.errors import BadInput


def to_base64(value: bytes) -> str:
    """Standard alphabet, padded, on one line."""
    return base64.b64encode(value).decode("ascii")


def from_base64(text: str, what: str) -> bytes:
    """The bytes; ``what`` names the thing in the error.

    Raises BadInput for another alphabet, missing padding, line breaks, and bits after the end that are not zero (so
    that no two texts mean the same bytes).
    """
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:  # ValueError: not ASCII
        raise BadInput(f"{what} is not base64") from error
    if to_base64(value) != text:
        raise BadInput(f"{what} is not base64 in its one form")
    return value
