"""Cost by a key of which there are many: a reader gives a page, says how many rows there are, and sums up all."""

from __future__ import annotations

import pytest
from store_samples import START, Clock, Ids, pair

from tallystick.adapters.memory import MemoryControl
from tallystick.adapters.memory.traces import MemoryTraces
from tallystick.app.reading.read import Reader
from tallystick.model.errors import BadInput


@pytest.fixture
def reader():
    clock = Clock()
    clock.at = START + 10**15
    traces = MemoryTraces()
    traces.write(
        [pair(number, number, cost_nano=number, cost_gap="no price" if number == 5 else None, facts={"root": True})
         for number in range(1, 8)], at=clock.at,
    )  # fmt: skip
    return Reader(traces, MemoryControl(clock=clock, ids=Ids()), clock)


def test_sums_are_over_all_rows_and_more_leads_on(reader):
    first = reader.cost("run", limit=3)
    assert (first["total"], first["more"], len(first["rows"])) == (7, 3, 3)
    second = reader.cost("run", limit=3, after=first["more"])
    last = reader.cost("run", limit=3, after=second["more"])
    assert (last["more"], len(last["rows"])) == (None, 1)
    rows = [row for page in (first, second, last) for row in page["rows"]]
    costs = [row["cost_known_nano_usd"] for row in rows]
    assert costs == sorted(costs, reverse=True)
    assert len(costs) == 7
    for page in (first, second, last):
        assert page["known_nano_usd"] == sum(costs)
        assert page["gaps"] == sum(row["gaps"] for row in rows) > 0
        assert page["total_nano_usd"] is None
    assert reader.cost("run", after=70)["rows"] == []
    assert reader.cost("run", after=70)["more"] is None


@pytest.mark.parametrize(("limit", "after"), [(0, 0), (1_001, 0), (1, -1), (1, 2**53)])
def test_a_page_that_cannot_be_is_refused(reader, limit, after):
    with pytest.raises(BadInput):
        reader.cost("run", limit=limit, after=after)
