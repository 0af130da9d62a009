"""Fingerprints of calls and results: what is the same but for the clock and for made-up ids.

In a result every time stamp, UUID, epoch and hex address is masked. In arguments only what stands under a name
that means nothing to the tool (``request_id``, ``timestamp``, ``attempt`` …): an order number is no noise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec

_stable: Final = msgspec.json.Encoder(order="deterministic").encode  # only ever compared in one process

_NOISE: Final = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"  # ISO 8601 date and time
    r"|\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"  # UUID
    r"|\b0x[0-9a-fA-F]{4,}\b"  # address
    r"|\b[0-9a-fA-F]{16,}\b"  # trace ids, digests
    r"|\b1[5-9]\d{8}(?:\d{3}){0,3}(?:\.\d+)?\b"  # epoch in s, ms, µs or ns, from 2017 on
)
_VOLATILE: Final = re.compile(
    r"(?:^|_)(?:request|idempotency|trace|span|correlation|nonce|timestamp|ts|now|attempt|attempts|retry|retries|"
    r"try|counter|seq|sequence|uuid|guid)(?:_(?:id|key|no|num|number|count|at|time))?$"
)
_PAGE_NAMES: Final = frozenset(
    {"page", "page_number", "pagenumber", "offset", "start", "skip", "from", "cursor", "index"}
)
_LARGEST: Final = 65_536  # characters of a result that are looked at (half from each end)


def call_print(tool: str, arguments: Mapping[str, Any]) -> bytes:
    """The fingerprint of a call: 16 bytes."""
    kept = {
        str(name): "~" if _VOLATILE.search(str(name).lower()) else value for name, value in arguments.items()
    }
    return _print(f"{tool}\0{_text(kept)}")


def result_print(result: Any, error: str | None) -> bytes:
    """The fingerprint of what a call brought: its result, or its error. 16 bytes."""
    text = f"error\0{error}" if error is not None else f"result\0{_text(result)}"
    size = len(text)
    if size > _LARGEST:
        text = f"{text[: _LARGEST // 2]}\0{size}\0{text[-_LARGEST // 2 :]}"
    return _print(_NOISE.sub("~", text))


def says_nothing(result: Any) -> bool:
    """Whether a result is empty: None, empty text or collection, or a mapping of such, with zeros beside them."""
    if isinstance(result, str):
        text = result.strip().lower()
        return text in ("", "[]", "{}", "null", "none") or (
            len(text) < 80 and _NOTHING.search(text) is not None
        )
    if isinstance(result, Mapping):
        empty = [says_nothing(value) for value in result.values()]
        zeros = [value is False or value == 0 for value in result.values()]
        return not empty or (any(empty) and all(map(max, empty, zeros)))
    return result is None or (isinstance(result, list | tuple | set | frozenset) and not result)


_NOTHING: Final = re.compile(
    r"^(?:no|0) (?:\w+ ){0,3}(?:results?|matches|hits|entries|records|rows|documents|found)\b"
    r"|^not found|^nothing (?:was )?found"
)


def paging_key(arguments: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """The arguments without the page number, then the page number; None when nothing looks like one."""
    found = [
        name for name, value in arguments.items()
        if str(name).lower() in _PAGE_NAMES and isinstance(value, int) and not isinstance(value, bool)
    ]  # fmt: skip
    if len(found) != 1:
        return None
    rest = {name: value for name, value in arguments.items() if name != found[0]}
    return _print(_text(rest)), arguments[found[0]]


def _print(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _text(value: Any) -> str:
    """JSON with its keys in order where the value has one, else its text as Python writes it."""
    if isinstance(value, str):
        return value
    try:
        return _stable(value).decode("utf-8")
    except (TypeError, ValueError, RecursionError, OverflowError):
        return repr(value)
