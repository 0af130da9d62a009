"""The log of records: both trace stores keep the same one, and the journal can be fed from it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from store_samples import SECOND, START, pair, records, span_id, trace_id

from tallystick.adapters.memory.traces import MemoryTraces
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.model.commitment import commitment
from tallystick.model.errors import UnknownThing
from tallystick.model.step import Kind
from tallystick.proof.records import content_bytes, reading_of, record_hash, record_leaf, source_digest

NOW = START + 60 * SECOND


def expected(step, span, salt: bytes) -> bytes:
    """A record's hash by the definition."""
    held = commitment(content_bytes(span, source_digest(span.source)), salt)
    return record_hash(record_leaf(span, reading_of(step), held))


def test_each_stored_span_is_one_record_that_opens(traces) -> None:
    batch = [pair(1, n, 1 if n > 1 else None, kind=Kind.MODEL, cost_nano=n) for n in range(1, 5)]
    traces.write(batch, at=NOW)
    traces.write(batch, at=NOW)  # repeats make none
    found = traces.records(trace_id(1))
    assert [(one.log, one.n) for one in found] == [(trace_id(1), n) for n in range(4)]
    assert [one.span for one in found] == [span_id(n) for n in range(1, 5)]
    for one, (step, span) in zip(found, batch, strict=True):
        assert one.hash == expected(step, span, one.salt)
    assert len({one.salt for one in found}) == 4
    assert traces.info()["records"] == 4
    with pytest.raises(UnknownThing):
        traces.records("nothing")


def test_segments_follow_one_another_and_marks_are_idempotent(traces) -> None:
    traces.write([pair(1, 1), pair(2, 2), pair(1, 3, 1)], at=NOW)
    first, second = traces.unattested()
    assert (first.run, first.first, len(first.leaves)) == (trace_id(1), 0, 2)
    assert (second.run, second.first, len(second.leaves)) == (trace_id(2), 0, 1)
    (cut,) = traces.unattested(limit=1)
    assert (cut.run, cut.leaves) == (trace_id(1), first.leaves[:1])
    traces.attested({trace_id(1): 1})
    assert traces.unattested(limit=1)[0].leaves == first.leaves[1:]
    traces.attested({trace_id(1): 2, trace_id(2): 1})
    traces.attested(
        {trace_id(1): 1, trace_id(2): 99, "unknown": 4}
    )  # fewer changes nothing, more is not there
    assert traces.logs() == {trace_id(1): (2, 2), trace_id(2): (1, 1)}
    assert list(traces.unattested()) == []
    traces.write([pair(1, 4, 1), pair(1, 5, 1)], at=NOW)
    (more,) = traces.unattested()
    assert (more.run, more.first, len(more.leaves)) == (trace_id(1), 2, 2)
    assert traces.info()["attested"] == 3


def test_an_end_takes_the_place_of_its_start(traces) -> None:
    start, end = pair(1, 1, length=None, kind=Kind.AGENT), pair(1, 1, kind=Kind.AGENT)
    traces.write([start], at=NOW)
    traces.write([pair(1, 2, 1), end], at=NOW)
    begun, inner, ended = traces.records(trace_id(1))
    assert (begun.replaced_by, begun.replaced_in, begun.salt) == (2, None, None)
    assert (begun.span, inner.span, ended.span) == (span_id(1), span_id(2), span_id(1))
    assert ended.hash == expected(*end, ended.salt)
    assert ended.replaced_by is None
    (segment,) = traces.unattested()
    assert segment.leaves == (begun.hash, inner.hash, ended.hash)


def test_an_end_that_names_another_run_is_recorded_there(traces) -> None:
    traces.write([pair(1, 1, length=None)], at=NOW)
    traces.write([pair(1, 1, run="run-b")], at=NOW)
    (begun,) = [one for one in traces.records("run-b") if one.log == trace_id(1)]
    assert (begun.replaced_by, begun.replaced_in) == (0, "run-b")
    assert [one.log for one in traces.records("run-b")] == [trace_id(1), "run-b"]


def test_merged_runs_keep_their_logs(traces) -> None:
    traces.write([pair(1, 1), pair(2, 2)], at=NOW)
    traces.attested({trace_id(1): 1})
    link = ("conversation:12345678",)
    traces.write([pair(1, 3, links=link), pair(2, 4, links=link)], at=NOW)
    run = traces.resolve(trace_id(2))
    assert run == trace_id(1)
    found = traces.records(trace_id(2))
    assert [(one.log, one.n) for one in found] == [
        (trace_id(1), 0), (trace_id(1), 1), (trace_id(1), 2), (trace_id(2), 0)
    ]  # fmt: skip
    assert traces.logs() == {trace_id(1): (3, 1), trace_id(2): (1, 0)}
    assert traces.account(run).records == 4


def test_a_run_that_begins_anew_under_a_merged_id_goes_on_with_its_log(traces) -> None:
    link = ("conversation:12345678",)
    traces.write([pair(1, 1, run="run-a")], at=NOW)
    traces.write([pair(2, 2, links=link)], at=NOW)
    traces.write([pair(1, 3, links=link)], at=NOW)  # the trace of run-a: run 2 becomes run-a
    assert traces.resolve(trace_id(2)) == "run-a"
    traces.write([pair(3, 4, run=trace_id(2))], at=NOW)
    assert traces.logs()[trace_id(2)] == (2, 0)
    assert [(one.n, one.span) for one in traces.records(trace_id(2))] == [(0, span_id(2)), (1, span_id(4))]
    assert span_id(2) in {one.span for one in traces.records("run-a")}


