"""Steps and spans made by hand for the store tests."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from tallystick.model.span import Event, Link, Source, Span
from tallystick.model.step import Kind, Step, StepStatus
from tallystick.model.usage import NO_USAGE, Usage

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
SOURCE = Source({"service.name": "shop"}, "test.scope", "1")


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.at = 1_700_000_000 * 10**9

    def now(self) -> int:
        return self.at


class Ids:
    """Ids that count."""

    def __init__(self) -> None:
        self.count = 0

    def new(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}_{self.count:06}"

    def salt(self) -> bytes:
        return self.new("salt").encode().ljust(16, b"-")


def trace_id(number: int) -> str:
    return f"{number + 1:032x}"


def span_id(number: int) -> str:
    return f"{number + 1:016x}"


def pair(
    trace: int,
    span: int,
    parent: int | None = None,
    *,
    run: str | None = None,
    kind: Kind = Kind.OTHER,
    started: int | None = None,
    length: int | None = SECOND,
    name: str = "step",
    status: StepStatus = StepStatus.OK,
    attributes: dict | None = None,
    source: Source = SOURCE,
    scope: str = "test.scope",
    events=(),
    span_links=(),
    **more,
) -> tuple[Step, Span]:
    """A step with the span it came from; ``length=None`` makes a start record."""
    begun = START + span * SECOND if started is None else started
    ended = None if length is None else begun + length
    ids = (trace_id(trace), span_id(span), None if parent is None else span_id(parent))
    if ended is None:
        status = StepStatus.RUNNING
    step = Step(*ids, run, kind, name, status, begun, ended, scope, "canonical", **more)
    return step, Span(
        *ids, name, begun, ended, source, attributes=attributes or {}, events=events, links=span_links
    )


def said(number: int, text: str, *, trace: int | None = None, **more):
    """A model step that was told a text, in a run of its own."""
    messages = json.dumps([{"role": "user", "parts": [{"type": "text", "content": text}]}])
    attributes = {"gen_ai.input.messages": messages, **more.pop("attributes", {})}
    return pair(number if trace is None else trace, number, kind=Kind.MODEL, attributes=attributes, **more)


_TEXTS = st.text(st.characters(codec="utf-8"), max_size=400) | st.sampled_from(
    ["[" + "1, " * 200 + "1]", "x" * 300]
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXTS | st.binary(max_size=600),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_ASKED = st.fixed_dictionaries({}, optional={
    "note": st.sampled_from(["red", "blue", ["red", 5]]), "size": st.integers(2, 5) | st.just("3.5"),
    "gen_ai.evaluation.name": st.just("good"), "gen_ai.evaluation.score.value": st.sampled_from([0.2, 0.9]),
    "gen_ai.evaluation.score.label": st.sampled_from(["pass", "fail"]),
})  # fmt: skip
ATTRIBUTES = st.builds(
    dict.__or__,
    st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), _VALUES, max_size=4),
    st.just({}) | _ASKED,
)
_COUNTS = st.none() | st.integers(0, 50)


@st.composite
def records(draw) -> tuple[Step, Span]:
    """One record out of a small world, so that repeats, merges and start records come up often."""
    trace, span = draw(st.integers(0, 3)), draw(st.integers(0, 7))
    parent = draw(st.none() | st.integers(0, 7).filter(lambda number: number != span))
    kind = draw(st.sampled_from([Kind.MODEL, Kind.TOOL, Kind.AGENT, Kind.OTHER]))
    facts: dict = {}
    if draw(st.booleans()):
        facts = draw(st.fixed_dictionaries({}, optional={
            "root": st.just(True), "goal": st.sampled_from(["sell", "Buy"]), "steps": st.integers(1, 9),
            "status": st.sampled_from(["ok", "failed", "stopped"]), "alive": st.integers(1, 5),
            "lost": st.integers(1, 2), "source": st.just("sdk"), "process": st.sampled_from(["live", "dead", "far"]),
        }))  # fmt: skip
    usage = NO_USAGE
    if kind is not Kind.TOOL and draw(st.booleans()):
        usage = Usage(draw(_COUNTS), draw(_COUNTS), draw(_COUNTS), None, draw(_COUNTS))
    cost = draw(st.none() | st.integers(0, 10**6))
    return pair(
        trace, span + 8 * trace, None if parent is None else parent + 8 * trace,
        run=draw(st.sampled_from([None, None, None, "run-a", "run-b"])), kind=kind,
        started=draw(st.sampled_from([0, START, START + SECOND, START + 2 * SECOND])),
        length=draw(st.sampled_from([None, 0, SECOND, 3 * SECOND])),
        status=draw(st.sampled_from([StepStatus.OK, StepStatus.ERROR, StepStatus.UNKNOWN])),
        scope=draw(st.sampled_from(["one", "one", "two"])), name=draw(st.sampled_from(["chat", "look up"])),
        attributes=draw(ATTRIBUTES), seq=draw(st.none() | st.integers(1, 9)),
        agent=draw(st.sampled_from([None, "refunds", "Writer"])), workflow=draw(st.sampled_from([None, "support"])),
        model=draw(st.sampled_from([None, "m1", "m2"])), tool=draw(st.sampled_from([None, "t1", "t2"])),
        response_id=draw(st.sampled_from([None, None, "r1", "r2"])), usage=usage, cost_nano=cost,
        cost_gap="no price" if cost is None and kind is Kind.MODEL and draw(st.booleans()) else None,
        decision=draw(st.sampled_from([None, "allow", "deny"])),
        links=tuple(draw(st.lists(st.sampled_from(["conversation:1", "conversation:2", "call:x"]), max_size=2))),
        origin=draw(st.sampled_from([None, None, 7, 9])),
        derived=draw(st.sampled_from([False, False, False, True])), dropped=draw(st.sampled_from([0, 0, 3])),
        facts=facts or None, version=draw(st.sampled_from([None, "1.0", "2.0"])),
        environment=draw(st.sampled_from([None, "dev", "production"])),
        subject=draw(st.sampled_from([None, None, "ann", "böb"])), conversation=draw(st.sampled_from([None, "talk-1"])),
        events=(Event("said", 5, {"text": "hello" * 80}),) if draw(st.booleans()) else (),
        span_links=(Link(trace_id(9), span_id(9)),) if draw(st.booleans()) else (),
    )  # fmt: skip
