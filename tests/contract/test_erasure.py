"""Erasing contents leaves what happened, and proofs of it, in both stores (ports/erasure.py)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.adapters.memory.traces import MemoryTraces
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.model.attributes import ERASED
from tallystick.model.commitment import commitment
from tallystick.model.errors import UnknownThing
from tallystick.model.query import Query
from tallystick.model.span import Event, Source, Span
from tallystick.observe.normalise import read_span
from tallystick.ports import Traces
from tallystick.proof.records import content_bytes, reading_of, record_hash, record_leaf, source_digest

MARKER = "Jane-Doe-4711"
LONG = "a text that others said too, and that is long enough to be stored by its digest " * 8
NOW = 1_795_000_000_000_000_000


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Traces]:
    made = MemoryTraces() if request.param == "memory" else SqliteTraces(tmp_path / "traces.db")
    yield made
    made.close()


def spans(run: int, subject: str, marker: str = MARKER) -> list[Span]:
    trace, source = f"{run:032x}", Source({"service.name": "desk"}, "tests")
    common = {"user.id": subject, "gen_ai.conversation.id": f"chat-{subject}"}
    first = f'{{"role":"user","parts":[{{"type":"text","content":"{LONG}"}}]}}'
    said = f'[{first}, {{"role":"user","x":"{marker} {LONG}"}}]'
    root = Span(
        trace, f"{run * 10:016x}", None, "run", NOW, NOW + 9, source, status=2, status_message=f"no {marker} here",
        attributes={
            **common, "tallystick.run.id": trace, "tallystick.run.root": True, "tallystick.run.goal": f"help {marker}",
            "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "desk", "tallystick.run.steps": 2,
            "tallystick.seq": 1,
        },
        events=(Event("exception", NOW + 3, {"exception.type": "ValueError", "exception.message": marker}),),
    )  # fmt: skip
    call = Span(
        trace, f"{run * 10 + 1:016x}", root.span, "chat", NOW + 1, NOW + 8, source,
        attributes={
            **common, "tallystick.run.id": trace, "gen_ai.operation.name": "chat", "gen_ai.request.model": "m-1",
            "gen_ai.input.messages": said, "gen_ai.usage.input_tokens": 12, "gen_ai.usage.output_tokens": 3,
            "tallystick.seq": 2,
        },
    )  # fmt: skip
    return [root, call]


def write(store: Traces, batch: list[Span]) -> None:
    store.write([pair for span in batch for pair in read_span(span)], at=NOW + 20)


def test_contents_go_and_what_happened_stays(store: Traces) -> None:
    for run, subject in ((1, MARKER), (2, "other")):
        write(store, spans(run, subject, MARKER if run == 1 else "nobody"))
    run, other = f"{1:032x}", f"{2:032x}"
    before, kept = store.run(run, now=NOW + 30), store.spans(other)
    assert store.concerning(MARKER) == [run]
    done = store.erase([run])
    assert (done.steps, done.records, done.log_emptied) == (2, 2, True)
    after = store.run(run, now=NOW + 30)
    assert (after.goal, after.erased) == (None, True)
    for field in (
        "steps",
        "errors",
        "cost_nano",
        "usage",
        "started",
        "ended",
        "agent",
        "status",
        "completeness",
    ):
        assert getattr(after, field) == getattr(before, field), field
    assert store.concerning(MARKER) == []
    for step, span in ((one.step, one.span) for one in store.kept(run)):
        assert span.attributes == {ERASED: True}
        assert MARKER not in repr((step, span))
        assert step.error in (None, "ValueError")
    assert store.spans(other) == kept
    found = store.runs(Query(()), now=NOW + 30).runs
    assert {one.run: one.erased for one in found} == {run: True, other: False}
    assert list(store.flaws()) == []


def test_records_stand_without_their_salts(store: Traces) -> None:
    write(store, spans(1, MARKER))
    run = f"{1:032x}"
    held = {
        one.record.n: commitment(content_bytes(one.span, source_digest(one.span.source)), one.record.salt)
        for one in store.kept(run)
        if one.record is not None and one.record.salt is not None
    }
    hashes = {record.n: record.hash for record in store.records(run)}
    store.erase([run])
    for one in store.kept(run):
        assert one.record is not None
        assert one.record.salt is None
        assert one.record.commitment is not None
        assert one.record.commitment.hex() == held[one.record.n]
        leaf = record_leaf(one.span, reading_of(one.step), held[one.record.n])
        assert record_hash(leaf) == one.record.hash == hashes[one.record.n]


def test_a_run_that_is_erased_twice_is_as_after_the_first_time(store: Traces) -> None:
    write(store, spans(1, MARKER))
    run = f"{1:032x}"
    store.erase([run])
    once = [(one.step, one.span, one.record) for one in store.kept(run)]
    assert store.erase([run]).records == 0
    assert [(one.step, one.span, one.record) for one in store.kept(run)] == once


def test_what_comes_for_an_erased_run_comes_without_contents(store: Traces) -> None:
    first, call = spans(1, MARKER)
    begun = Span(
        first.trace, f"{7:016x}", first.span, "chat", NOW + 1, None, first.source,
        attributes={**call.attributes, "tallystick.record": "start", "tallystick.seq": 3},
    )  # fmt: skip
    write(store, [first, call, begun])
    run = f"{1:032x}"
    store.erase([run])
    late = replace(call, span=f"{99:016x}", attributes={**call.attributes, "tallystick.seq": 4})
    write(store, [first, call, late, replace(begun, ended=NOW + 6, attributes=call.attributes)])
    write(store, [first, call, late])  # delivered again
    kept = list(store.kept(run))
    assert len(kept) == 4
    assert MARKER not in repr([(one.step, one.span) for one in kept])
    assert store.concerning(MARKER) == []
    for one in kept:
        assert one.record is not None
        assert one.record.salt is None  # what is left of the span does not say what the step was read from
        made = one.record.commitment
        assert made is not None
        assert record_hash(record_leaf(one.span, reading_of(one.step), made.hex())) == one.record.hash
    assert list(store.flaws()) == []


def unstamped(trace: int, number: int, chat: str) -> Span:
    return Span(
        f"{trace:032x}", f"{number:016x}", None, f"chat {number}", NOW, NOW + 5, Source({}, "tests"),
        attributes={"gen_ai.operation.name": "chat", "gen_ai.conversation.id": chat, "user.id": MARKER, "x": MARKER},
    )  # fmt: skip


def test_a_subject_that_comes_back_has_runs_of_its_own(store: Traces) -> None:
    """The conversation of an erased run leads nowhere; what comes late in its trace must not lead there again."""
    write(store, [unstamped(1, 1, "talk")])
    store.erase([f"{1:032x}"])
    write(store, [unstamped(2, 2, "talk")])
    write(store, [unstamped(1, 3, "talk")])
    assert store.concerning(MARKER) == [f"{2:032x}"]
    assert "talk" in repr(store.steps(f"{2:032x}"))
    assert MARKER not in repr([(one.step, one.span) for one in store.kept(f"{1:032x}")])
    assert len(store.steps(f"{1:032x}")) == 2
    assert list(store.flaws()) == []


def test_a_word_as_a_message_is_no_type_of_error(store: Traces) -> None:
    span = unstamped(1, 1, "talk")
    write(store, [replace(span, status=2, status_message="JaneDoe")])
    store.erase([f"{1:032x}"])
    assert store.steps(f"{1:032x}")[0].error is None


def test_a_run_that_is_not_here_cannot_be_erased(store: Traces) -> None:
    with pytest.raises(UnknownThing):
        store.erase(["f" * 32])


def test_nothing_of_it_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    store = SqliteTraces(path)
    other = SqliteTraces(path)  # a second process that writes and reads beside it
    write(store, spans(1, MARKER))
    write(other, spans(2, "other", "nobody"))
    store.erase([f"{1:032x}"])
    write(other, spans(3, MARKER, "nobody"))  # the name was known to the other writer
    assert other.concerning(MARKER) == [f"{3:032x}"]
    assert other.erase([f"{3:032x}"]).steps == 2
    raw = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert MARKER.encode() not in raw
    assert len(other.spans(f"{2:032x}")) == 2
    assert list(store.flaws()) == []
    store.close()
    other.close()
