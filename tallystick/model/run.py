"""A run: one execution toward a goal, summed up from its steps."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tallystick.model.usage import NO_USAGE, Usage


class RunStatus(StrEnum):
    """How a run stands or ended."""

    RUNNING = "running"
    OK = "ok"
    FAILED = "failed"
    STOPPED = "stopped"  # by a budget, the loop detector, or too many denials
    CRASHED = "crashed"
    UNKNOWN = "unknown"  # imported from a source that does not say


class Completeness(StrEnum):
    """Whether all that happened is here."""

    COMPLETE = "complete"
    LOSSY = "lossy"
    OPEN = "open"
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True)
class Run:
    """The summary row of a run.

    ``usage`` holds totals: a field is None as soon as one counted model call did not report it; ``usage_known``
    holds the sums of what was reported, ``usage_gaps`` the number of calls that reported no input or output
    tokens (a call that failed without usage is no gap: it was not billed). ``cost_nano`` sums the known charges;
    ``cost_gaps`` counts the steps whose cost is unknown.
    """

    run: str
    agent: str | None
    workflow: str | None
    goal: str | None
    status: RunStatus
    completeness: Completeness
    missing: int | None  # steps known to be missing; None when unknown
    steps: int
    errors: int
    model_calls: int
    tool_calls: int
    denials: int
    usage: Usage = NO_USAGE
    usage_known: Usage = NO_USAGE
    usage_gaps: int = 0
    cost_nano: int = 0
    cost_gaps: int = 0
    started: int = 0
    ended: int | None = None
    seen: int = 0  # when something of it last arrived (store clock)
    source: str = "otlp"  # otlp | sdk | tau-bench | who-and-when | langfuse
    stopped_by: str | None = None  # budget | loop | denials
    version: str | None = None  # label of the version of its agent, where its steps say it
    environment: str | None = None  # where it ran: production, dev, …
    archived: bool = False  # its steps are in the archive; its summary is here
    erased: bool = False  # its contents were removed on somebody's demand; what happened still stands

    @property
    def total_cost_nano(self) -> int | None:
        """The run's cost in nano-dollars, or None when any part of it is unknown."""
        return None if self.cost_gaps else self.cost_nano

    @property
    def token_gaps(self) -> int:
        """How many model calls, at least, did not report their tokens; 0 only when both totals are known."""
        unknown = self.usage.input_tokens is None or self.usage.output_tokens is None
        return max(self.usage_gaps, int(unknown))
