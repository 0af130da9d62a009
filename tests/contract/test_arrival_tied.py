"""Any order, repetition and splitting of spans that no id joins gives the same runs, on both stores.

What is joined by its contents, its time and its process (observe/tying.py) may be parted again by a span that comes
late. The world is small, so that the same is said, made and asked for again and again.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_arrival import answers

from tallystick.adapters.memory.traces import MemoryTraces
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.api.otlp import read_protobuf
from tallystick.model.query import EVERYTHING
from tallystick.model.span import Source, Span
from tallystick.model.step import Step
from tallystick.observe.normalise import read_span

MINUTE = 60_000_000_000
START = 1_700_000_000_000_000_000
LATER = START + 10**6 * MINUTE
SHARED = Path(
    os.environ.get("TALLYSTICK_SHARED_DATA") or Path(__file__).resolve().parents[2].parent / "shared" / "data"
)
DUMPS = sorted(
    file for file in (SHARED / "framework-spans").glob("*.pb") if not file.stem.endswith(("logs", "metrics"))
)
Spans = list[Span]
Groups = list[list[tuple[Step, Span]]]


def span(number: int, start: int, length: int, parent: bool = False, **attributes: Any) -> Span:
    trace = f"{number + 1:032x}"
    own = f"{number + 1:016x}"
    begun = START + start * MINUTE
    source = Source(
        {"service.instance.id": "p"}, "mcp-python-sdk" if "mcp.method.name" in attributes else "s"
    )
    return Span(
        f"{number // 2 * 2 + 1:032x}" if parent else trace, own, f"{number // 2 * 2 + 1:016x}" if parent else None,
        "span", begun, begun + length * MINUTE // 2, source, attributes=attributes,
    )  # fmt: skip


@st.composite
def spans(draw: st.DrawFn, number: int) -> Span:
    start, length = draw(st.integers(0, 30)), draw(st.integers(0, 40))
    what = draw(st.sampled_from(["request", "root", "made", "model", "stamped"]))
    if what == "request":
        method = draw(
            st.sampled_from(["initialize", "tools/list", "tools/call", "notifications/initialized"])
        )
        more = {"jsonrpc.request.id": draw(st.integers(0, 3))}
        return span(number, start, length % 3, **{"mcp.method.name": method}, **more)
    if what == "made":
        return span(number, start, 0, **{"gen_ai.operation.name": "create_agent", "gen_ai.agent.name": "x"})
    if what == "model":
        depth = draw(st.integers(0, 2))
        said = [
            {"role": role, "parts": [{"type": "text", "content": "hm"}]} for role in ("user", "assistant")
        ]
        more = {"gen_ai.input.messages": json.dumps([*said * depth, said[0]])}
        if draw(st.integers(0, 4)):
            more["gen_ai.output.messages"] = json.dumps([said[1]])
        if draw(st.integers(0, 4)) == 0:
            more["gen_ai.response.id"] = f"resp-{draw(st.integers(0, 1))}xxxxxx"
        return span(
            number, start, 1, **{"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}, **more
        )
    more = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "x"}
    if what == "stamped":
        more["tallystick.run.id"] = f"{number // 2 + 200:032x}"
    return span(number, start, length, number % 2 == 1 and draw(st.booleans()), **more)


@st.composite
def worlds(draw: st.DrawFn) -> Spans:
    return [draw(spans(number)) for number in range(draw(st.integers(1, 12)))]


def check(groups: Groups, seed: int, sizes: list[int], twice: int) -> None:
    """Groups of steps (of one span each) come in some order and splitting, and make what all at once make."""
    whole = MemoryTraces()
    whole.write([pair for group in groups for pair in group], at=START)
    expected = answers(whole, LATER)
    chance = random.Random(seed)
    arriving = [*groups, *chance.choices(groups, k=twice)]
    chance.shuffle(arriving)
    with tempfile.TemporaryDirectory() as folder:
        disk = SqliteTraces(Path(folder) / "traces.db")
        stores: list[Any] = [MemoryTraces(), disk]
        place = turn = 0
        while place < len(arriving):
            size = sizes[turn % len(sizes)]
            batch = [pair for group in arriving[place : place + size] for pair in group]
            for store in stores:
                store.write(batch, at=START)
            place, turn = place + size, turn + 1
        for store in stores:
            assert answers(store, LATER) == expected
            assert list(store.flaws()) == []
            for run in store.runs(EVERYTHING, now=LATER).runs:
                steps = {(step.trace, step.span) for step in store.steps(run.run)}
                records = {(one.trace, one.span) for one in store.records(run.run) if one.replaced_by is None}
                assert steps <= records
            store.close()


order = {
    "seed": st.integers(0, 2**32),
    "sizes": st.lists(st.integers(1, 5), min_size=1, max_size=3),
    "twice": st.integers(0, 4),
}


@settings(max_examples=25, deadline=None)
@given(world=worlds(), **order)
def test_what_comes_late_takes_back_what_it_must(
    world: Spans, seed: int, sizes: list[int], twice: int
) -> None:
    check([read_span(one) for one in world], seed, sizes, twice)


@pytest.mark.skipif(not DUMPS, reason="the recorded framework spans are not here (TALLYSTICK_SHARED_DATA)")
@settings(max_examples=8, deadline=None)
@given(dump=st.integers(0, max(0, len(DUMPS) - 1)), **order)
def test_every_recorded_framework_is_the_same_run_however_it_came(
    dump: int, seed: int, sizes: list[int], twice: int
) -> None:
    read = read_protobuf(DUMPS[dump].read_bytes()).spans
    check([read_span(one) for one in read], seed, [size * 4 for size in sizes], twice)
