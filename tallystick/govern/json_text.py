"""JSON as text: what may be changed inside it without reading and writing the whole of it anew."""

from __future__ import annotations

import json
import re
from typing import Final

import msgspec

from tallystick.govern.finding import expression

# A string of JSON, or a number long enough to be something (a card). Numbers may become marks, so they are found too.
TOKENS: Final = expression(r'"(?:[^"\\]|\\.)*"|-?[0-9]{7,}(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?')
COLON: Final = re.compile(r"[ \t\r\n]*:")
_OPENING: Final = frozenset("{[")
_is_json: Final = msgspec.json.Decoder(msgspec.Raw).decode


def quoted(text: str) -> str:
    """A text as a string of JSON."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(text)
    return json.dumps(text, ensure_ascii=False)


def looks_like_json(text: str) -> bool:
    """Whether a text is a list or an object of JSON."""
    head = text[:64].lstrip()
    if not head or head[0] not in _OPENING:
        return False
    try:
        _is_json(text.encode("utf-8", "surrogatepass"))
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