def test_runs_are_sealed_when_they_have_ended_and_again_when_they_change(traces) -> None:
    traces.write([pair(1, 1), pair(2, 2, length=None)], at=NOW)
    ((run, revision),) = traces.unsealed(now=NOW)
    assert run == trace_id(1)
    traces.sealed({run: revision})
    traces.sealed({run: revision - 1, "unknown": 5})
    assert list(traces.unsealed(now=NOW)) == []
    traces.write([pair(1, 3, 1)], at=NOW)
    ((run, later),) = traces.unsealed(now=NOW)
    assert (run, later > revision) == (trace_id(1), True)
    late = NOW + 3600 * SECOND  # the open one fell silent
    assert {run for run, _ in traces.unsealed(now=late)} == {trace_id(1), trace_id(2)}
    assert len(traces.unsealed(now=late, limit=1)) == 1


def test_the_account_is_the_summary_and_one_charge_for_each_counted_step(traces) -> None:
    traces.write([
        pair(1, 3, 1, kind=Kind.MODEL, cost_nano=5, response_id="r1", started=START), pair(1, 1),
        pair(1, 2, 1, kind=Kind.MODEL, cost_gap="no price"),
        pair(1, 4, 1, kind=Kind.MODEL, cost_nano=5, response_id="r1", started=START + 1),
    ], at=NOW)  # fmt: skip
    account = traces.account(trace_id(1))
    assert [(one.span, one.nano, one.gap) for one in account.charges] == [
        (span_id(3), 5, None), (span_id(2), None, "no price")
    ]  # fmt: skip
    assert account.run == traces.run(trace_id(1), now=NOW)
    assert sum(one.nano or 0 for one in account.charges) == account.run.cost_nano == 5
    assert account.records == 4


def test_kept_gives_every_step_with_its_span_and_its_own_record(traces) -> None:
    traces.write([pair(1, 1, length=None), pair(2, 1, run=trace_id(1), attributes={"a": 1})], at=NOW)
    traces.write([pair(1, 1), pair(1, 2, 1)], at=NOW)
    kept = list(traces.kept(trace_id(1)))
    assert [(one.step.trace, one.step.span) for one in kept] == [
        (trace_id(1), span_id(1)), (trace_id(2), span_id(1)), (trace_id(1), span_id(2))
    ]  # fmt: skip
    for one in kept:
        assert one.record.hash == expected(one.step, one.span, one.record.salt)


class TwoLogs(RuleBasedStateMachine):
    """Whatever is written: both stores have the same records, each of which is its step's, and segments fit."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.memory = MemoryTraces(alive={}.get, random_bytes=bytes)
        self.sqlite = SqliteTraces(self.directory / "traces.db", alive={}.get, random_bytes=bytes)
        self.given: dict[str, list[bytes]] = {}
        self.runs: set[str] = set()

    def teardown(self) -> None:
        self.sqlite.close()
        shutil.rmtree(self.directory)

    @rule(batch=st.lists(records(), min_size=1, max_size=12))
    def write(self, batch) -> None:
        written = self.sqlite.write(batch, at=NOW)
        assert written == self.memory.write(batch, at=NOW)
        self.runs |= set(written.runs)

    @rule(limit=st.integers(1, 9))
    def attest(self, limit: int) -> None:
        found = self.sqlite.unattested(limit=limit)
        assert sum(len(one.leaves) for one in found) <= limit
        for one in found:
            assert one.first == len(self.given.setdefault(one.run, []))
            self.given[one.run] += one.leaves
        marks = {one.run: one.first + len(one.leaves) for one in found}
        self.sqlite.attested(marks)
        self.memory.attested(marks)

    @rule()
    def seal(self) -> None:
        due = dict(self.sqlite.unsealed(now=NOW))
        assert due == dict(self.memory.unsealed(now=NOW))
        self.sqlite.sealed(due)
        self.memory.sealed(due)

    @invariant()
    def they_agree(self) -> None:
        assert [one.text for one in self.sqlite.flaws()] == []
        assert self.memory.logs() == self.sqlite.logs()
        assert {one.run: one for one in self.memory.unattested()} == {
            one.run: one for one in self.sqlite.unattested()
        }  # fmt: skip
        for run in sorted(self.runs):
            found = self.sqlite.records(run)
            assert list(found) == list(self.memory.records(run))
            account = self.sqlite.account(run)
            assert account == self.memory.account(run)
            assert account.records == len(found)
            assert sum(one.nano or 0 for one in account.charges) == account.run.cost_nano
            for one in self.sqlite.kept(run):
                assert one.record is not None
                assert one.record.hash == expected(one.step, one.span, bytes(16))
            for one in found:
                known = self.given.get(one.log, [])
                assert one.n >= len(known) or known[one.n] == one.hash


TwoLogs.TestCase.settings = settings(
    max_examples=25, stateful_step_count=8, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
test_both_stores_keep_the_same_records = TwoLogs.TestCase
