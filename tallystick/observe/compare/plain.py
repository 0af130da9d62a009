"""Values in a form in which equal means the same, whoever recorded them.

``settled`` also masks what is another text in every run and means nothing: times of day, UUIDs, long hexadecimal ids.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any, Final

from tallystick.observe.messages import Message, parsed

_NOISE: Final = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"  # ISO 8601 date and time
    r"|\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"  # UUID
    r"|\b0x[0-9a-fA-F]{4,}\b"
    r"|\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{16,}\b"  # trace ids, digests
    r"|\b(?:call|toolu|msg|resp|chatcmpl)[_-](?=[0-9A-Za-z]*\d)[0-9A-Za-z]{8,}\b"  # ids that providers give out
)
_TIMED: Final = re.compile(r"(?:^|_)(?:ts|time|timestamp|at|created|updated|date|now|epoch)$", re.IGNORECASE)
_EPOCH: Final = 1_500_000_000  # seconds; numbers from here on may be a time under a name that says so
_DEEPEST: Final = 40
_LONGEST: Final = 262_144  # characters of one text that are searched for noise

Part = tuple[str, str, Any]  # (role, type, value)


def settled(value: Any, depth: int = 0) -> Any:
    """A JSON value with noise masked in all its texts; numbers and structure as they are."""
    if isinstance(value, str):
        return _NOISE.sub("·", value[:_LONGEST]) + value[_LONGEST:]
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {key: "·" if _is_time(key, item) else settled(item, depth + 1) for key, item in value.items()}
    if depth < _DEEPEST and isinstance(value, list | tuple):
        return [settled(item, depth + 1) for item in value]
    return value


def _is_time(key: Any, value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and value >= _EPOCH and _TIMED.search(str(key)) is not None


def same(a: Any, b: Any, *, loose: bool = False, depth: int = 0) -> bool:
    """Whether two JSON values mean the same.

    21 is 21.0, True is not 1, a key with null is as good as absent, white space at the ends of texts is none.
    ``loose``, for recordings of two frameworks: a number may stand as text, and an object with one key may stand as
    that key's value.
    """
    if a is b:
        return True
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b or (loose and str(a).lower() == str(b).lower())
    if isinstance(a, str) and isinstance(b, str):
        return a == b or a.strip() == b.strip()
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        if depth > _DEEPEST:
            return _text(a) == _text(b)
        keys = {key for key in (*a, *b) if a.get(key) is not None or b.get(key) is not None}
        return all(same(a.get(key), b.get(key), loose=loose, depth=depth + 1) for key in keys)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        if depth > _DEEPEST:
            return _text(a) == _text(b)
        return len(a) == len(b) and all(
            same(one, two, loose=loose, depth=depth + 1) for one, two in zip(a, b, strict=True)
        )
    if loose:
        return _loosely(a, b, depth)
    try:
        return bool(a == b)
    except (TypeError, ValueError, RecursionError):
        return False


def _loosely(a: Any, b: Any, depth: int) -> bool:
    for one, other in ((a, b), (b, a)):
        if isinstance(one, Mapping) and not isinstance(other, Mapping):
            values = [value for value in one.values() if value is not None]
            if len(values) == 1 and depth <= _DEEPEST:
                return same(values[0], other, loose=True, depth=depth + 1)
            return not values and other in (None, "")
        if isinstance(one, int | float) and isinstance(other, str):
            try:
                return float(other) == one
            except ValueError:
                return False
    return bool(a == b)


def _text(value: Any) -> str:
    return json.dumps(value, default=str, sort_keys=True)


def text_of(value: Any) -> str:
    """A value as one text that is equal for equal values: keys sorted, 21.0 as 21. Never raises."""
    try:
        return json.dumps(_even(value, 0), default=str, sort_keys=True, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return repr(value)


def _even(value: Any, depth: int) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, str):
        return value.strip()
    if depth > _DEEPEST:
        return value
    if isinstance(value, Mapping):
        return {str(key): _even(item, depth + 1) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_even(item, depth + 1) for item in value]
    return value


def leaves(value: Any, most: int = 256) -> frozenset[str]:
    """The single values in a JSON value, as texts, without their places; at most 256."""
    found: list[str] = []
    waiting: list[tuple[Any, int]] = [(value, 0)]
    while waiting and len(found) < most:
        item, depth = waiting.pop()
        if isinstance(item, Mapping) and depth < _DEEPEST:
            waiting.extend((one, depth + 1) for one in item.values() if one is not None)
        elif isinstance(item, list | tuple) and depth < _DEEPEST:
            waiting.extend((one, depth + 1) for one in item)
        elif item is not None:
            found.append(text_of(item).strip('"'))
    return frozenset(found)


def parts_of(messages: Iterable[Message]) -> list[Part]:
    """Messages as a flat list of what was said: how they were grouped, and the ids of calls, mean nothing.

    ``value`` is the text, for a call ``{"name", "arguments"}``, for what a tool answered that answer. Reasoning is
    left out: it is no message to anybody. Calls that were made together, and their answers, stand in one order.
    """
    found: list[Part] = []
    for message in messages:
        role = str(message.get("role") or "")
        for part in message.get("parts") or ():
            kind = part.get("type")
            if kind == "text":
                said = part.get("content")
                if said not in (None, ""):
                    found.append((role, "text", said))
            elif kind == "tool_call":
                call = {"name": part.get("name"), "arguments": parsed(part.get("arguments"))}
                found.append((role, "tool_call", call))
            elif kind == "tool_call_response":
                found.append(("tool", "answer", parsed(_answer(part.get("response")))))
            elif kind != "reasoning":
                found.append((role, str(kind), {k: v for k, v in part.items() if k not in ("id", "type")}))
    return [part for _, same_kind in groupby(found, lambda one: one[1]) for part in _settled_order(same_kind)]


def _settled_order(parts: Iterable[Part]) -> list[Part]:
    some = list(parts)
    if len(some) > 1 and some[0][1] in ("tool_call", "answer"):
        some.sort(key=lambda one: text_of(one[2]))
    return some


def _answer(value: Any) -> Any:
    """An answer out of the blocks of text that some providers put it in."""
    value = parsed(value)
    if isinstance(value, list) and value and all(
        isinstance(block, Mapping) and block.get("type") in ("text", "input_text", "output_text")
        and isinstance(block.get("text", block.get("content")), str) for block in value
    ):  # fmt: skip
        return "\n".join(block.get("text", block.get("content")) for block in value)
    return value
