"""The shapes of the JSON API, from which its OpenAPI document is made. Times are RFC 3339 UTC text, money integer
nano-dollars, unknown is null. The read model fills them in (``reading.read``); a test holds its answers against them.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict


class UsageShape(TypedDict):
    """Tokens; input includes cached, output includes reasoning."""

    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None


class RunShape(TypedDict):
    """One run. ``cost_nano_usd`` is null as soon as a part is unknown; ``cost_known_nano_usd`` sums what is known."""

    run: str
    agent: str | None
    workflow: str | None
    goal: str | None
    status: Literal["running", "ok", "failed", "stopped", "crashed", "unknown"]
    completeness: Literal["complete", "lossy", "open", "crashed"]
    missing: int | None
    steps: int
    errors: int
    model_calls: int
    tool_calls: int
    denials: int
    usage: UsageShape
    usage_known: UsageShape
    usage_gaps: int
    cost_nano_usd: int | None
    cost_known_nano_usd: int
    cost_gaps: int
    started: str | None
    ended: str | None
    duration_ns: int | None
    seen: str | None
    source: str
    stopped_by: str | None
    version: str | None
    environment: str | None
    archived: bool
    erased: bool


class RunsShape(TypedDict):
    """A page of runs, newest first; ``total`` counts all that match, or as many as were looked for (``at_least``)."""

    total: int
    at_least: bool
    runs: list[RunShape]


class MatchShape(TypedDict):
    """Where a text was said; ``at`` and ``length`` are its place in the snippet, in characters."""

    step: str
    field: str
    snippet: str
    at: int
    length: int


class MatchesShape(TypedDict):
    """Matches in one run; ``more`` is a cursor, or null at the end."""

    run: str
    query: str
    matches: list[MatchShape]
    searched: int
    more: str | None


class StepShape(TypedDict):
    """One step. ``same_as`` names the step that it repeats; such a step is shown and never counted."""

    step: str
    parent: str | None
    trace: str
    kind: str
    name: str
    agent: str | None
    status: str
    arguments: Any
    result: Any
    output: Any
    usage: UsageShape
    cost_nano_usd: int | None
    cost_gap: str | None
    started: str | None
    ended: str | None
    duration_ns: int | None
    decision: str | None
    tool: str | None
    call_id: str | None
    model: str | None
    provider: str | None
    error: str | None
    effect: str | None
    outcome: str | None
    seq: int | None
    same_as: str | None
    derived: bool
    environment: str | None
    subject: str | None
    conversation: str | None


class TotalsShape(TypedDict):
    """Sums over a run's steps, repeats left out."""

    steps: int
    model_calls: int
    tool_calls: int
    errors: int
    denials: int
    usage: UsageShape
    usage_known: UsageShape
    usage_gaps: int
    cost_nano_usd: int | None
    cost_known_nano_usd: int
    cost_gaps: int


class RunDetailShape(TypedDict):
    """One run with its steps and totals."""

    run: RunShape
    steps: list[StepShape]
    totals: TotalsShape


class ColumnsShape(TypedDict):
    """A run's steps as equally long columns, root first, depth first; ``parent`` is an index or -1."""

    step: list[str]
    parent: list[int]
    depth: list[int]
    kind: list[str]
    name: list[str]
    agent: list[str | None]
    status: list[str]
    started_ns: list[int | None]
    duration_ns: list[int | None]
    cost_nano_usd: list[int | None]
    tokens: list[int | None]
    decision: list[str | None]
    same_as: list[Any]


class SkeletonShape(TypedDict):
    """A run without contents, for the tree."""

    run: RunShape
    columns: ColumnsShape


class StepDetailShape(StepShape):
    """A step with its contents and the original span's facts."""

    input_messages: Any
    output_messages: Any
    system: Any
    tool_definitions: Any
    documents: Any
    plan: Any
    handoff: Any
    retry: Any
    guardrail: Any
    first_chunk_ns: int | None
    parameters: Any
    reasoning: Any
    goal: Any
    input: Any
    stacktrace: Any
    attributes: dict[str, Any]
    resource: dict[str, Any]
    events: list[dict[str, Any]]
    links: list[dict[str, Any]]
    dropped: int
    scope: str
    dialect: str
    mapped_from: dict[str, str]


class SpendShape(TypedDict):
    """Cost by one key; ``key`` is null for what names none."""

    key: str | None
    cost_nano_usd: int | None
    cost_known_nano_usd: int
    gaps: int
    steps: int
    runs: int
    input_tokens: int | None
    output_tokens: int | None
    token_gaps: int


class CostShape(TypedDict):
    """Cost by one key, dearest first; the sums are over all rows, and null when a part of them is unknown."""

    by: str
    total_nano_usd: int | None
    known_nano_usd: int
    gaps: int
    total: int
    more: int | None
    rows: list[SpendShape]


class GivenShape(TypedDict):
    """One person's yes to a question that asks several."""

    by: str
    at: str
    note: str | None


class ApprovalShape(TypedDict):
    """One held action and people's answers to it; ``facts`` are what was known of its values."""

    approval: str
    state: Literal["waiting", "approved", "rejected", "expired", "consumed", "edited"]
    run: str
    agent: str
    tool: str
    arguments: Any
    group: str | None
    because: str | None
    requested: str
    expires: str
    answered: str | None
    by: str | None
    note: str | None
    decision: str
    quorum: int
    given: list[GivenShape]
    apart: list[str]
    asks: str | None
    rules: list[str]
    facts: Any
    editable: bool
    groups: dict[str, int]
    lacking: list[str]
    edits: Any


class ApprovalsShape(TypedDict):
    """Approvals, newest first."""

    approvals: list[ApprovalShape]


class CheckpointShape(TypedDict):
    """A signed head of the journal; ``at`` is when its last entry was written, ``witnesses`` who co-signed it."""

    size: int
    root: str
    at: str | None
    witnesses: list[str]


class WitnessShape(TypedDict):
    """A witness; ``size`` is what it co-signed last, ``outside`` that somebody else runs it."""

    name: str
    url: str
    outside: bool
    state: Literal["waiting", "signed", "failed", "fork"]
    size: int
    error: str | None


class ExportShape(TypedDict):
    """A place outside the store that gets every checkpoint."""

    target: str
    state: Literal["waiting", "written", "failed"]
    error: str | None


class LampsShape(TypedDict):
    """Nothing was changed (integrity), nothing was taken away or shown otherwise to others (completeness)."""

    integrity: Literal["unchecked", "holds", "broken"]
    completeness: Literal["grey", "green", "red"]
    why: str
    integrity_why: str
    completeness_why: str


class JournalShape(TypedDict):
    """The journal: its head, its key and who vouches for it."""

    origin: str | None
    size: int
    root: str
    key: str | None
    checkpoints: list[CheckpointShape]
    witnesses: list[WitnessShape]
    exports: list[ExportShape]
    lamps: LampsShape


class VerifyStepShape(TypedDict):
    """One part of a verification; ``count`` is how many things were checked, or where the finding is."""

    step: str
    state: Literal["holds", "finding", "not checked"]
    detail: str
    count: int


class VerifyShape(TypedDict):
    """A verification and the lamps after it."""

    steps: list[VerifyStepShape]
    lamps: LampsShape


class HealthShape(TypedDict):
    """The server answers."""

    status: Literal["ok"]


class ErrorBody(TypedDict):
    """What went wrong, and what to do next."""

    code: str
    message: str
    hint: str | None
    detail: dict[str, Any]


class ErrorShape(TypedDict):
    """The one shape of every error."""

    error: ErrorBody
