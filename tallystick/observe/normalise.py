"""From a span to a step: the mapped columns, by the dialect's table. Runs for every span that is ingested.

No message is parsed here, but for spans that stand alone (no parent, no stamped run): a provider's
instrumentor makes one trace of every model call, and only ids inside the messages say which calls belong
together, and only the message history says which tools ran in between (see orphans.py)."""

from __future__ import annotations

from typing import Any, Final

from tallystick.model.attributes import AGENT, CLAIMED, PROCESS, STOPPED
from tallystick.model.span import Attributes, Span
from tallystick.model.step import Effect, EffectOutcome, Kind, Step, StepStatus
from tallystick.model.usage import NO_USAGE, Usage
from tallystick.observe.dialects import reader_for
from tallystick.observe.dialects.canonical import FACTS, FRAMEWORKS, OPERATIONS, SERVICES, VERDICTS
from tallystick.observe.dialects.dialect import (
    COUNT,
    FLAG,
    PROVIDER,
    TEXT,
    TEXTS,
    VERDICT,
    Dialect,
    Found,
    Plan,
    Reader,
)
from tallystick.observe.dialects.pydantic_ai import PENDING, started_span
from tallystick.observe.marks import offered_mark, prompt_mark
from tallystick.observe.messages import messages_of
from tallystick.observe.numbering import mark_of
from tallystick.observe.orphans import derived_tools, orphan_links, session_total
from tallystick.observe.ties import exchange_of, ties_of
from tallystick.observe.values import LONGEST, TOP, clean_count, clean_text, encodable

SHORTEST_ID: Final = 8  # shorter ids ("1", "t1") are not unique enough to join traces by
_PLANS: Final = 2_048  # key sets remembered for each dialect
_PLANNED_KEYS: Final = 48
_MOST_TEXTS: Final = 64

_KINDS: Final = {kind.value: kind for kind in Kind}
_EFFECTS: Final = {effect.value: effect for effect in Effect}
_OUTCOMES: Final = {outcome.value: outcome for outcome in EffectOutcome}
_DECISIONS: Final = frozenset({"allow", "deny", "hold", "not evaluated"})
_OTHER, _MODEL, _TOOL, _AGENT, _HANDOFF = Kind.OTHER, Kind.MODEL, Kind.TOOL, Kind.AGENT, Kind.HANDOFF
_DECISION: Final = Kind.DECISION
_OK, _ERROR, _DENIED, _UNKNOWN = StepStatus.OK, StepStatus.ERROR, StepStatus.DENIED, StepStatus.UNKNOWN
_FACT_KEYS: Final = FACTS.keys()
_ENVIRONMENT: Final = "deployment.environment.name"
_OLD_ENVIRONMENT: Final = "deployment.environment"


def read_span(span: Span) -> list[tuple[Step, Span]]:
    """Map one span. The first item is the span's own step; derived steps may follow, each with a span made
    for it.

    Never raises for anything an attribute may hold: a value of the wrong shape is unknown, not zero and not
    an error."""
    reader = reader_for(span)
    if PENDING in span.attributes:
        span = started_span(span)
    plan = _plan(span.attributes, reader)
    found = _find(span, reader.dialect, plan)
    step = _step(span, reader.dialect, found, plan.facts)
    if step.kind is _MODEL:
        step.prompt, step.offered = prompt_mark(span, reader), offered_mark(span.attributes, reader)
    pairs = [(step, span)]
    if step.ended is None or step.derived:
        return pairs
    dialect = reader.dialect
    if step.kind is _MODEL:
        if step.run is None and (span.parent is None or dialect.history):
            history = messages_of(span, reader, "input_messages")
            answer = messages_of(span, reader, "output_messages")
            links, made = derived_tools(span, history, answer)
            if span.parent is None:
                step.links += links
                step.ties = ties_of(step, span, None, exchange_of(history, answer))
            for extra in made:
                pairs += read_span(extra)
        return pairs
    if span.parent is None or step.kind is _AGENT:
        step.ties = ties_of(step, span, found.get("op"))
    if step.kind is _AGENT and span.source.scope in dialect.session_totals:
        usage, _ = _usage(found, dialect)
        pairs += read_span(session_total(span, found, usage))
    return pairs


