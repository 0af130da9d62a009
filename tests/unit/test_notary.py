"""The notary: every record enters the journal once, in order, whatever dies or races in between."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tallystick.adapters.memory import MemoryControl
from tallystick.adapters.memory.traces import MemoryTraces
from tallystick.adapters.sqlite import SqliteControl
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.app.prove import notary as module
from tallystick.app.prove.audit import audit_run
from tallystick.app.prove.notary import Attested, Notary
from tallystick.model.errors import BadInput, StoreFault, UnknownThing
from tallystick.model.journal import Draft
from tallystick.model.span import Source, Span
from tallystick.model.step import Kind, Step, StepStatus
from tallystick.proof.merkle import leaf_hash, root_of
from tallystick.proof.records import charge_leaf
from tallystick.testing import CountingIds, FakeClock

START = 1_700_000_000 * 10**9
SOURCE = Source({"service.name": "shop"}, "scope", "1")


def pair(run: int, span: int, *, ended: bool = True, **more: Any) -> tuple[Step, Span]:
    parent = None if span == 1 else f"{1:016x}"
    ids = (f"{run:032x}", f"{span:016x}", parent)
    times = (START + span, START + span + 5 if ended else None)
    kind = Kind.MODEL if parent else Kind.AGENT
    status = StepStatus.OK if ended else StepStatus.RUNNING
    step = Step(*ids, None, kind, "chat", status, *times, "scope", "canonical", **more)
    return step, Span(*ids, "chat", *times, SOURCE)


def name(run: int) -> str:
    return f"{run:032x}"


class World:
    """A pair of stores and a notary over them."""

    def __init__(self, folder: Path | None) -> None:
        self.clock = FakeClock(START + 60 * 10**9)
        ids = CountingIds()
        self.traces: Any = MemoryTraces() if folder is None else SqliteTraces(folder / "traces.db")
        self.control: Any = (
            MemoryControl(clock=self.clock, ids=ids) if folder is None
            else SqliteControl(folder / "control.db", clock=self.clock, ids=ids)
        )  # fmt: skip
        self.notary = Notary(self.traces, self.control, self.clock)

    def write(self, *batch: tuple[Step, Span]) -> None:
        self.traces.write(batch, at=self.clock.now())

    def segments(self) -> list[tuple[str, int, int]]:
        return [
            (one.body["run"], one.body["first"], one.body["count"])
            for one in self.control.entries(kind="records.accepted", limit=10**6)
        ]

    def hold_together(self) -> None:
        """The journal's segments of each log follow one another and have the roots of its records."""
        ends: dict[str, int] = {}
        hashes = {
            run: [one.hash for one in self.traces.records(run) if one.log == run]
            for run in self.traces.logs()
        }
        for entry in self.control.entries(kind="records.accepted", limit=10**6):
            body = entry.body
            run, first, count = body["run"], body["first"], body["count"]
            assert first == ends.get(run, 0)
            assert body["root"] == root_of(hashes[run][first : first + count]).hex()
            ends[run] = first + count
        assert {run: (end, end) for run, end in ends.items()} == self.traces.logs()
        assert self.control.verify() == self.control.head()[0]


