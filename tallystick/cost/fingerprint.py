"""Prints of calls and results: what is the same but for the clock and for made-up ids.

Loops are judged by prints alone, so that the journal can keep the prints and anybody can judge again without the
contents. They are keyed: without the key, which is random and forgotten, nobody can guess a content from its print.

In a result every time stamp, UUID, epoch and hex address is masked. In arguments only what stands under a name
that means nothing to the tool (``request_id``, ``timestamp``, ``attempt`` …): an order number is no noise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
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
_LARGEST_PAGE: Final = 2**53 - 1  # JSON holds no larger number exactly


@dataclass(frozen=True, slots=True)
class CallPrint:
    """A call as loops see it: the tool's name, 16 bytes for tool and arguments, and which page it asks for.

    ``page`` is 16 bytes for everything but the page number, and the number; None when nothing looks like one.
    """

    tool: str
    call: bytes
    page: tuple[bytes, int] | None = None


@dataclass(frozen=True, slots=True)
class AnswerPrint:
    """What a call brought, as loops see it: 16 bytes, whether it failed, and whether it says nothing."""

    answer: bytes
    failed: bool
    nothing: bool


class Prints:
    """Makes prints with one key (at most 64 bytes). Prints of different keys cannot be compared."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def call(self, tool: str, arguments: Mapping[str, Any]) -> CallPrint:
        """The print of a call."""
        kept = {
            str(name): "~" if _VOLATILE.search(str(name).lower()) else value
            for name, value in arguments.items()
        }
        return CallPrint(tool, self._print(f"{tool}\0{_text(kept)}"), self._page(arguments))

    def answer(self, result: Any, error: str | None) -> AnswerPrint:
        """The print of what a call brought: its result, or its error."""
        text = f"error\0{error}" if error is not None else f"result\0{_text(result)}"
        size = len(text)
        if size > _LARGEST:
            text = f"{text[: _LARGEST // 2]}\0{size}\0{text[-_LARGEST // 2 :]}"
        return AnswerPrint(self._print(_NOISE.sub("~", text)), error is not None, says_nothing(result))

    def _page(self, arguments: Mapping[str, Any]) -> tuple[bytes, int] | None:
        found = [
            name for name, value in arguments.items()
            if str(name).lower() in _PAGE_NAMES and type(value) is int and abs(value) <= _LARGEST_PAGE
        ]  # fmt: skip
        if len(found) != 1:
            return None
        rest = {name: value for name, value in arguments.items() if name != found[0]}
        return self._print(_text(rest)), arguments[found[0]]

    def _print(self, text: str) -> bytes:
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=self._key).digest()


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


def _text(value: Any) -> str:
    """JSON with its keys in order where the value has one, else its text as Python writes it."""
    if isinstance(value, str):
        return value
    try:
        return _stable(value).decode("utf-8")
    except (TypeError, ValueError, RecursionError, OverflowError):
        return repr(value)