def _find(span: Span, dialect: Dialect, plan: Plan) -> Found:
    """Pick the columns out of the attributes; of several names for one column the best ranked usable value
    wins."""
    found: Found = {}
    attributes = span.attributes
    for key, column in plan.texts:
        value = attributes[key]
        # the common case first: short ASCII text needs no cleaning
        if type(value) is not str or not value or len(value) > LONGEST or not value.isascii():
            value = clean_text(value)
            if value is None:
                continue
        found[column] = value
    for key, column in plan.counts:
        value = attributes[key]
        if type(value) is not int or not 0 <= value < TOP:
            value = clean_count(value)
            if value is None:
                continue
        found[column] = value
    for key, column, shape in plan.others:
        value = attributes[key]
        value = _OTHERS[shape](value)
        if value is not None:
            found[column] = value
    found["kind"] = _kind(found, dialect)
    if dialect.refine is not None:
        dialect.refine(span, found)
    return found


def mapped_from(span: Span) -> dict[str, str]:
    """Which attribute each column was read from: column -> attribute key. What code and not a table read (a
    dialect's ``refine``), and what the resource says, is not in it."""
    reader = reader_for(span)
    plan = _plan(span.attributes, reader)
    found: dict[str, str] = {}
    for key, column in plan.texts:
        if clean_text(span.attributes[key]) is not None:
            found[column] = key
    for key, column in plan.counts:
        if clean_count(span.attributes[key]) is not None:
            found[column] = key
    for key, column, shape in plan.others:
        if _OTHERS[shape](span.attributes[key]) is not None:
            found[column] = key
    return found


def _plan(attributes: Attributes, reader: Reader) -> Plan:
    """The look-ups for one set of keys, worst rank first so that the best is written last.

    An instrumentor sends the same keys again and again: the plan is kept, within bounds, because keys come
    from strangers."""
    plans = reader.plans
    keys = tuple(attributes)
    plan = plans.get(keys)
    if plan is None:
        known = reader.keys
        hits = [(key, *known[key]) for key in keys if key in known]
        hits.sort(key=lambda hit: -hit[2])
        plan = Plan(
            tuple((key, column) for key, column, _, shape in hits if shape == TEXT),
            tuple((key, column) for key, column, _, shape in hits if shape == COUNT),
            tuple((key, column, shape) for key, column, _, shape in hits if shape not in (TEXT, COUNT)),
            not _FACT_KEYS.isdisjoint(keys),
        )
        if len(keys) <= _PLANNED_KEYS:
            if len(plans) >= _PLANS:
                plans.clear()
            plans[keys] = plan
    return plan


def _flag(value: Any) -> bool | None:
    return value is True or None


def _texts(value: Any) -> tuple[str, ...] | None:
    """A list of short texts: at most 64, in order, none twice."""
    if not isinstance(value, list | tuple):
        value = (value,)
    some = [text for one in value[:_MOST_TEXTS] if (text := clean_text(one)) is not None]
    return tuple(dict.fromkeys(some)) or None


def _provider(value: Any) -> str | None:
    name = clean_text(value)
    if name is None:
        return None
    name = name.lower()
    return None if name in FRAMEWORKS else SERVICES.get(name, name)


def _verdict(value: Any) -> str | None:
    """allow or deny, where a guardrail's word is known."""
    if isinstance(value, bool):
        return "deny" if value else "allow"
    return VERDICTS.get(value.strip().lower()) if isinstance(value, str) else None


_OTHERS: Final = {PROVIDER: _provider, FLAG: _flag, TEXTS: _texts, VERDICT: _verdict}


def _kind(found: Found, dialect: Dialect) -> Kind:
    kind = _KINDS.get(found.get("kind", ""))
    if kind is not None:
        return kind
    kind = OPERATIONS.get(found.get("op", ""))
    if kind is not None:
        return kind
    named = found.get("span_kind")
    if named is not None:
        kind = dialect.kinds.get(named)
        if kind is None:  # "AgentOpsSpanKindValues.TOOL", "llm" for "LLM"
            tail = named.rpartition(".")[2]
            kind = dialect.kinds.get(tail.lower()) or dialect.kinds.get(tail.upper())
        return kind or _OTHER
    if "tool" in found and "model" not in found:
        return _TOOL
    if "model" in found and ("input" in found or "output" in found):
        return _MODEL
    return _OTHER


