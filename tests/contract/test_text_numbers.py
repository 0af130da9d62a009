"""Attributes that are compared: the least and the most of a run say it, whatever came in how many passes."""

from __future__ import annotations

import operator
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_samples import SECOND, START, Clock, pair, said

from tallystick.adapters.memory.traces import MemoryTraces
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.app.recording.texts import TextIndexer
from tallystick.model.query import parse_query
from tallystick.model.span import Source

NOW = START + 1000 * SECOND
OPS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
EDGES = [0, 5, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1]
NUMBERS = st.sampled_from(EDGES) | st.integers(-9, 9) | st.floats(allow_nan=False)
WRITTEN = st.builds(str, NUMBERS.filter(lambda one: one not in (float("inf"), float("-inf"))))
OTHERS = st.sampled_from([True, "red", "", "nan", "-nan", "1_", "0x5", "5 apples", None, 10**30, "9" * 300])
VALUES = NUMBERS | WRITTEN | OTHERS | st.lists(NUMBERS | OTHERS, max_size=3)


def found(store, text: str, *, index: bool = True) -> set[int]:
    clock = Clock()
    clock.at = NOW
    if index:
        assert TextIndexer(store, clock).index_due().faults == ()
    page = store.runs(parse_query(text), now=NOW)
    assert not page.at_least
    return {int(run.run, 16) - 1 for run in page.runs}


def numbers(value) -> list[float]:
    """What of an attribute is a number, by its meaning and not by the code that is tested."""
    if isinstance(value, list):
        return [number for one in value for number in numbers(one) if not isinstance(one, list)]
    if isinstance(value, bool) or value is None:
        return []
    if isinstance(value, int):
        return [value if -(2**63) < value < 2**63 else float(value)] if abs(value) < 2**64 else []
    if isinstance(value, str):
        try:
            value = float(value) if len(value) <= 256 else float("nan")
        except ValueError:
            return []
    return [] if value != value else [value]


@settings(max_examples=25, deadline=None)
@given(
    passes=st.lists(st.lists(st.tuples(st.integers(0, 2), VALUES), max_size=4), min_size=1, max_size=3),
    limit=st.sampled_from([*map(float, EDGES[:4]), 4.5, -1.0]), op=st.sampled_from(sorted(OPS)),
)  # fmt: skip
def test_a_run_is_found_where_any_of_its_numbers_passes(passes, limit, op):
    held: dict[int, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        sqlite = SqliteTraces(Path(folder) / "traces.db")
        span = 0
        for values in passes:
            for trace, value in values:
                one = said(span, "x", trace=trace, attributes={"size": value})
                sqlite.write([one], at=NOW)
                held[trace] = [*held.get(trace, []), *numbers(value)]
                span += 1
            query = f"attr.size:{op}{limit:.1f}"
            wanted = {trace for trace, some in held.items() if any(OPS[op](one, limit) for one in some)}
            assert found(sqlite, query) == wanted
            assert found(sqlite, f"-{query}") == held.keys() - wanted
        sqlite.close()


def test_resources_lists_and_written_numbers_are_compared_too(traces):
    traces.write([
        said(0, "x", attributes={"sizes": [1, 9], "share": "0.5"}, source=Source({"host.cpus": 4}, "s")),
        said(1, "x", attributes={"sizes": [4, "red"], "share": "half"}, source=Source({"host.cpus": 8}, "s")),
    ], at=NOW)  # fmt: skip
    assert found(traces, "attr.sizes:>8") == found(traces, "attr.sizes:<2") == {0}
    assert found(traces, "attr.sizes:>=4") == {0, 1}
    assert found(traces, "attr.share:<1") == {0}
    assert found(traces, "attr.host.cpus:<=4") == {0}
    assert found(traces, "-attr.share:<1") == {1}
    assert found(traces, "attr.share:>0 attr.sizes:>8 attr.host.cpus:>5") == set()


def test_true_and_one_are_two_values_of_an_attribute(traces):
    traces.write([said(0, "x", attributes={"ok": True}), said(5, "x", trace=0, attributes={"ok": 1})], at=NOW)
    assert found(traces, "attr.ok:1") == found(traces, "attr.ok:true") == found(traces, "attr.ok:>0") == {0}
    assert found(traces, "attr.ok:false") == set()


def test_numbers_go_with_what_is_forgotten(traces):
    traces.write([said(0, "x", attributes={"size": 7}), said(1, "x", attributes={"size": 8})], at=NOW)
    assert found(traces, "attr.size:>6") == {0, 1}
    first = next(run.run for run in traces.runs(parse_query(""), now=NOW).runs if int(run.run, 16) == 1)
    traces.forget_texts([first])
    assert found(traces, "attr.size:>6", index=False) == {1}
    traces.write([said(9, "y", trace=0)], at=NOW)
    assert found(traces, "attr.size:>6") == {0, 1}  # it is still in the store, and is read anew


@pytest.mark.parametrize("store", [MemoryTraces, None], ids=["memory", "sqlite"])
def test_a_replaced_step_leaves_no_number_behind(store, tmp_path):
    traces = store() if store else SqliteTraces(tmp_path / "traces.db")
    traces.write([pair(0, 0, length=None, attributes={"size": 99})], at=NOW)
    assert found(traces, "attr.size:>50") == set()  # the step still goes on
    traces.write([pair(0, 0, attributes={"size": 3})], at=NOW)
    assert found(traces, "attr.size:>50") == set()
    assert found(traces, "attr.size:<50") == {0}
    traces.close()


def test_an_index_from_before_there_were_numbers_is_read_anew(tmp_path):
    traces = SqliteTraces(tmp_path / "traces.db")
    traces.write([said(0, "hello", attributes={"size": 7})], at=NOW)
    assert found(traces, "hello") == {0}
    traces.close()
    with sqlite3.connect(tmp_path / "text.db") as file:
        file.execute("DROP TABLE number")
        file.execute("PRAGMA user_version = 1")
    file.close()
    traces = SqliteTraces(tmp_path / "traces.db")
    assert found(traces, "hello", index=False) == set()
    assert traces.indexed().behind == 1
    assert found(traces, "hello attr.size:>6") == {0}
    traces.close()
