"""OTLP files: only told apart here. They go through the same decoder as what a sender posts."""

from __future__ import annotations

from typing import Final

NAME: Final = "otlp"


def encoding(content: bytes) -> str | None:
    """ "json" or "protobuf" for what looks like an OTLP trace request, else None.

    Protobuf has no mark of its own: field 1 of the request is a list of messages, so the first byte is 0x0A.
    """
    head = content.lstrip()[:1]
    if head == b"{":
        return "json" if b'"resourceSpans"' in content or b'"resource_spans"' in content else None
    return "protobuf" if content[:1] == b"\x0a" else None


def detect(content: bytes) -> bool:
    """Whether the bytes look like an OTLP trace request, in either encoding."""
    return encoding(content) is not None
