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


class ReachedShape(TypedDict):
    """The change up to which something was done, and how many runs are behind it."""

    revision: int
    behind: int


class IndexedShape(TypedDict):
    """The change up to which everything is indexed, and how many runs are behind it; each index by itself."""

    revision: int
    behind: int
    uses: ReachedShape
    texts: ReachedShape


class UnattestedShape(TypedDict):
    """What the journal does not hold yet: records, and ended runs that are not sealed as they stand."""

    records: int
    runs: int


class AgedShape(TypedDict):
    """The last pass that archived, deleted or tidied: when, how many runs, and why it failed."""

    what: str
    at: str
    runs: int
    error: str | None


class AgingShape(TypedDict):
    """How archiving and deleting stand. ``able``: what archiving needs is installed; ``due``: runs that wait for it."""

    able: bool
    hot_days: int
    due: int | None
    rules: int
    last: list[AgedShape]


class LossShape(TypedDict):
    """What came in and what was lost, since the store was made."""

    accepted: int
    repeats: int
    rejected: list[RejectedShape]
    dropped: list[DroppedShape]
    watermark: int
    indexed: IndexedShape
    unattested: UnattestedShape
    aging: AgingShape | None


class DoctorShape(TypedDict):
    """How the server stands. ``watermark`` is the store's newest cursor: everything accepted up to it is readable."""

    version: str
    ingest: IngestShape
    pending: PendingShape
    watermark: int
    listeners: int
    loss: LossShape | None
