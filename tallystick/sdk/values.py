"""Turns what an agent's functions take and return into JSON-ready values, and those into bounded text.

Two ends with different needs: the guard must judge every part of an argument, so ``plain`` leaves nothing out and
refuses what is too big to judge; a record must stay small, so ``bounded_json`` cuts visibly.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import math
import os
import uuid
from collections.abc import Mapping, Set
from decimal import Decimal
from hashlib import sha256
from typing import Any

import msgspec

from tallystick.model.errors import TooLarge

MAX_TEXT = 262_144  # characters of one recorded value
_MAX_NODES = 200_000
_MAX_DEPTH = 64
_encoder = msgspec.json.Encoder()


def plain(value: Any) -> Any:
    """A JSON-ready copy of any value.

    Decimals, dates, UUIDs, paths and integers beyond 64 bits become text, enums their value, dataclasses and pydantic
    or msgspec models mappings, bytes ``{"bytes": length, "sha256": digest}``, NaN and infinities text, sets sorted
    lists; an object of any other kind is named by its type only. Raises TooLarge beyond 200,000 parts or 64 levels.
    """
    return _plain(value, _Budget(), 0)


class _Budget:
    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = _MAX_NODES


def _plain(value: Any, budget: _Budget, depth: int) -> Any:
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return _scalar_text(value) if kind is str else value
    budget.left -= 1
    if budget.left < 0 or depth > _MAX_DEPTH:
        raise TooLarge(
            "a value has too many parts or levels", hint="pass a reference instead of the whole value"
        )
    if isinstance(value, Mapping):
        return {_key(key): _plain(item, budget, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, budget, depth + 1) for item in value]
    if isinstance(value, Set):
        return sorted((_plain(item, budget, depth + 1) for item in value), key=repr)
    simple = _simple(value)
    if simple is not _NOT_SIMPLE:
        return simple
    inner = _members(value)
    if inner is not None:
        return _plain(inner, budget, depth + 1)
    return f"<{kind.__module__}.{kind.__qualname__}>"


_NOT_SIMPLE = object()


def _simple(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value if isinstance(value.value, str | int) else value.name
    if isinstance(value, str):
        return _scalar_text(str(value))
    if isinstance(value, bool):
        return bool(value)
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**63 else str(int(value))
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else repr(float(value))
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        raw = bytes(value)
        return {"bytes": len(raw), "sha256": sha256(raw).hexdigest()}
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return f"{value.total_seconds()}s"
    if isinstance(value, uuid.UUID | os.PathLike):
        return _scalar_text(str(value))
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {_scalar_text(str(value))}"
    return _NOT_SIMPLE


def _members(value: Any) -> Any:
    """The fields of a record-like object, or None."""
    if isinstance(value, type):
        return None
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    dump = getattr(value, "model_dump", None)
    if callable(dump) and hasattr(type(value), "model_fields"):
        return dump()
    names = getattr(type(value), "__struct_fields__", None)
    if isinstance(names, tuple):
        return {name: getattr(value, name) for name in names}
    return None


def _key(key: Any) -> str:
    if isinstance(key, str):
        return _scalar_text(key)
    simple = _simple(key) if key is not None else "null"
    return (
        simple
        if isinstance(simple, str)
        else str(simple)
        if simple is not _NOT_SIMPLE
        else str(type(key).__name__)
    )


def _scalar_text(text: str) -> str:
    """Text that UTF-8 can hold: lone surrogates become question marks."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")
    return text


def cut_text(text: str, limit: int = MAX_TEXT) -> str:
    """The text, or its first ``limit`` characters and a marker that says how many are missing."""
    text = _scalar_text(text)
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… [cut: {len(text) - limit} more characters]"


def bounded_json(value: Any, limit: int = MAX_TEXT) -> str:
    """JSON text of any value, at most about ``limit`` characters; what had to be cut says so inside."""
    try:
        ready = plain(value)
    except TooLarge:
        return _encoder.encode({"cut": "too many parts or levels", "type": type(value).__qualname__}).decode()
    text = _encoder.encode(ready).decode()
    room = limit
    while len(text) > limit and room > 32:
        room //= 4
        text = _encoder.encode(_shortened(ready, room, max(8, room // 16))).decode()
    if len(text) > limit:
        return _encoder.encode({"cut": f"{len(text)} characters", "head": text[: limit // 2]}).decode()
    return text


def _shortened(value: Any, characters: int, items: int) -> Any:
    if isinstance(value, str):
        return cut_text(value, characters)
    if isinstance(value, list):
        kept = [_shortened(item, characters, items) for item in value[:items]]
        if len(value) > items:
            kept.append(f"[cut: {len(value) - items} more items]")
        return kept
    if isinstance(value, dict):
        short = {key: _shortened(item, characters, items) for key, item in list(value.items())[:items]}
        if len(value) > items:
            short["[cut]"] = f"{len(value) - items} more members"
        return short
    return value


def recorded_text(value: Any, limit: int = MAX_TEXT) -> str:
    """How a value is shown as an input or output: text as it is (cut), everything else as bounded JSON."""
    return cut_text(value, limit) if isinstance(value, str) else bounded_json(value, limit)
