"""Canonical bytes and digests (RFC 8785 JSON, SHA-256).

The only module of the ground floor with dependencies: ``rfc8785``, because canonical JSON that is almost right gives
digests that nobody else can reproduce, and ``msgspec`` where it is installed, because nearly every value needs no more
than sorted keys and it does that forty times faster. A property test holds the two to the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final

from tallystick.model.errors import BadInput

_EXACT: Final = 2**53 - 1  # RFC 8785 follows IEEE doubles: larger integers are written as strings
_PLAIN_FROM, _PLAIN_TO = 1e-4, 1e16  # between these every common way of writing a float is RFC 8785's


def canonical_json(value: Any) -> bytes:
    """Return the RFC 8785 bytes of a JSON-like value.

    Integers outside ±(2^53-1) and Decimals become strings, because JSON numbers cannot hold them exactly.
    Raises BadInput for what JSON cannot express (NaN, sets, objects, half a surrogate pair).
    """
    odd: list[Any] = []
    try:
        if _is_plain(value):
            return _fast(value)
        plain = _plain(value, odd)
        return _whole(plain) if odd else _fast(plain)
    except (UnicodeEncodeError, ValueError, RecursionError) as error:
        raise BadInput(f"this value has no canonical JSON: {error}") from error


def read_canonical(content: bytes) -> Any:
    """Read canonical JSON, so that ``canonical_json`` of what is read gives the same bytes again.

    JSON numbers are doubles (RFC 8785): digits beyond ±(2^53-1) are read as the float that wrote them, because such an
    integer would have been written as text. Raises BadInput for everything that is not canonical, also for doubled
    keys and for nesting that is too deep.
    """
    try:
        value = _decode(content)
        if (
            canonical_json(value) != content
        ):  # seldom: large digits were read as integers, or it is not canonical
            value = json.loads(content.decode(), parse_int=_number)
            if canonical_json(value) != content:
                raise BadInput("this JSON is not canonical (RFC 8785)")
    except (ValueError, RecursionError) as error:
        raise BadInput("this is not JSON that can be read") from error
    return value


def _number(digits: str) -> int | float:
    short = len(digits) <= len(str(-_EXACT))
    return int(digits) if short and -_EXACT <= int(digits) <= _EXACT else float(digits)


def _decoder() -> Callable[[bytes], Any]:
    try:
        import msgspec
    except ImportError:
        return lambda content: json.loads(content.decode(), parse_int=_number)
    return msgspec.json.Decoder().decode


_decode: Final = _decoder()


def _fast_encoder() -> Callable[[Any], bytes]:
    try:
        import msgspec
    except ImportError:  # a verifier may run without it
        return _whole
    return msgspec.json.Encoder(order="sorted").encode


def _whole(plain: Any) -> bytes:
    import rfc8785

    return rfc8785.dumps(plain)


_fast: Final = _fast_encoder()


def _is_plain(value: Any) -> bool:
    """Whether a value is JSON as the fast encoder writes it: nearly all are, and then nothing need be made anew."""
    kind = type(value)
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str or not key.isascii():
                return False
            below = type(item)
            if below is str or item is None or below is bool:
                continue
            if below is int:
                if not -_EXACT <= item <= _EXACT:
                    return False
            elif not _is_plain(item):
                return False
        return True
    if kind is list:
        return all(type(item) is str or _is_plain(item) for item in value)
    return kind is str or value is None or kind is bool or (kind is int and -_EXACT <= value <= _EXACT)


def _plain(value: Any, odd: list[Any]) -> Any:
    """The value in JSON's own types; what only the full encoder writes right is noted in ``odd``."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is dict:
        return {_key(key, odd): _plain(item, odd) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [_plain(item, odd) for item in value]
    if isinstance(value, int):
        return int(value) if -_EXACT <= value <= _EXACT else str(int(value))
    if isinstance(value, float):
        whole = value.is_integer()
        if whole and -_EXACT <= value <= _EXACT:
            return int(value)
        if whole or not _PLAIN_FROM <= abs(value) < _PLAIN_TO:
            odd.append(value)
        return float(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping):
        return {_key(key, odd): _plain(item, odd) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, odd) for item in value]
    raise BadInput(f"a {kind.__name__} has no canonical JSON")


def _key(key: Any, odd: list[Any]) -> str:
    text = key if type(key) is str else str(key)
    if not text.isascii():
        odd.append(text)  # RFC 8785 sorts by UTF-16 units
    return text


def plain_json(plain: Any) -> bytes:
    """RFC 8785 bytes of what needs no second look: text, whole numbers JSON can hold, lists, objects with ASCII keys.

    For those who went through a value already; everybody else wants ``canonical_json``. Raises BadInput for half a
    surrogate pair.
    """
    try:
        return _fast(plain)
    except (UnicodeEncodeError, RecursionError) as error:
        raise BadInput(f"this value has no canonical JSON: {error}") from error


def digest_bytes(content: bytes) -> str:
    """SHA-256 of raw bytes as 64 hex digits."""
    return sha256(content).hexdigest()


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of a value as 64 hex digits."""
    return sha256(canonical_json(value)).hexdigest()
