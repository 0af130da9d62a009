"""The shapes of answers about the record itself: how whole it is, and how the server stands."""

from __future__ import annotations

from typing import Literal, TypedDict


class WholenessRow(TypedDict):
    """How the runs of one agent or day stand."""

    key: str | None
    runs: int
    complete: int
    lossy: int
    open: int
    crashed: int
    missing: int
    missing_unknown: int


class WholenessShape(TypedDict):
    """How many runs were recorded whole."""

    by: Literal["agent", "day"]
    rows: list[WholenessRow]


class IngestShape(TypedDict):
    """What this server has counted since it started."""

    accepted: int
    repeats: int
    rejected: int
    dropped: int
    requests: int
    refused_requests: int
    commits: int
    faults: int


class PendingShape(TypedDict):
    """What waits for the writer now."""

    requests: int
    bytes: int


class RejectedShape(TypedDict):
    """Spans refused for one reason."""

    reason: str
    count: int


class DroppedShape(TypedDict):
    """What was dropped in one place for one reason."""

    where: str
    why: str
    count: int
    since: str | None


class IndexedShape(TypedDict):
    """The change up to which everything is indexed, and how many runs are behind it."""

    revision: int
    behind: int


class LossShape(TypedDict):
    """What came in and what was lost, since the store was made."""

    accepted: int
    repeats: int
    rejected: list[RejectedShape]
    dropped: list[DroppedShape]
    watermark: int
    indexed: IndexedShape


class DoctorShape(TypedDict):
    """How the server stands. ``watermark`` is the store's newest cursor: everything accepted up to it is readable."""

    version: str
    ingest: IngestShape
    pending: PendingShape
    watermark: int
    listeners: int
    loss: LossShape | None