def _step(span: Span, dialect: Dialect, found: Found, has_facts: bool) -> Step:
    kind: Kind = found["kind"]
    get = found.get
    usage, exclusive = _usage(found, dialect) if kind is _MODEL else (NO_USAGE, False)
    outcome: EffectOutcome | None = None
    decision = effect = error = facts = None
    if "decision" in found or "effect" in found or "outcome" in found:
        outcome = _OUTCOMES.get(found.get("outcome", ""))
        effect = _EFFECTS.get(get("effect", ""))
        decision = found["decision"] if get("decision") in _DECISIONS else None
    elif kind is _DECISION:
        decision = get("verdict")
    agent, workflow = get("agent"), get("workflow")
    if agent is not None and get("op") == "invoke_workflow" and AGENT not in span.attributes:
        agent, workflow = None, workflow or agent  # the workflow's name stands where an agent's does
    derived = "derived" in found
    status = get("status") or _status(span, derived, decision, outcome)
    cost = get("cost")
    if cost is None and kind is _TOOL and "tool_price" in found and _ran(span, status, outcome):
        cost = found["tool_price"]
    if has_facts:
        facts = _facts(span)
    if status is _ERROR:
        error = get("error") or _error(span)
    name, scope = span.name, span.source.scope
    resource = span.source.resource
    environment = origin = None
    claimed = False
    if resource:
        claimed = resource.get(CLAIMED) is True
        if "seq" in found:
            told = resource.get(PROCESS)
            origin = mark_of(told) if type(told) is str and told else None
        environment = resource.get(_ENVIRONMENT) or resource.get(_OLD_ENVIRONMENT)
    return Step(
        span.trace, span.span, span.parent, get("run"), kind,
        name if len(name) <= LONGEST and name.isascii() else clean_text(name) or "",
        status, span.started, span.ended,
        scope if len(scope) <= LONGEST and scope.isascii() else clean_text(scope) or "",
        dialect.name, get("seq"), agent, workflow, error, get("provider"), get("model"),
        get("response_id"), usage, exclusive, cost, None,
        get("tool") if kind is _TOOL or kind is _HANDOFF or "gen_ai.tool.name" in span.attributes else None,
        get("call_id"), effect, outcome, decision,
        () if "run" in found else _links(span, kind, dialect, found), None, derived, span.dropped, facts,
        get("version"), get("classes", ()), None, None,
        get("environment") if environment is None else clean_text(environment), get("subject"), get("conversation"),
        origin, claimed,
    )  # fmt: skip


def _ran(span: Span, status: StepStatus, outcome: EffectOutcome | None) -> bool:
    return span.ended is not None and status is not _DENIED and outcome is not EffectOutcome.DID_NOT_HAPPEN


def _status(span: Span, derived: bool, decision: str | None, outcome: EffectOutcome | None) -> StepStatus:
    if decision == "deny":
        return _DENIED
    if span.ended is None:
        return StepStatus.HELD if decision == "hold" else StepStatus.RUNNING
    if decision == "hold" and outcome is EffectOutcome.DID_NOT_HAPPEN:
        return _DENIED
    if span.status == 2:
        return _ERROR
    if STOPPED in span.attributes:
        return StepStatus.STOPPED
    return _UNKNOWN if derived else _OK


def _usage(found: Found, dialect: Dialect) -> tuple[Usage, bool]:
    """Tokens in the inclusive sense. Cached counts above the input prove that the sender left them out of
    it."""
    get = found.get
    given = get("input")
    output, reasoning = get("output"), get("reasoning")
    read, write = get("cache_read"), get("cache_write")
    if given is None and output is None and read is None and write is None and reasoning is None:
        return NO_USAGE, False
    exclusive = False
    cached = (read or 0) + (write or 0)
    if given is not None and cached and (dialect.exclusive_input or cached > given):
        given += cached
        exclusive = True
        if given >= TOP:
            given = None
    if output is not None and reasoning is not None and reasoning > output:
        output += reasoning  # the same proof for reasoning: a part cannot exceed its whole
        if output >= TOP:
            output = None
    return Usage(given, output, read, write, reasoning), exclusive


def _links(span: Span, kind: Kind, dialect: Dialect, found: Found) -> tuple[str, ...]:
    conversation = found.get("conversation")
    links: tuple[str, ...] = ()
    if conversation is not None and len(conversation) >= SHORTEST_ID:
        links = ("conversation:" + conversation,)
    if span.parent is None:
        links += orphan_links(kind, found)
    if dialect.follow_links:
        if span.parent is None:
            links += ("trace:" + span.trace,)
        links += tuple("trace:" + link.trace for link in span.links[:16])
    return links


def _facts(span: Span) -> dict[str, Any] | None:
    facts: dict[str, Any] = {}
    attributes = span.attributes
    for key in _FACT_KEYS & attributes.keys():
        name, shape = FACTS[key]
        value = attributes[key]
        if shape == "flag":
            if value is True or value == "true":
                facts[name] = True
        elif shape == "count":
            number = clean_count(value)
            if number is not None:
                facts[name] = number
        elif type(value) is str and value:
            facts[name] = encodable(value)  # a goal is shown whole, so it is not cut like a column
    return facts or None


def _error(span: Span) -> str | None:
    for event in span.events:
        if event.name == "exception":
            named = clean_text(event.attributes.get("exception.type"))
            if named is not None:
                return named
    return clean_text(span.status_message.strip()[:200]) if type(span.status_message) is str else None
