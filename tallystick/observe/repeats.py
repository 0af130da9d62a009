"""Which steps of a run repeat another one, so that each call is counted once.

Two instrumentors see one call, a framework's layer wraps the client's, a provider's own tracing runs beside
both. The spans are all kept and shown; all but one of them name the one that counts. The rules, in this
order:

Model steps: an outer layer (a model step with a model step inside it, no tool or agent between) repeats the
inner one, or the inner one the outer where only the outer knows its tokens; then equal response ids; then
twins (two scopes, the same stretch of time, nothing that contradicts). A derived session total counts only
alone.

Steps that stand for log records repeat the span that tells of the same call, see logged.py.

Tool steps: nested layers of one call; one call id seen by two scopes; a derived call gives way to a
recorded one with its call id, or to a recorded one of that name without any id, in order of time.

No contents are needed. Cost is linear in the steps, but for twins (sorted by time)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from tallystick.model.step import Kind, Step
from tallystick.observe.logged import is_log, logged
from tallystick.observe.orphans import derived_span_id

_WALLS: Final = frozenset({Kind.TOOL, Kind.AGENT, Kind.HANDOFF})  # what is inside these is another call
# Steps between an outer layer and what it wraps; a deeper, hostile chain must not cost more.
_FARTHEST: Final = 64
_TWIN_OVERLAP: Final = 0.5  # shared time over joint time
# The client's own count is the provider's; an instrumentor's may be its own sum.
_NATIVE: Final = "anthropic_sdk"


def repeats(steps: Sequence[Step]) -> dict[str, str]:
    """Span id -> span id of the step it repeats, for all steps of one run. The named step is never itself a
    repeat."""
    by_id = {step.span: step for step in steps}
    same: dict[str, str] = {}
    logs = [step for step in steps if is_log(step)]
    if logs:
        same.update(logged(logs, steps, by_id))
    models = [step for step in steps if step.kind is Kind.MODEL and step.span not in same]
    tools = [
        step
        for step in steps
        if (step.kind is Kind.TOOL or step.kind is Kind.HANDOFF) and step.span not in same
    ]
    if models:
        _model_repeats(models, by_id, same)
    if tools:
        _tool_repeats(tools, by_id, same)
    return {span: final for span in same if (final := _final(same, span)) != span}


def _final(same: Mapping[str, str], span: str) -> str:
    seen = {span}
    while span in same:
        span = same[span]
        if span in seen:
            return span
        seen.add(span)
    return span


def _model_repeats(models: list[Step], by_id: Mapping[str, Step], same: dict[str, str]) -> None:
    recorded = [step for step in models if not step.derived]
    inner: dict[str, list[Step]] = defaultdict(list)
    for step in recorded:
        outer = _ancestor(step, by_id, frozenset({Kind.MODEL}))
        if outer is not None and not outer.derived:
            inner[outer.span].append(step)
    for span in sorted(inner, key=lambda span: _order(by_id[span])):
        outer, children = by_id[span], inner[span]
        repeat, counted = span, min(children, key=_order).span
        if len(children) == 1 and _known(outer) > 0 and _known(children[0]) == 0:
            repeat, counted = counted, span
        if _final(same, counted) != repeat:  # parents that form a ring must not name each other
            same[repeat] = counted
    _by_response(_left(recorded, same), same)
    _twins(_left(recorded, same), same)
    totals = [step for step in models if step.derived]
    if totals:
        _session_totals(totals, _left(recorded, same), by_id, same)


def _left(steps: Iterable[Step], same: Mapping[str, str]) -> list[Step]:
    return [step for step in steps if step.span not in same]


def _order(step: Step) -> tuple[int, str]:
    return (step.started, step.span)


def _known(step: Step) -> int:
    usage = step.usage
    return sum(
        count is not None
        for count in (
            usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens,
            usage.reasoning_tokens,
        )
    )  # fmt: skip


def _best(steps: Iterable[Step]) -> Step:
    """The one to count: the client's own, then who knows most, then the earliest."""
    return min(steps, key=lambda s: (not (s.dialect == _NATIVE and _known(s)), -_known(s), s.started, s.span))


def _by_response(models: list[Step], same: dict[str, str]) -> None:
    groups: dict[str, list[Step]] = defaultdict(list)
    for step in models:
        if step.response_id:
            groups[step.response_id].append(step)
    for group in groups.values():
        if len(group) > 1:
            best = _best(group)
            for step in group:
                if step is not best:
                    same[step.span] = best.span


def _twins(models: list[Step], same: dict[str, str]) -> None:
    """Pair steps of different scopes that lasted as long, best overlap first, each at most once."""
    if len({step.scope for step in models}) < 2:
        return
    timed = sorted((s for s in models if s.ended is not None and s.ended > s.started > 0), key=_order)
    pairs: list[tuple[float, Step, Step]] = []
    open_steps: list[Step] = []
    for step in timed:
        open_steps = [other for other in open_steps if (other.ended or 0) > step.started][-64:]
        for other in open_steps:
            if other.scope != step.scope and _compatible(other, step):
                share = _share(other, step)
                if share >= _TWIN_OVERLAP:
                    pairs.append((share, other, step))
        open_steps.append(step)
    taken: set[str] = set()
    for _, one, two in sorted(pairs, key=lambda pair: (-pair[0], pair[1].span, pair[2].span)):
        if one.span not in taken and two.span not in taken:
            taken |= {one.span, two.span}
            best = _best((one, two))
            same[(two if best is one else one).span] = best.span


