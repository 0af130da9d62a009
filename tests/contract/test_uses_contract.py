"""The log of uses: both trace stores keep the same one, and its sums are those of the runs."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from store_samples import SECOND, START, pair, records, span_id, trace_id

from tallystick.adapters.memory.traces import MemoryTraces
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.model.errors import BadInput, UnknownThing
from tallystick.model.registry import USES, Use
from tallystick.model.step import Kind
from tallystick.observe.uses import UNKNOWN_PROMPTS, of_run, summed

NOW = START + 60 * SECOND


def use(name: str = "refund", *, agent: str = "refunds", type: str = "tool", at: int = 1, **more) -> Use:
    return Use(agent, type, name, first=more.pop("first", at), last=at, step=span_id(at), **more)


def test_runs_are_due_until_they_are_listed_and_again_when_they_change(traces) -> None:
    traces.write([pair(1, 1), pair(2, 2)], at=NOW)
    first, second = traces.unlisted(now=NOW)
    assert [first[0], second[0]] == [trace_id(1), trace_id(2)]
    assert traces.unlisted(now=NOW, limit=1) == [first]
    traces.list_uses(*first, [])
    assert list(traces.unlisted(now=NOW)) == [second]
    traces.write([pair(1, 3, 1)], at=NOW)
    assert [run for run, _ in traces.unlisted(now=NOW)] == [trace_id(2), trace_id(1)]


def test_the_uses_have_another_number_whenever_a_run_was_listed(traces) -> None:
    traces.write([pair(1, 1), pair(2, 2)], at=NOW)
    before = traces.uses_revision()
    assert traces.uses_revision() == before
    traces.list_uses(*traces.unlisted(now=NOW)[0], [use()])
    assert traces.uses_revision() > before


def test_what_was_seen_is_what_is_sighted(traces) -> None:
    named = (
        pair(1, 1, kind=Kind.AGENT, agent="desk"), pair(1, 2, 1, kind=Kind.TOOL, tool="refund"),
        pair(2, 3, kind=Kind.MODEL, model="gpt", workflow="support"), pair(3, 4),
    )  # fmt: skip
    traces.write(named, at=NOW)
    sighted = [
        (kind, one.name) for kind in ("agent", "model", "tool", "workflow") for one in traces.sightings(kind)
    ]
    assert list(traces.seen()) == sorted(sighted)
    assert sighted


def test_an_open_run_is_due_when_it_is_new_and_when_it_has_doubled(traces) -> None:
    traces.write([pair(1, 1, length=None)], at=NOW)
    listed = 0
    for n in range(2, 34):
        for run, revision in traces.unlisted(now=NOW):
            traces.list_uses(run, revision, [])
            listed += 1
        traces.write([pair(1, n, 1)], at=NOW)
    assert listed == 6  # at 1, 2, 4, 8, 16 and 32 steps
    traces.write([pair(1, 1)], at=NOW)  # its root ended
    assert [run for run, _ in traces.unlisted(now=NOW)] == [trace_id(1)]


def test_a_run_that_falls_silent_is_due(traces) -> None:
    traces.write([pair(1, 1, length=None)], at=NOW)
    traces.list_uses(*traces.unlisted(now=NOW)[0], [])
    assert list(traces.unlisted(now=NOW)) == []
    assert len(traces.unlisted(now=NOW + 3600 * SECOND)) == 1


def test_uses_are_summed_over_runs_and_asked_by_what_they_are(traces) -> None:
    traces.write([pair(1, 1), pair(2, 2)], at=NOW)
    one, two = traces.unlisted(now=NOW)
    traces.list_uses(
        *one, [use(steps=3, errors=1, at=5), use("gpt", type="model", at=2), use(agent="Writer")]
    )
    traces.list_uses(*two, [use(steps=2, at=9, first=3), use("d", type="definition", detail="abc", at=4)])
    assert traces.uses(agent="refunds", type="tool") == [
        Use("refunds", "tool", "refund", "", 3, 9, 2, 5, 1, trace_id(2), span_id(9))
    ]
    assert [one.agent for one in traces.uses(type="tool", name="refund")] == ["Writer", "refunds"]
    assert [(one.type, one.name, one.detail) for one in traces.uses(agent="refunds")] == [
        ("definition", "d", "abc"), ("model", "gpt", ""), ("tool", "refund", "")
    ]  # fmt: skip
    assert [one.name for one in traces.uses(since=4)] == ["d", "refund"]
    assert traces.uses(run=trace_id(1), type="tool", agent="refunds") == [
        Use("refunds", "tool", "refund", "", 5, 5, 1, 3, 1, trace_id(1), span_id(5))
    ]
    assert traces.uses(agent="nobody") == traces.uses(type="nothing") == []


def test_a_listing_replaces_the_one_before_and_never_a_newer_one(traces) -> None:
    traces.write([pair(1, 1)], at=NOW)
    run, revision = traces.unlisted(now=NOW)[0]
    traces.list_uses(run, revision, [use(at=5), use("lookup", at=3)])
    traces.list_uses(run, revision, [use(at=7)])
    assert [(one.name, one.last, one.runs) for one in traces.uses()] == [("refund", 7, 1)]
    traces.list_uses(run, revision - 1, [])
    assert len(traces.uses()) == 1
    with pytest.raises(UnknownThing):
        traces.list_uses("nothing", 1, [])
    with pytest.raises(UnknownThing):
        traces.uses(run="nothing")
    with pytest.raises(BadInput):
        traces.list_uses(run, revision, [use(type="magic")])


def test_merged_runs_count_once(traces) -> None:
    link = ("conversation:12345678",)
    traces.write([pair(1, 1), pair(2, 2)], at=NOW)
    for due in traces.unlisted(now=NOW):
        traces.list_uses(*due, [use()])
    traces.write([pair(1, 3, links=link), pair(2, 4, links=link)], at=NOW)
    (due,) = traces.unlisted(now=NOW)
    assert due[0] == trace_id(1)
    with pytest.raises(UnknownThing):
        traces.list_uses(trace_id(2), due[1], [use()])
    traces.list_uses(*due, [use(steps=4)])
    assert [(one.runs, one.steps, one.run) for one in traces.uses()] == [(1, 4, trace_id(1))]
    assert traces.uses(run=trace_id(2)) == traces.uses(run=trace_id(1))


def test_an_agent_keeps_the_newest_prompts_that_nobody_declared(traces) -> None:
    count = UNKNOWN_PROMPTS + 3
    for n in range(count):
        traces.write([pair(n, n)], at=NOW)
        (due,) = traces.unlisted(now=NOW)
        traces.list_uses(
            *due, [use(f"{n:064x}", type="prompt", at=n + 1), use("known", type="prompt", detail="d")]
        )
    kept = traces.uses(type="prompt")
    assert [one.name for one in kept] == [*(f"{n:064x}" for n in range(3, count)), "known"]
    assert kept[-1].runs == count
    assert traces.uses(run=trace_id(0), agent="refunds") == traces.uses(run=trace_id(0), name="known")


def test_hostile_names_survive_as_data(traces) -> None:
    traces.write([pair(1, 1)], at=NOW)
    names = ["a\x00b", "\u202eevil", "<b>", "x" * 5000, "half \ud800", ""]
    traces.list_uses(*traces.unlisted(now=NOW)[0], [use(name, agent="a\x1b[31m") for name in names])
    assert [one.name for one in traces.uses(agent="a\x1b[31m")] == sorted(
        ["a\x00b", "\u202eevil", "<b>", "x" * 256, "half ?", ""]
    )


_USE = st.builds(
    Use, st.sampled_from(["a", "b"]), st.sampled_from(USES), st.sampled_from(["x", "y"]), st.sampled_from(["", "d"]),
    st.integers(0, 9), st.integers(10, 19), steps=st.integers(1, 5), errors=st.integers(0, 2),
    step=st.sampled_from([span_id(1), span_id(2), "s", ""]),
)  # fmt: skip


class TwoUseLogs(RuleBasedStateMachine):
    """Whatever is written and listed in whatever order: both stores agree, and sums are those of the runs."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.memory = MemoryTraces(alive={}.get)
        self.sqlite = SqliteTraces(self.directory / "traces.db", alive={}.get)
        self.runs: set[str] = set()

    def teardown(self) -> None:
        self.sqlite.close()
        shutil.rmtree(self.directory)

    @rule(batch=st.lists(records(), min_size=1, max_size=12))
    def write(self, batch) -> None:
        written = self.sqlite.write(batch, at=NOW)
        assert written == self.memory.write(batch, at=NOW)
        self.runs |= set(written.runs)

    @rule(uses=st.lists(st.lists(_USE, max_size=5), min_size=1, max_size=4))
    def list_due(self, uses) -> None:
        due = list(self.sqlite.unlisted(now=NOW, limit=len(uses)))
        assert due == list(self.memory.unlisted(now=NOW, limit=len(uses)))
        for (run, revision), some in zip(due, uses, strict=False):
            self.sqlite.list_uses(run, revision, some)
            self.memory.list_uses(run, revision, some)

    @rule(uses=st.lists(_USE, max_size=5), number=st.integers(0, 9))
    def list_again(self, uses, number: int) -> None:
        live = sorted(run for run in self.runs if self.memory.resolve(run) == run)
        if live:
            run = live[number % len(live)]
            self.sqlite.list_uses(run, 10_000, uses)
            self.memory.list_uses(run, 10_000, uses)

    @invariant()
    def they_agree(self) -> None:
        flaws = [one.text for one in self.sqlite.flaws()]  # what is listed here is not what the steps show
        assert [text for text in flaws if "uses listed of a run" not in text] == []
        found = list(self.sqlite.uses())
        assert found == list(self.memory.uses())
        live = {self.memory.resolve(run) for run in self.runs}
        rows = {run: self.sqlite.uses(run=run) for run in live}
        again = summed(of_run(run, uses) for run, uses in rows.items())
        assert found == [replace(use) for _, use in sorted(again.items())]
        for agent in ("a", "b"):
            assert self.sqlite.uses(agent=agent, since=15) == self.memory.uses(agent=agent, since=15)


TwoUseLogs.TestCase.settings = settings(
    max_examples=25, stateful_step_count=10, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
test_both_stores_keep_the_same_uses = TwoUseLogs.TestCase
