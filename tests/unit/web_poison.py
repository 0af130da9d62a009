"""Hostile text in every place where a stored text may stand; what is ours (ids, times, closed words) stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_CLOSED = {
    "seq",
    "at",
    "run",
    "step",
    "parent",
    "trace",
    "started",
    "ended",
    "requested",
    "expires",
    "answered",
    "approval",
    "state",
    "first",
    "last",
    "same_as",
    "kind",
    "completeness",
    "type",
    "digest",
    "definition",
    "against",
    "decided",
    "used",
    "granted_since",
    "last_used",
    "claimed",
    "trust",
    "since",
    "id",
    "how",
    "from",
    "to",
}


def poison(value: Any, taint: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return taint(value)
    if isinstance(value, dict):
        for key in list(value):
            if key not in _CLOSED:
                value[key] = (
                    taint("nothing")
                    if value[key] is None and key not in _QUIET
                    else poison(value[key], taint)
                )
        return value
    if isinstance(value, list):
        return [poison(item, taint) for item in value]
    return value


_QUIET = {
    "edits",
    "retry",
    "guardrail",
    "first_chunk_ns",
    "attempt",
    "value",
    "signals",
    "missing",
    "duration_ns",
    "cost_nano_usd",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "seq",
    "started_ns",
    "usage",
}
