"""A span as it arrived: OpenTelemetry's own words, untouched.

The store keeps this whole, so that a better reading of it can be applied to old data. What Tallystick makes
of it is a ``Step`` (see step.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

# A value is text, a boolean, an integer, a float, bytes, None, or a list or mapping of values.
Attributes: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """A span event. ``at`` is nanoseconds since the epoch."""

    name: str
    at: int
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Link:
    """A pointer to another span (hex ids)."""

    trace: str
    span: str
    attributes: Attributes = field(default_factory=dict)


@dataclass(slots=True)
class Source:
    """Who sent a span: its resource and instrumentation scope, shared by many spans."""

    resource: Attributes = field(default_factory=dict)
    scope: str = ""
    scope_version: str = ""
    schema_url: str = ""


@dataclass(slots=True)
class Span:
    """One span. Ids are lower-case hex (32 and 16 digits), times nanoseconds since the epoch.

    ``ended`` is None in a start record: the step has begun and its end has not arrived. Not frozen only
    because freezing costs three microseconds a span at ingest; nobody changes one after it was made.
    """

    trace: str
    span: str
    parent: str | None
    name: str
    started: int
    ended: int | None
    source: Source
    kind: int = 0  # opentelemetry.proto.trace.v1.Span.SpanKind
    status: int = 0  # 0 unset, 1 ok, 2 error
    status_message: str = ""
    attributes: Attributes = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()
    dropped: int = 0  # attributes, events and links that the sender says it dropped
