"""The recording that is switched on in this process, if any."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from opentelemetry.trace import Tracer

from tallystick.ports import Clock, Ids
from tallystick.sdk.processor import RunProcessor
from tallystick.sdk.runtime import Guard
from tallystick.sdk.shipping import Shipper
from tallystick.sdk.spool import Spool


@dataclass(slots=True)
class Recording:
    """Everything that ``install`` put in place.

    ``contents``: whether arguments, results and messages are recorded. ``closed_reads``: whether a guard that fails
    also refuses tools with the effect ``read``. ``instrumentors``: what became of each instrumentor, by name.
    """

    tracer: Tracer
    provider: Any
    processor: RunProcessor
    spool: Spool
    clock: Clock
    ids: Ids
    shipper: Shipper | None = None
    guard: Guard | None = None
    agent: str | None = None
    workflow: str | None = None
    contents: bool = True
    closed_reads: bool = False
    instrumentors: dict[str, str] = field(default_factory=dict)


_current: Recording | None = None


def recording() -> Recording | None:
    """The recording in force, or None before ``install``."""
    return _current


def switch(to: Recording | None) -> Recording | None:
    """Put another recording in force; returns the one before."""
    global _current
    before, _current = _current, to
    return before
