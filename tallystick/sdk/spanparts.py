"""The parts of an OpenTelemetry span as records of the spool hold them (frames.py)."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, Span

from tallystick.model.masking import mask
from tallystick.sdk.masking import suspicious


def attributes_of(span: ReadableSpan | Span) -> dict[str, Any]:
    """A fresh plain dict of a span's attributes; the public mapping's own copy() is ten times cheaper than dict()."""
    found: Any = span.attributes
    try:
        copied = found.copy()
    except AttributeError:  # an older or foreign mapping without copy(), or none at all
        copied = found or {}
    return copied if type(copied) is dict else dict(copied)


def events_of(events: Any) -> list[tuple[str, int, dict[str, Any]]]:
    """``[name, at, attributes]`` for each event; credentials with a shape are masked."""
    found = []
    for event in events:
        attributes = dict(event.attributes or {})
        if suspicious(attributes.values()):
            attributes = mask(attributes)
        found.append((event.name, event.timestamp, attributes))
    return found


def scope_of(span: Any) -> str:
    """What made the span."""
    scope = span.instrumentation_scope
    return scope.name if scope else ""


def link_of(link: Any) -> tuple[bytes, bytes, dict[str, Any]]:
    """``[trace, span, attributes]``; ids are raw bytes."""
    context = link.context
    return (
        context.trace_id.to_bytes(16, "big"),
        context.span_id.to_bytes(8, "big"),
        dict(link.attributes or {}),
    )
