"""OTLP files: only told apart here. They go through the same decoder as what a sender posts."""

from __future__ import annotations

from typing import Final

NAME: Final = "otlp"
_SPANS: Final = (b'"resourceSpans"', b'"resource_spans"')
_LOGS: Final = (b'"resourceLogs"', b'"resource_logs"')


def encoding(content: bytes) -> str | None:
    """ "json" or "protobuf" for what looks like an OTLP request of traces or logs, else None.

    Protobuf has no mark of its own: field 1 of the request is a list of messages, so the first byte is 0x0A.
    """
    head = content.lstrip()[:1]
    if head == b"{":
        return "json" if holds_logs(content) or any(key in content for key in _SPANS) else None
    return "protobuf" if content[:1] == b"\x0a" else None


def holds_logs(content: bytes) -> bool:
    """Whether JSON is a request of logs; contents may say anything, so the keys at its head decide."""
    head = content[:4096]
    return any(key in head for key in _LOGS) and not any(key in head for key in _SPANS)


def detect(content: bytes) -> bool:
    """Whether the bytes look like an OTLP request of traces or logs, in either encoding."""
    return encoding(content) is not None
