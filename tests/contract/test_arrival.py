"""Any permutation, duplication and splitting of a run's batches gives the same run, on both stores.

The world is one that a recorder can make: one process numbers steps and writes start records before ends, another
instrumentor sees the same calls under another scope, steps are derived from a message history, and links join traces.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from store_samples import SECOND, START, pair

from tallystick.adapters.memory.traces import MemoryTraces
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.model.query import EVERYTHING
from tallystick.model.span import Span
from tallystick.model.step import Kind, Step
from tallystick.model.usage import Usage

RUN = f"{1:032x}"
LATER = START + 10**6 * SECOND
Pairs = list[tuple[Step, Span]]


def recorded(count: int, lost: set[int], late: set[int]) -> Pairs:
    """A run of the SDK: a root, ``count`` calls, a start record for the root and for the calls in ``late``."""
    own: dict[str, Any] = {"run": RUN, "origin": 7, "agent": "refunds"}
    root = {"root": True, "source": "sdk", "goal": "sell"}
    ended = {**root, "steps": count + 1, "status": "ok"}
    made = [
        pair(0, 0, facts=root, seq=1, length=None, **own),
        pair(0, 0, facts=ended, seq=1, length=90 * SECOND, **own),
    ]
    for number in range(1, count + 1):
        kind = Kind.TOOL if number % 3 == 0 else Kind.MODEL
        more: dict[str, Any] = {**own, "kind": kind, "seq": number + 1, "started": START + number * SECOND}
        if kind is Kind.TOOL:
            more |= {"tool": "look", "call_id": f"call-{number}"}
        else:
            more |= {"model": "m", "usage": Usage(3, 1), "cost_nano": 5, "response_id": f"resp-{number}"}
        if number in late:
            made.append(pair(0, number, 0, length=None, **{**more, "usage": Usage(), "cost_nano": None}))
        if number not in lost:
            made.append(pair(0, number, 0, **more))
    return made


def doubled(count: int) -> Pairs:
    """The same model calls as a second instrumentor saw them, and tool calls read out of a message history."""
    made = []
    for number in range(1, count + 1):
        begun = START + number * SECOND
        if number % 3:
            made.append(pair(
                0, 100 + number, 0, run=RUN, kind=Kind.MODEL, scope="other", started=begun, model="m",
                usage=Usage(3, 1), cost_nano=5, response_id=f"resp-{number}",
            ))  # fmt: skip
        else:
            made.append(pair(
                0, 100 + number, 0, run=RUN, kind=Kind.TOOL, scope="other", started=begun, tool="look",
                call_id=f"call-{number}", derived=True,
            ))  # fmt: skip
    return made


def linked(count: int) -> Pairs:
    """Traces without a stamp that one conversation after the other joins: a chain, so that merges come late."""
    return [
        pair(
            10 + number, 200 + number, kind=Kind.MODEL, model="m", usage=Usage(1, 1), cost_nano=2,
            started=START + number * SECOND, links=(f"conversation:{number}", f"conversation:{number + 1}"),
        )
        for number in range(count)
    ]  # fmt: skip


def answers(store: Any, now: int = LATER) -> list[Any]:
    """What a store says of its runs; ids of runs that links joined depend on who came first, and are left out."""
    found = []
    for run in store.runs(EVERYTHING, now=now).runs:
        steps = sorted(
            (step.trace, step.span, step.same_as, step.ended, step.cost_nano) for step in store.steps(run.run)
        )
        summary = [getattr(run, name) for name in run.__slots__ if name not in ("run", "seen", "archived")]
        found.append((steps, summary))
    parts = [list(store.sightings(kind)) for kind in ("agent", "tool", "model")]
    return [
        sorted(found, key=repr),
        parts,
        [(row.key, row.cost_nano) for row in store.spend("model", EVERYTHING, now=now)],
    ]


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 9), seed=st.integers(0, 2**32), sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    lost=st.sets(st.integers(1, 9), max_size=2), late=st.sets(st.integers(1, 9), max_size=3),
    two=st.booleans(), chain=st.integers(0, 4), twice=st.integers(0, 5),
)  # fmt: skip
def test_the_order_the_split_and_repeats_of_arrival_decide_nothing(
    count: int, seed: int, sizes: list[int], lost: set[int], late: set[int], two: bool, chain: int, twice: int
) -> None:
    records = [*recorded(count, lost, late), *(doubled(count) if two else []), *linked(chain)]
    whole = MemoryTraces()
    whole.write(records, at=START)
    expected = answers(whole)
    chance = random.Random(seed)
    arriving = [*records, *chance.choices(records, k=twice)]
    chance.shuffle(arriving)
    with tempfile.TemporaryDirectory() as folder:
        stores = [MemoryTraces(), SqliteTraces(Path(folder) / "traces.db")]
        place = turn = 0
        while place < len(arriving):
            size = sizes[turn % len(sizes)]
            for store in stores:
                store.write(arriving[place : place + size], at=START)
            place, turn = place + size, turn + 1
        for store in stores:
            assert answers(store) == expected
            store.close()
    run = whole.run(RUN, now=LATER)
    gone = len({number for number in lost if number <= count})
    assert (run.missing, run.completeness) == (gone, "lossy" if gone else "complete")
