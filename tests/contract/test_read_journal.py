"""What the pages ask of the journal, over both control stores: entries newest first, and how far a run is recorded."""

from __future__ import annotations

from typing import Any

import pytest
from store_samples import Clock

from tallystick.adapters.memory.traces import MemoryTraces
from tallystick.app.reading import read
from tallystick.app.reading.read import Reader
from tallystick.model.errors import BadInput
from tallystick.model.journal import Draft

RUN, OTHER = "a" * 32, "b" * 32


@pytest.fixture
def reader(control: Any, clock: Clock) -> Reader:
    return Reader(MemoryTraces(), control, clock)


def accepted(run: str, first: int, count: int) -> Draft:
    body = {"run": run, "first": first, "count": count, "root": "0" * 64}
    return Draft("records.accepted", run, body, run=run)


def sealed(run: str, records: int) -> Draft:
    return Draft("run.sealed", run, {"run": run, "records": records}, run=run)


def test_entries_come_newest_first_and_page_to_the_first(reader: Reader, control: Any) -> None:
    assert reader.entries() == {"total": 0, "entries": []}
    control.append([accepted(RUN, n, 1) for n in range(7)])
    seen: list[int] = []
    before: int | None = None
    while rows := reader.entries(limit=3, before=before)["entries"]:
        seen += [row["seq"] for row in rows]
        before = seen[-1]
    assert seen == [7, 6, 5, 4, 3, 2, 1]
    assert reader.entries(limit=3, before=100)["entries"][0]["seq"] == 7
    assert reader.entries(before=1)["entries"] == []
    newest = reader.entries(limit=1)["entries"][0]
    assert (newest["kind"], newest["run"], newest["nth"]) == ("records.accepted", RUN, 7)
    for limit in (0, 1_001):
        with pytest.raises(BadInput):
            reader.entries(limit=limit)


def test_a_run_is_recorded_as_far_as_its_last_segment_and_its_newest_seal(
    reader: Reader, control: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reader.recorded(RUN) == {"run": RUN, "records": 0, "sealed": None}
    control.append([accepted(RUN, 0, 4), accepted(OTHER, 0, 9), accepted(RUN, 4, 2)])
    assert reader.recorded(RUN) == {"run": RUN, "records": 6, "sealed": None}
    first = control.append([sealed(RUN, 6)])[0]
    assert reader.recorded(RUN)["sealed"]["seq"] == first.seq
    control.append([accepted(RUN, 6, 1)])
    second = control.append([sealed(RUN, 7)])[0]
    monkeypatch.setattr(read, "PAGE", 1)  # more entries than fit on one page of the store
    found = reader.recorded(RUN)
    assert (found["records"], found["sealed"]["seq"], found["sealed"]["records"]) == (7, second.seq, 7)
    assert reader.recorded(OTHER)["records"] == 9
