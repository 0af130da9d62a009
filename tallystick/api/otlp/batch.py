"""What reading one OTLP request gives, and the limits that both encodings share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tallystick.app.recording.record import Rejection
from tallystick.model.errors import BadInput
from tallystick.model.span import Span

MAX_DEPTH: Final = 64  # arrays and maps inside each other; deeper is an attack, not an attribute
NO_TRACE: Final = "0" * 32
NO_SPAN: Final = "0" * 16


@dataclass(slots=True)
class Batch:
    """The spans of one request in the order they came, and those that could not be read, with the reason."""

    spans: list[Span] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)


class Unreadable(BadInput):
    """One span cannot be read; it is rejected by name and the rest of its request goes on."""


def flaw_of_ids(trace: str, span: str) -> str | None:
    """Why a pair of hex ids cannot name a span, or None when it can."""
    if len(trace) != 32:
        return f"trace id has {len(trace) // 2} bytes instead of 16"
    if len(span) != 16:
        return f"span id has {len(span) // 2} bytes instead of 8"
    if trace == NO_TRACE:
        return "trace id is all zero"
    if span == NO_SPAN:
        return "span id is all zero"
    return None


def flaw_of_times(started: int, ended: int | None) -> str | None:
    """Why a start and an end (nanoseconds since the epoch) cannot be those of a span, or None."""
    if not 0 <= started < 2**63:
        return "start time is out of range"
    if ended is None:
        return None
    if ended >= 2**63:
        return "end time is out of range"
    if ended < started:
        return "end time is before the start"
    return None


def flaw_of_log_ids(trace: str, span: str) -> str | None:
    """Why the ids of a log record cannot be read, or None; both may be absent, or all zero."""
    if len(trace) not in (0, 32):
        return f"trace id has {len(trace) // 2} bytes instead of 16"
    if len(span) not in (0, 16):
        return f"span id has {len(span) // 2} bytes instead of 8"
    return None