def _share(one: Step, two: Step) -> float:
    assert one.ended is not None
    assert two.ended is not None
    joint = max(one.ended, two.ended) - min(one.started, two.started)
    shared = min(one.ended, two.ended) - max(one.started, two.started)
    return shared / joint if joint else 0.0


def _compatible(one: Step, two: Step) -> bool:
    if one.response_id and two.response_id:
        return False  # equal ids were joined before: these are two calls
    if one.model and two.model and not (one.model.startswith(two.model) or two.model.startswith(one.model)):
        return False
    first, second = one.usage.input_tokens, two.usage.input_tokens
    return first is None or second is None or first == second


def _session_totals(
    totals: list[Step], recorded: list[Step], by_id: Mapping[str, Step], same: dict[str, str]
) -> None:
    if recorded:
        first = min(recorded, key=_order)
        for step in totals:
            same[step.span] = first.span
        return
    ordered = sorted(totals, key=_order)
    owners = {step.parent: step for step in reversed(ordered) if step.parent}
    for step in ordered:  # an outer agent's total holds the inner one's
        seen: set[str] = set()
        at = by_id.get(step.parent or "")
        while at is not None and at.parent and at.parent not in seen and len(seen) <= _FARTHEST:
            seen.add(at.parent)
            outer = owners.get(at.parent)
            if outer is not None and outer is not step and _final(same, outer.span) != step.span:
                same[step.span] = outer.span
                break
            at = by_id.get(at.parent)


def _ancestor(step: Step, by_id: Mapping[str, Step], kinds: frozenset[Kind]) -> Step | None:
    """The nearest step around this one of the kinds asked for; None once a tool, an agent or a handoff lies
    between."""
    seen = {step.span}
    parent = step.parent
    while parent is not None and parent not in seen and len(seen) <= _FARTHEST:
        seen.add(parent)
        at = by_id.get(parent)
        if at is None:
            return None
        if at.kind in kinds:
            return at
        if at.kind in _WALLS or at.kind is Kind.MODEL:
            return None
        parent = at.parent
    return None


def _tool_repeats(tools: list[Step], by_id: Mapping[str, Step], same: dict[str, str]) -> None:
    recorded = [step for step in tools if not step.derived]
    _nested_tools(recorded, by_id, same)
    _hosted_tools(recorded, same)
    _shared_calls(_left(recorded, same), same)
    derived = [step for step in tools if step.derived]
    if derived:
        _derived_tools(derived, recorded, same)


def _nested_tools(recorded: list[Step], by_id: Mapping[str, Step], same: dict[str, str]) -> None:
    """A framework's tool span around the runtime's or the MCP server's: the outer one has arguments and
    result."""
    for step in recorded:
        outer = _ancestor(step, by_id, frozenset({step.kind}))
        # a tool of one instrumentor inside the same tool is a call of its own, but for a protocol's two ends
        if (
            outer is not None
            and (outer.scope != step.scope or (outer.dialect == step.dialect == "mcp"))
            and _same_tool(outer, step)
        ):
            same[step.span] = outer.span


def _hosted_tools(recorded: list[Step], same: dict[str, str]) -> None:
    """A call served by an MCP server inside the agent's process: a root of another trace, within the call's time."""
    guests = [step for step in recorded if step.dialect == "mcp" and step.parent is None]
    for guest in guests:
        for step in recorded:
            if (
                step.dialect != "mcp"
                and step.span not in same
                and _same_tool(step, guest)
                and _during(step, guest)
            ):
                same[guest.span] = step.span
                break


def _during(outer: Step, inner: Step) -> bool:
    if outer.ended is None or inner.ended is None:
        return False
    return outer.started <= inner.started and inner.ended <= outer.ended


def _same_tool(outer: Step, inner: Step) -> bool:
    if not outer.tool or not inner.tool:
        return False
    if outer.call_id and inner.call_id:
        return outer.call_id == inner.call_id
    return outer.tool == inner.tool or outer.tool.endswith("__" + inner.tool)  # mcp__server__tool


def _shared_calls(recorded: list[Step], same: dict[str, str]) -> None:
    groups: dict[str, list[Step]] = defaultdict(list)
    for step in recorded:
        if step.call_id:
            groups[step.call_id].append(step)
    for group in groups.values():
        first = min(group, key=_order)
        for step in group:
            if step.scope != first.scope:  # the same scope twice is a retry, or a source that reuses ids
                same[step.span] = first.span


def _derived_tools(derived: list[Step], recorded: list[Step], same: dict[str, str]) -> None:
    by_call: dict[str, Step] = {}
    nameless: dict[str, list[Step]] = defaultdict(list)
    called = {step.span: step.call_id for step in recorded if step.call_id}
    for span, outer in same.items():
        if span in called:  # an outer layer without an id has the inner one's
            called.setdefault(outer, called[span])
    for step in sorted(recorded, key=_order):
        call = called.get(step.span)
        if call:
            by_call.setdefault(call, step)
        elif step.tool and step.span not in same:
            nameless[step.tool].append(step)
    groups: dict[str, list[Step]] = defaultdict(list)
    for step in sorted(derived, key=_order):
        groups[step.call_id or step.span].append(step)
    for call, group in groups.items():
        target = by_call.get(call)
        if target is None:
            free = nameless.get(group[0].tool or "")
            target = free.pop(0) if free else _from_history(group, derived_span_id(call))
        for step in group:
            if step is not target:
                same[step.span] = target.span


def _from_history(group: list[Step], history: str) -> Step:
    """The step that was read from a history has the result; a proposal has not."""
    return min(group, key=lambda step: (step.span != history, *_order(step)))
