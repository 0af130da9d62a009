"""How many runs were recorded whole, by agent and by day, on both stores."""

from __future__ import annotations

from typing import Any

import pytest
from store_samples import SECOND, START, pair

from tallystick.model.errors import BadInput
from tallystick.model.query import EVERYTHING, parse_query
from tallystick.ports import Wholeness

DAY = 86_400 * SECOND
LATE = START + 3 * DAY


def recorded(trace: int, agent: str | None, *, steps: int, here: int, at: int, ended: bool = True) -> list:
    root = {"root": True, "source": "sdk", **({"steps": steps, "status": "ok"} if ended else {})}
    run = f"{trace + 1:032x}"
    first = pair(
        trace,
        8 * trace,
        run=run,
        seq=1,
        facts=root,
        agent=agent,
        started=at,
        length=SECOND if ended else None,
    )
    return [
        first,
        *(pair(trace, 8 * trace + n, 8 * trace, run=run, seq=n + 1, started=at) for n in range(1, here)),
    ]


def filled(traces: Any) -> None:
    batch = [
        *recorded(0, "refunds", steps=3, here=3, at=START),
        *recorded(1, "refunds", steps=5, here=2, at=START + DAY),
        *recorded(2, "refunds", steps=0, here=1, at=START + DAY, ended=False),
        *recorded(3, "writer", steps=2, here=2, at=START + DAY),
        *recorded(4, None, steps=4, here=3, at=0),
    ]
    traces.write(batch, at=START + DAY)


def test_by_agent(traces: Any) -> None:
    filled(traces)
    assert list(traces.completeness("agent", EVERYTHING, now=LATE)) == [
        Wholeness("refunds", 3, 1, 1, 0, 1, 3, 1),
        Wholeness("writer", 1, 1, 0, 0, 0, 0, 0),
        Wholeness(None, 1, 0, 1, 0, 0, 1, 0),
    ]


def test_by_day_and_for_one_agent(traces: Any) -> None:
    filled(traces)
    rows = traces.completeness("day", parse_query("agent:refunds"), now=START + DAY)
    assert [(row.key, row.runs, row.complete, row.lossy, row.open) for row in rows] == [
        ("2023-11-14", 1, 1, 0, 0), ("2023-11-15", 2, 0, 1, 1),
    ]  # fmt: skip


def test_a_run_without_a_time_is_counted_where_it_arrived(traces: Any) -> None:
    filled(traces)
    days = [row.key for row in traces.completeness("day", EVERYTHING, now=LATE)]
    assert days == ["2023-11-14", "2023-11-15"]


def test_what_nobody_can_group_by_is_refused(traces: Any) -> None:
    with pytest.raises(BadInput, match="cannot be grouped by 'tool'"):
        traces.completeness("tool", EVERYTHING, now=LATE)


def test_an_empty_store_has_no_rows(traces: Any) -> None:
    assert list(traces.completeness("agent", EVERYTHING, now=LATE)) == []
