"""An OTLP log record as it arrived, in OpenTelemetry's own words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tallystick.model.span import Attributes, Source


@dataclass(slots=True)
class LogRecord:
    """One log record. Ids are lower-case hex (32 and 16 digits) or empty, times nanoseconds since the epoch.

    ``at`` is when it happened; 0 where the sender does not say, then ``observed`` counts. ``severity`` is
    OpenTelemetry's number (1 to 24, errors from 17; 0 unset). ``body`` is text, a mapping, or any other value that an
    attribute may have. ``dropped`` counts attributes that the sender says it dropped.
    """

    trace: str
    span: str
    event: str
    at: int
    observed: int
    source: Source
    severity: int = 0
    severity_text: str = ""
    body: Any = None
    attributes: Attributes = field(default_factory=dict)
    dropped: int = 0