@pytest.fixture(params=["memory", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path: Path):
    made = World(None if request.param == "memory" else tmp_path)
    yield made
    made.traces.close()
    made.control.close()


def test_records_are_attested_and_ended_runs_sealed_once(world: World) -> None:
    world.write(pair(1, 1), pair(1, 2, cost_nano=7), pair(1, 3, cost_gap="no price"), pair(2, 1, ended=False))
    assert world.notary.attest() == Attested(records=4, segments=2, runs=1)
    assert world.notary.attest() == Attested()
    world.hold_together()
    (sealed,) = world.control.entries(kind="run.sealed")
    run = world.traces.run(name(1), now=world.clock.now())
    assert sealed.run == sealed.subject == name(1)
    assert sealed.body == {
        "run": name(1), "records": 3, "status": "ok", "completeness": "complete", "missing": 0, "steps": 3,
        "errors": 0, "model_calls": 2, "tool_calls": 0, "denials": 0, "stopped_by": None,
        "started": str(run.started), "ended": str(run.ended),
    }  # fmt: skip
    (charged,) = world.control.entries(kind="run.charged")
    leaves = [(2, 7, None), (3, None, "no price")]
    root = root_of([leaf_hash(charge_leaf(name(1), f"{span:016x}", nano, gap)) for span, nano, gap in leaves])
    assert charged.body == {
        "run": name(1), "rows": 2, "root": root.hex(), "known_nano": run.cost_nano, "unknown": 1, "card": None,
    }  # fmt: skip


def test_a_sealed_run_that_changes_is_sealed_again_and_one_that_reads_the_same_is_not(world: World) -> None:
    world.control.append(
        [Draft("rates.loaded", "ab" * 32, {"card": "ab" * 32, "rows": 1, "made": "2026-01-01"})]
    )
    world.write(pair(1, 1))
    world.notary.attest()
    world.write(pair(1, 2, cost_nano=3))
    assert world.notary.attest() == Attested(1, 1, 1)
    assert [one.body["steps"] for one in world.control.entries(kind="run.sealed")] == [1, 2]
    assert [one.body["known_nano"] for one in world.control.entries(kind="run.charged")] == [0, 3]
    assert {one.body["card"] for one in world.control.entries(kind="run.charged")} == {"ab" * 32}
    size = world.control.head()[0]
    world.notary.seal(name(1))
    assert world.control.head()[0] == size


def test_an_open_run_is_sealed_on_demand(world: World) -> None:
    world.write(pair(1, 1, ended=False), pair(1, 2, cost_nano=3))
    assert world.notary.attest().runs == 0
    entry = world.notary.seal(name(1))
    assert (entry.body["status"], entry.body["ended"], entry.body["records"]) == ("running", None, 2)
    world.write(pair(1, 1))
    assert world.notary.attest() == Attested(1, 1, 1)
    assert world.notary.seal(name(1)).body["status"] == "ok"
    world.hold_together()
    with pytest.raises(UnknownThing):
        world.notary.seal("nothing")


def test_more_than_fits_into_one_look_and_one_transaction(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for constant, value in (
        ("RECORDS_AT_ONCE", 7),
        ("ENTRIES_AT_ONCE", 2),
        ("RUNS_AT_ONCE", 3),
    ):
        monkeypatch.setattr(module, constant, value)
    for run in range(1, 9):
        world.write(*[pair(run, span) for span in range(1, 5)])
    done = world.notary.attest()
    assert (done.records, done.runs) == (32, 8)
    world.hold_together()


class Dying:
    """A trace store whose process dies before it can mark what the journal took."""

    def __init__(self, traces: Any, after: int = 0) -> None:
        self._traces = traces
        self._left = after

    def __getattr__(self, what: str) -> Any:
        return getattr(self._traces, what)

    def attested(self, marks: Mapping[str, int]) -> None:
        self._left -= 1
        if self._left < 0:
            raise RuntimeError("killed")
        self._traces.attested(marks)


@pytest.mark.parametrize("after", [0, 1, 2])
def test_dying_between_the_journal_and_the_mark_makes_no_gap_and_no_double(
    world: World, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr(module, "ENTRIES_AT_ONCE", 1)
    world.write(pair(1, 1), pair(1, 2), pair(2, 1), pair(3, 1))
    with pytest.raises(RuntimeError):
        Notary(Dying(world.traces, after), world.control, world.clock).attest()
    monkeypatch.setattr(module, "ENTRIES_AT_ONCE", 256)
    world.write(pair(1, 3), pair(4, 1))  # and more came before the next notary looked
    world.notary.attest()
    world.hold_together()
    assert sum(count for _, _, count in world.segments()) == 6


class Slow:
    """A trace store whose answer is old by the time the notary uses it: another one was faster."""

    def __init__(self, traces: Any, meanwhile: Any) -> None:
        self._traces = traces
        self._meanwhile = meanwhile

    def __getattr__(self, what: str) -> Any:
        return getattr(self._traces, what)

    def unattested(self, *, limit: int) -> Any:
        found = self._traces.unattested(limit=limit)
        meanwhile, self._meanwhile = self._meanwhile, lambda: None
        meanwhile()
        return found


def test_two_notaries_at_once_write_each_record_once(world: World) -> None:
    world.write(pair(1, 1), pair(1, 2), pair(2, 1))
    world.control.append([Draft("records.accepted", name(2), {
        "run": name(2), "first": 0, "count": 1, "root": root_of([world.traces.records(name(2))[0].hash]).hex(),
    }, name(2))])  # fmt: skip
    Notary(Slow(world.traces, world.notary.attest), world.control, world.clock).attest()
    world.hold_together()
    assert world.segments() == [(name(2), 0, 1), (name(1), 0, 2)]
    assert len(world.control.entries(kind="run.sealed")) == 2


def test_a_trace_store_that_was_put_back_is_said_and_holds_up_no_other_run(world: World) -> None:
    world.write(pair(1, 1), pair(2, 1))
    ahead = {"run": name(1), "first": 0, "count": 5, "root": "00" * 32}
    world.control.append([Draft("records.accepted", name(1), ahead, name(1))])
    with pytest.raises(StoreFault, match=r"holds 5 records of run 0+1, and the trace store has only 1"):
        world.notary.attest()
    assert world.traces.logs() == {name(1): (1, 0), name(2): (1, 1)}
    assert world.notary.seal(name(2)).body["records"] == 1
    with pytest.raises(StoreFault):
        world.notary.seal(name(1))


def test_a_journal_that_was_put_back_is_said(world: World) -> None:
    world.write(pair(1, 1), pair(1, 2))
    world.traces.attested({name(1): 1})
    with pytest.raises(StoreFault, match=r"counts 1 records of run 0+1 as attested; the journal holds 0"):
        world.notary.attest()


def test_refused_runs_that_fill_a_whole_look_hold_up_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECORDS_AT_ONCE", 3)
    for run in (1, 2):
        world.write(*[pair(run, span) for span in range(1, 8)])
        ahead = {"run": name(run), "first": 0, "count": 50, "root": "00" * 32}
        world.control.append([Draft("records.accepted", name(run), ahead, name(run))])
    world.write(pair(3, 1))
    with pytest.raises(StoreFault, match="holds 50 records"):
        world.notary.attest()
    assert world.traces.logs()[name(3)] == (1, 1)


def test_a_long_run_that_goes_on_is_not_read_again_for_every_look(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seals of a run that goes on for hours take a bounded share of the time; short runs do not wait."""
    monkeypatch.setattr(module, "SHORT_RUN", 10)
    monkeypatch.setattr(module, "PAUSE_NS", 10**9)  # 10 records more, 10 seconds
    monkeypatch.setattr(module, "RUNS_AT_ONCE", 1)
    world.write(*[pair(1, span) for span in range(1, 21)])
    world.write(pair(2, 1))
    assert world.notary.attest().runs == 2
    world.clock.advance(seconds=5)
    world.write(pair(1, 21))
    world.write(pair(2, 2))
    assert world.notary.attest() == Attested(2, 2, 1)  # attested at once; only the long run's seal waits
    world.clock.advance(seconds=4)
    assert world.notary.attest().runs == 0
    assert world.notary.seal(name(1)).body["records"] == 21  # whoever wants evidence does not wait
    world.write(pair(1, 22))
    world.clock.advance(seconds=12)
    assert world.notary.attest() == Attested(1, 1, 1)
    world.write(pair(1, 23))
    world.clock.advance(seconds=-3_600)  # a clock that was set back holds nothing up
    assert world.notary.attest() == Attested(1, 1, 1)
    world.hold_together()


def told(run: int, **facts: str) -> tuple[Step, Span]:
    step, span = pair(run, 1)
    step.facts = facts
    return step, span


def test_what_a_sender_says_of_a_runs_end_cannot_keep_runs_from_being_sealed(world: World) -> None:
    world.write(told(1, stopped_by="x" * 70_000, status="stopped"), pair(2, 1))
    assert world.notary.attest().runs == 2
    stopped_by = world.notary.seal(name(1)).body["stopped_by"]
    assert stopped_by.startswith("xxx")
    assert len(stopped_by) == 512


def test_one_run_that_cannot_be_sealed_holds_up_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = module.sealed_body

    def poisoned(account: Any) -> Mapping[str, Any]:
        return {**body(account), "status": "x" * 70_000} if account.run.run == name(2) else body(account)

    monkeypatch.setattr(module, "sealed_body", poisoned)
    monkeypatch.setattr(module, "RUNS_AT_ONCE", 2)
    world.write(*[pair(run, 1) for run in range(1, 6)])
    with pytest.raises(BadInput, match="at most 65535 bytes"):
        world.notary.attest()
    assert {one.run for one in world.control.entries(kind="run.sealed")} == {
        name(one) for one in (1, 3, 4, 5)
    }
    monkeypatch.setattr(module, "sealed_body", body)
    assert world.notary.attest() == Attested(runs=1)


def test_a_cost_that_is_too_large_for_a_json_number_is_sealed_once_and_holds(world: World) -> None:
    world.write(pair(1, 1), pair(1, 2, cost_nano=2**60))
    world.notary.attest()
    size = world.control.head()[0]
    world.notary.seal(name(1))
    assert world.control.head()[0] == size
    flaws = audit_run(world.traces, world.control, name(1)).flaws
    assert not [one.text for one in flaws if "known_nano" in one.text]
