"""A run's summary, counted from its steps.

A ``Tally`` is what a store keeps per run. Its sums can be added to and taken from, so that a batch of new steps costs
no reading of the old ones; where a step may repeat another one (two instrumentors, an outer layer, a message history)
the store counts the whole run anew with ``observe.repeats``. Both ways give the same tally, and tests hold them to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tallystick.model.run import Completeness, Run, RunStatus
from tallystick.model.step import Kind, Step, StepStatus
from tallystick.model.usage import NO_USAGE, Usage
from tallystick.observe.numbering import Legs, Numbered, count_leg, count_number
from tallystick.observe.parents import note_parents
from tallystick.observe.values import clean_text

_LAST = 2**62  # sorts a step without a sequence number after those that have one
SEEN_TYPES = ("agent", "tool", "model", "workflow")
PART_TYPES = (*SEEN_TYPES, "version", "subject", "conversation")
_MODEL, _TOOL, _AGENT, _HANDOFF, _ERROR = Kind.MODEL, Kind.TOOL, Kind.AGENT, Kind.HANDOFF, StepStatus.ERROR
_FREE = (False, 0, 0, 0, 0, 0)

Order = tuple[int, int, str, str]
PartKey = tuple[str, str]


@dataclass(slots=True)
class Part:
    """What one agent, tool, model, workflow or version ("agent@label") did in one run, or what was done in it for one
    subject or in one conversation. Times are nanoseconds, 0 when none was recorded."""

    steps: int = 0
    errors: int = 0
    cost_nano: int = 0
    cost_gaps: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    token_gaps: int = 0  # model calls that did not report theirs
    first: int = 0
    last: int = 0


@dataclass(slots=True)
class Root:
    """What a root step says of its run. ``rank``: 0 marked by SDK or importer, 1 without a parent, 2 a log record."""

    rank: int
    order: Order
    agent: str | None
    workflow: str | None
    status: str
    ended: bool
    outcome: str | None = None  # tallystick.run.status
    stopped_by: str | None = None
    expected: int | None = None  # the last sequence number that was given out
    process: str | None = None
    strange: bool = False  # it is numbered, and of another trace than the run began with


@dataclass(slots=True)
class Tally:
    """The sums of a run. Everything up to ``lost`` is additive; the rest only grows."""

    steps: int = 0
    running: int = 0
    running_calls: int = 0  # model calls begun and not ended
    errors: int = 0
    denials: int = 0
    model_calls: int = 0
    tool_calls: int = 0
    usage: list[int] = field(default_factory=lambda: [0] * 5)  # sums of what was reported
    unreported: list[int] = field(
        default_factory=lambda: [0] * 5
    )  # ended model calls that did not report the field
    usage_gaps: int = 0
    # totals that agent steps report for a whole session
    session: list[int] = field(default_factory=lambda: [0] * 5)
    session_reports: list[int] = field(default_factory=lambda: [0] * 5)
    cost_nano: int = 0
    cost_gaps: int = 0
    seqs: int = 0
    dropped: int = 0
    lost: int = 0
    max_seq: int = 0
    started: int = 0
    ended: int = 0
    root: Root | None = None  # the first root
    last_root: Root | None = None  # the last one: with several roots, how the run ended
    agent: tuple[Order, str] | None = None  # the first agent seen
    workflow: tuple[Order, str] | None = None
    goal: tuple[Order, str] | None = None
    source: tuple[Order, str] | None = None
    missing: set[str] = field(default_factory=set)  # trace + span of parents that have not come
    call_scope: str | None = None  # the one scope that model calls came from so far
    tool_scope: str | None = None  # … and tool calls
    recount: bool = False  # steps of this run may repeat one another: count from the rows
    created: int = 0  # store clock when the run was first seen
    seen: int = 0  # … and last touched
    version: tuple[Order, str] | None = None  # the first label of an agent's version
    environment: tuple[Order, str] | None = None
    numbered: Numbered = field(default_factory=dict)
    uncounted: int = 0  # steps that came since a large run was counted anew
    legs: Legs = field(default_factory=dict)
    beside: int = (
        0  # parents that have not come and that the store keeps beside the tally, because they are many
    )


def order_of(step: Step) -> Order:
    """The place of a step in its run: start time, then sequence number, then ids."""
    return (step.started, _LAST if step.seq is None else step.seq, step.trace, step.span)


def add(
    tally: Tally, parts: dict[PartKey, Part], step: Step, before: Step | None = None, *, home: str = ""
) -> None:
    """Count a step of run ``home`` into a tally and its parts; ``before`` is the start record that it replaces.

    A replaced record must agree with its successor in ``started`` and in the names that parts are kept by (see
    ``recount.recount_needed``), otherwise the run has to be counted anew.
    """
    if before is not None:
        _count(tally, parts, before, -1)
    _count(tally, parts, step, 1)
    _place(tally, step, home)


def _count(tally: Tally, parts: dict[PartKey, Part], step: Step, sign: int) -> None:
    """Add (or with ``sign`` -1 take) what is additive. Runs for every step that is ingested."""
    kind, ended = step.kind, step.ended
    tally.steps += sign
    if ended is None:
        tally.running += sign
    if step.seq is not None:
        tally.seqs += sign
        count_number(tally.numbered, step.origin, sign, 0)
    if step.dropped:
        tally.dropped += sign * step.dropped
    if step.facts is not None:
        tally.lost += sign * _whole(step.facts.get("lost"))
        if "leg" in step.facts:
            count_leg(tally.legs, step, sign)
            count_number(tally.numbered, step.origin, 0, sign * _whole(step.facts.get("leg_steps")))
        if not step.derived and "steps" in step.facts:  # a process says how many steps it gave numbers to
            count_number(tally.numbered, step.origin, 0, sign * _whole(step.facts["steps"]))
    error = False
    cost = gap = tokens_in = tokens_out = token_gap = 0
    if step.same_as is None:
        error = step.status == _ERROR
        if error:
            tally.errors += sign
        if step.decision == "deny":
            tally.denials += sign
        if step.cost_nano is not None:
            cost = step.cost_nano
            tally.cost_nano += sign * cost
        elif step.cost_gap is not None:
            gap = 1
            tally.cost_gaps += sign
        if kind is _MODEL:
            if ended is not None:
                tokens_in, tokens_out = step.usage.input_tokens or 0, step.usage.output_tokens or 0
            token_gap = _count_call(tally, step, sign)
        elif kind is _TOOL:
            tally.tool_calls += sign
        elif kind is _AGENT:
            _count_session(tally, step.usage, sign)
    _count_parts(parts, step, sign, (error, cost, gap, tokens_in, tokens_out, token_gap))


def _count_call(tally: Tally, step: Step, sign: int) -> int:
    """Count a model call; 1 when it has ended and did not say how many tokens it used, else 0."""
    tally.model_calls += sign
    if step.ended is None:
        tally.running_calls += sign
        return 0
    counts = _NOTHING if step.usage is NO_USAGE else _counts(step.usage)
    if counts == _NOTHING and step.status in (_ERROR, StepStatus.STOPPED):
        return 0  # a call that failed without usage was not billed
    sums, unreported = tally.usage, tally.unreported
    index = 0
    for count in counts:
        if count is None:
            unreported[index] += sign
        elif count:
            sums[index] += sign * count
        index += 1  # noqa: SIM113 - half the time of enumerate
    if counts[0] is not None and counts[1] is not None:
        return 0
    tally.usage_gaps += sign
    return 1


def _count_session(tally: Tally, usage: Usage, sign: int) -> None:
    if usage is NO_USAGE:
        return
    for index, count in enumerate(_counts(usage)):
        if count is not None:
            tally.session[index] += sign * count
            tally.session_reports[index] += sign


_Counts = tuple[int | None, int | None, int | None, int | None, int | None]
_NOTHING: _Counts = (None, None, None, None, None)


def _counts(usage: Usage) -> _Counts:
    return (
        usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens,
        usage.reasoning_tokens,
    )  # fmt: skip


def _count_parts(
    parts: dict[PartKey, Part], step: Step, sign: int, sums: tuple[bool, int, int, int, int, int]
) -> None:
    first = step.started
    last = first if step.ended is None else step.ended
    keys: list[PartKey] = []
    if step.agent is not None:
        keys.append(("agent", step.agent))
    if step.workflow is not None:
        keys.append(("workflow", step.workflow))
    if step.kind is _MODEL and step.model is not None:
        keys.append(("model", step.model))
    elif step.tool is not None and step.kind is not _HANDOFF:  # a retrieval may be a tool's work too
        keys.append(("tool", step.tool))
    if step.version is not None and step.agent is not None:
        keys.append(("version", f"{step.agent}@{step.version}"))
    if step.subject is not None:
        keys.append(("subject", step.subject))
    if step.conversation is not None:
        keys.append(("conversation", step.conversation))
    for key in keys:
        part = parts.get(key)
        if part is None:
            part = parts[key] = Part()
        part.steps += sign
        if sums != _FREE:
            error, cost, gap, tokens_in, tokens_out, token_gap = sums
            part.errors += sign * error
            part.cost_nano += sign * cost
            part.cost_gaps += sign * gap
            part.input_tokens += sign * tokens_in
            part.output_tokens += sign * tokens_out
            part.token_gaps += sign * token_gap
        if sign > 0:
            if first and (not part.first or first < part.first):
                part.first = first
            if last > part.last:
                part.last = last


def _place(tally: Tally, step: Step, home: str) -> None:
    """Take what a step says of its run as a whole."""
    started = step.started
    until = started if step.ended is None else step.ended
    if started and (not tally.started or started < tally.started):
        tally.started = started
    if until > tally.ended:
        tally.ended = until
    if step.seq is not None and step.seq > tally.max_seq:
        tally.max_seq = step.seq
    facts = step.facts
    order: Order | None = None
    if step.agent is not None and (tally.agent is None or step.started <= tally.agent[0][0]):
        order = order_of(step)
        tally.agent = _earlier(tally.agent, order, step.agent)
    if step.workflow is not None and (tally.workflow is None or step.started <= tally.workflow[0][0]):
        order = order or order_of(step)
        tally.workflow = _earlier(tally.workflow, order, step.workflow)
    if step.version is not None and (tally.version is None or step.started <= tally.version[0][0]):
        order = order or order_of(step)
        tally.version = _earlier(tally.version, order, step.version)
    if step.environment is not None and (
        tally.environment is None or step.started <= tally.environment[0][0]
    ):
        order = order or order_of(step)
        tally.environment = _earlier(tally.environment, order, step.environment)
    if facts is not None:
        order = order or order_of(step)
        if isinstance(facts.get("goal"), str):
            tally.goal = _earlier(tally.goal, order, facts["goal"])
        if isinstance(facts.get("source"), str):
            tally.source = _earlier(tally.source, order, facts["source"])
    if step.parent is None or facts is not None:
        _place_root(tally, step, facts or {}, home)


def _earlier(held: tuple[Order, str] | None, order: Order, text: str) -> tuple[Order, str]:
    return (order, text) if held is None or order <= held[0] else held


def _place_root(tally: Tally, step: Step, facts: Mapping[str, object], home: str) -> None:
    marked = bool(facts.get("root"))
    if (
        not marked and step.seq is None
    ):  # else: the last step of a process that took part in another one's run
        marked = facts.get("status") is not None or facts.get("steps") is not None
    if step.derived or not (marked or step.parent is None):
        return
    rank = 0 if marked else 2 if "log" in facts else 1
    root = Root(
        rank, order_of(step), step.agent, step.workflow, str(step.status), step.ended is not None,
        clean_text(facts.get("status")), clean_text(facts.get("stopped_by")),
        _whole(facts["steps"]) if facts.get("steps") is not None else None, clean_text(facts.get("process")),
        step.seq is not None and step.trace != home != "",
    )  # fmt: skip
    held, last = tally.root, tally.last_root
    if held is None or (root.rank, root.strange, root.order) <= (held.rank, held.strange, held.order):
        if held is not None and held.order == root.order and root.process is None:
            root.process = held.process
        tally.root = root
    place = (
        root.rank,
        root.strange,
    )  # the SDK names a run after its trace: whoever joins it later is not its root
    if (
        last is None
        or place < (last.rank, last.strange)
        or (place == (last.rank, last.strange) and root.order >= last.order)
    ):
        tally.last_root = root


def _whole(value: object) -> int:
    """A count from a sender: anything but a number of at least zero counts as zero, bounded for the database."""
    return min(value, 2**40) if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def count_all(steps: Iterable[Step], like: Tally, home: str = "") -> tuple[Tally, dict[PartKey, Part]]:
    """Count run ``home`` anew; ``like`` gives what rows do not know (when it came, what kinds of calls it had)."""
    tally = Tally(
        created=like.created,
        seen=like.seen,
        recount=like.recount,
        call_scope=like.call_scope,
        tool_scope=like.tool_scope,
    )
    parts: dict[PartKey, Part] = {}
    every = list(steps)
    for step in every:
        add(tally, parts, step, home=home)
    note_parents(tally, every, ())
    return tally, parts


def run_of(run: str, tally: Tally, completeness: Completeness, status: RunStatus, missing: int | None) -> Run:
    """The summary that people read. Calls that were cut off by a crash are gaps, because nobody knows their cost."""
    root = tally.root
    cut_off = tally.running_calls if completeness in (Completeness.CRASHED, Completeness.LOSSY) else 0
    totals: list[int | None] = [
        None if gaps or cut_off else total for total, gaps in zip(tally.usage, tally.unreported, strict=True)
    ]
    known: list[int | None] = [
        None if gaps and not total else total
        for total, gaps in zip(tally.usage, tally.unreported, strict=True)
    ]
    if not tally.model_calls and any(
        tally.session_reports
    ):  # only session totals are known: better than nothing
        known = [
            total if reports else None
            for total, reports in zip(tally.session, tally.session_reports, strict=True)
        ]
        totals = list(known)
    source = tally.source[1] if tally.source else "otlp"
    # A foreign trace without one model call: its instrumentation does not see them, so nobody knows what was used.
    blind = source == "otlp" and not tally.model_calls and None not in totals
    if blind and not any(totals):
        totals, known = [None] * 5, [None] * 5
        cut_off = max(cut_off, 1)
    done = completeness is not Completeness.OPEN and bool(tally.ended)
    return Run(
        run=run,
        agent=(root.agent if root else None) or (tally.agent[1] if tally.agent else None),
        workflow=(root.workflow if root else None) or (tally.workflow[1] if tally.workflow else None),
        goal=tally.goal[1] if tally.goal else None,
        status=status, completeness=completeness, missing=missing,
        steps=tally.steps, errors=tally.errors, model_calls=tally.model_calls, tool_calls=tally.tool_calls,
        denials=tally.denials, usage=Usage(*totals), usage_known=Usage(*known),
        usage_gaps=tally.usage_gaps + cut_off, cost_nano=tally.cost_nano, cost_gaps=tally.cost_gaps + cut_off,
        started=tally.started, ended=tally.ended if done else None, seen=tally.seen,
        source=source,
        stopped_by=root.stopped_by if root else None,
        version=tally.version[1] if tally.version else None,
        environment=tally.environment[1] if tally.environment else None,
    )  # fmt: skip
