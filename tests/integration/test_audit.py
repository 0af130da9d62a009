"""The audit of stored steps: silent on honest stores, and no row can be changed so that something else is read."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import test_framework_spans as frameworks
from row_attacks import NOW, TABLES, UNREFERRED, answers, mutate

from tallystick.adapters.sqlite import SqliteControl
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.app.audit import Audited, audit
from tallystick.app.notary import Notary
from tallystick.app.record import Recorder
from tallystick.cost.rates import load_card
from tallystick.model.errors import StoreFault
from tallystick.model.span import Event, Link, Source, Span
from tallystick.observe.normalise import read_span
from tallystick.ports import Flaw
from tallystick.proof.records import (
    content_bytes,
    reading_of,
    source_bytes,
    source_digest,
    source_of,
    span_of,
)
from tallystick.testing import CountingIds, FakeClock

SDK = Source({"service.name": "shop", "service.instance.id": "one"}, "tallystick", "1")
OTHER = Source({"service.name": "shop"}, "opentelemetry.instrumentation.openai_v2", "2")
CARD = load_card([])


def span(trace: int, number: int, parent: int | None, *, ended: bool = True, source: Source = SDK, at: int = 0,
         name: str = "chat", run: str | None = None, events: tuple[Event, ...] = (), status: int = 0,
         **attributes: Any) -> Span:  # fmt: skip
    begun = NOW + (at or number) * 1_000_000
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    if run is not None:
        named["tallystick.run.id"] = run
    return Span(
        f"{trace:032x}", f"{number:016x}", None if parent is None else f"{parent:016x}", name, begun,
        begun + 900_000 if ended else None, source, 3, status, "", named, events,
        (Link("e" * 32, "f" * 16, {"why": "retry"}),) if number % 7 == 0 else (), number % 5 // 4,
    )  # fmt: skip


def model(trace: int, number: int, parent: int | None, **more: Any) -> Span:
    history = json.dumps(
        [{"role": "user", "content": f"turn {n} of {trace} " + "word " * 30} for n in range(number % 9)]
    )
    given = {
        "gen_ai__operation__name": "chat", "gen_ai__provider__name": "openai", "gen_ai__request__model": "gpt-4o-mini",
        "gen_ai__response__id": f"resp-{trace}-{number}", "gen_ai__usage__input_tokens": 100 + number,
        "gen_ai__usage__output_tokens": number, "tallystick__seq": number % 20, "gen_ai__agent__name": "refunds",
        "gen_ai__input__messages": history, "temperature": 1.0, "stop": ["a", "b"],
    }  # fmt: skip
    return span(trace, number, parent, **{**given, **more})


def work() -> Iterator[list[Span]]:
    """What a shop's agents sent: recorded runs, foreign traces, repeats, merges, tools, errors, starts."""
    root = {
        "tallystick__run__root": True, "tallystick__run__goal": "Resolve ticket 4711", "tallystick__run__status": "ok",
        "tallystick__workflow__name": "support", "tallystick__kind": "agent", "gen_ai__agent__name": "refunds",
        "tallystick__process": "host/boot/1/2",
    }  # fmt: skip
    for run in range(1, 4):
        name, base = f"run-{run}", run * 100
        yield [span(run, base, None, ended=False, run=name, tallystick__seq=1, **root)]
        yield [
            model(run, base + 1, base, run=name, tallystick__seq=2, tallystick__cost__nano_usd=1_000 + run),
            span(run, base + 2, base, run=name, name="refund", gen_ai__operation__name="execute_tool",
                 gen_ai__tool__name="refund", gen_ai__tool__call__id=f"call-{run}", tallystick__seq=3,
                 tallystick__effect="write", tallystick__decision="deny" if run == 2 else "allow",
                 tallystick__effect__outcome="landed", gen_ai__tool__call__arguments='{"order": 1}',
                 tallystick__tool__price_nano_usd=50),
            model(run, base + 3, base, run=name, tallystick__seq=4, error__type="timeout", status=2,
                  events=(Event("exception", NOW, {"exception.type": "timeout", "n": 2**60}),)),
        ]  # fmt: skip
        yield [span(run, base, None, run=name, tallystick__seq=1, tallystick__run__steps=4, **root)]
    for trace in (20, 21, 22):  # foreign traces: two instrumentors see each call
        base = trace * 100
        yield [
            span(
                trace,
                base,
                None,
                source=OTHER,
                gen_ai__operation__name="invoke_agent",
                gen_ai__agent__name="clerk",
            ),
            model(trace, base + 1, base, source=OTHER, gen_ai__response__id=f"shared-{trace}"),
            model(trace, base + 2, base, source=SDK, gen_ai__response__id=f"shared-{trace}", at=base + 1),
        ]
    yield [model(30, 3001, None, gen_ai__conversation__id="conversation-one"), model(31, 3101, None)]
    yield [
        model(31, 3102, 3101),
        model(31, 3103, None, gen_ai__conversation__id="conversation-one"),
    ]  # now one run
    yield [
        model(32, 3201, None, big="x" * 20_000, raw=b"\x00" * 400, nested={"a": [1, {"b": None}], "$c": 1.5})
    ]


class Shop:
    """Stores on disk that everything of ``work`` went through, attested and sealed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock(NOW + 3600 * 10**9)
        self.open()

    def open(self) -> None:
        self.traces = SqliteTraces(self.folder / "traces.db", alive=lambda name: False)
        self.control = SqliteControl(self.folder / "control.db", clock=self.clock, ids=CountingIds())

    def close(self) -> None:
        self.traces.close()
        self.control.close()

    def record(self, spans: list[Span]) -> None:
        assert Recorder(self.traces, CARD, self.clock).record(spans).rejected == ()

    def attest(self) -> None:
        Notary(self.traces, self.control, self.clock).attest()

    def audit(self) -> list[Audited]:
        return list(audit(self.traces, self.control, self.clock))

    def flaws(self) -> list[Flaw]:
        return [flaw for one in self.audit() for flaw in one.flaws]


def test_an_honest_store_has_no_flaw_at_any_time(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    sent = 0
    for batch in work():
        shop.record(batch)
        assert shop.flaws() == []  # nothing is attested yet
        shop.attest()
        assert shop.flaws() == []
        sent += len(batch)
    found = shop.audit()
    assert sum(one.records for one in found) == sent
    assert sum(one.waiting + one.uncovered for one in found) == 0
    shop.record([model(40, 4001, None)])
    assert [(one.waiting, one.flaws) for one in shop.audit() if one.waiting] == [(1, ())]
    shop.close()


@pytest.mark.skipif(not frameworks.TRUTH, reason="the recorded framework spans are not here")
def test_spans_of_real_frameworks_are_read_as_their_records_say(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    names = sorted(frameworks.TRUTH)
    for name in names:
        if (frameworks.DATA / f"{name}.pb").exists():
            shop.record(frameworks._load(name, "pb"))
    shop.attest()
    assert shop.flaws() == []
    assert sum(one.records for one in shop.audit()) > 100
    for run in shop.traces.logs():
        for one in shop.traces.kept(run):  # as a verifier does it, from the opened content
            source = source_of(json.loads(source_bytes(one.span.source)))
            content = json.loads(content_bytes(one.span, source_digest(source)))
            place = (one.span.trace, one.span.span, one.span.parent, one.span.started, one.span.ended)
            again = read_span(span_of(content, *place, source))[0][0]
            again.cost_nano, again.cost_gap = one.step.cost_nano, one.step.cost_gap
            assert reading_of(again) == reading_of(one.step)
    shop.close()


# ── an attacker with SQL ────────────────────────────────────────────────────────────────────────────────────────


# What may be changed without a finding: nothing that is read depends on it.
@pytest.fixture(scope="module")
def sealed_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    shop = Shop(folder)
    for batch in work():
        shop.record(batch)
        shop.attest()
    assert shop.flaws() == []
    shop.close()
    return folder


def test_no_row_can_be_changed_unseen(sealed_shop: Path, tmp_path: Path) -> None:
    dice = random.Random(20261123)
    before = answers(sealed_shop)
    done: dict[str, int] = {}
    unseen: list[str] = []
    harmless: list[str] = []
    while sum(done.values()) < 320:
        for name in ("traces.db", "control.db"):
            shutil.copy(sealed_shop / name, tmp_path / name)
        connection = sqlite3.connect(tmp_path / "traces.db")
        try:
            what = mutate(dice, connection)
            connection.commit()
        except (sqlite3.IntegrityError, OverflowError):
            continue  # the file itself refuses it
        finally:
            connection.close()
        if what is None:
            continue
        table = what.split()[1].split(".")[0]
        done[table] = done.get(table, 0) + 1
        try:
            shop = Shop(tmp_path)
            found: Any = shop.flaws()
            shop.close()
        except StoreFault as error:
            found = [error]
        if not found:
            (harmless if table in UNREFERRED and answers(tmp_path) == before else unseen).append(what)
    assert not unseen, "\n".join(unseen)
    assert set(done) == set(TABLES)  # every table was tried
    assert len(harmless) < 60, "\n".join(harmless)


@pytest.mark.parametrize(("sql", "run", "step", "text"), [
    ("DELETE FROM step WHERE span=x'0000000000000065'", "run-1", None, "belongs to no step"),
    ("UPDATE step SET run=(SELECT no FROM run WHERE id='run-2') WHERE span=x'0000000000000065'",
     "run-2", "0000000000000065", "came to run run-1 and stands in another"),
    ("UPDATE run SET cost_nano=cost_nano-1 WHERE id='run-1'", "run-1", None, "summary"),
    ("UPDATE step SET same_as=x'0000000000000064' WHERE span=x'0000000000000066'",
     "run-1", "0000000000000066", "repeat"),
    ("UPDATE step SET body=(SELECT body FROM step WHERE span=x'0000000000000067') WHERE span=x'0000000000000065'",
     "run-1", "0000000000000065", "changed after it was recorded"),
    ("UPDATE record SET hashes=zeroblob(length(hashes)) WHERE log=(SELECT no FROM log WHERE id='run-1') AND first=1",
     "run-1", None, "records 1 to 3 of run-1 are not what journal entry"),
    ("DELETE FROM record WHERE log=(SELECT no FROM log WHERE id='run-1')", "run-1", None, "attests 1 records from 0"),
])  # fmt: skip
def test_a_finding_names_run_and_step(
    sealed_shop: Path, tmp_path: Path, sql: str, run: str, step: str | None, text: str
) -> None:
    for name in ("traces.db", "control.db"):
        shutil.copy(sealed_shop / name, tmp_path / name)
    connection = sqlite3.connect(tmp_path / "traces.db")
    connection.execute(sql)
    connection.commit()
    connection.close()
    shop = Shop(tmp_path)
    found = shop.flaws()
    shop.close()
    assert any(one.run == run and one.step == step and text in one.text for one in found), found


def test_what_was_deleted_with_all_its_traces_is_missed_in_the_journal(
    sealed_shop: Path, tmp_path: Path
) -> None:
    """A run cut out cleanly, log and all: only the journal still knows it."""
    for name in ("traces.db", "control.db"):
        shutil.copy(sealed_shop / name, tmp_path / name)
    connection = sqlite3.connect(tmp_path / "traces.db")
    last = connection.execute("SELECT no, id FROM run ORDER BY no DESC LIMIT 1").fetchone()
    for table in ("step", "trace", "link", "part"):
        connection.execute(f"DELETE FROM {table} WHERE run=?", last[:1])
    connection.execute("DELETE FROM record WHERE log=(SELECT no FROM log WHERE id=?)", last[1:])
    connection.execute("DELETE FROM log WHERE id=?", last[1:])
    connection.execute("DELETE FROM run WHERE no=?", last[:1])
    connection.commit()
    connection.close()
    shop = Shop(tmp_path)
    found = shop.flaws()
    shop.close()
    assert [(one.run, "attests a run that the store does not have" in one.text) for one in found] == [
        (last[1], True)
    ]


def test_steps_from_before_there_were_records_are_counted_as_not_covered(tmp_path: Path) -> None:
    golden = Path(__file__).resolve().parent.parent / "golden" / "store-1"
    for name in ("traces.db", "control.db"):
        shutil.copy(golden / name, tmp_path / name)
    shop = Shop(tmp_path)
    found = shop.audit()
    assert sum(one.uncovered for one in found) == sum(one.steps for one in found) == 10
    assert [flaw for one in found for flaw in one.flaws] == []
    for batch in work():
        shop.record(batch)
        shop.attest()
    found = shop.audit()
    assert sum(one.uncovered for one in found) == 10
    assert [flaw for one in found for flaw in one.flaws] == []
    size = shop.control.head()[0]
    shop.attest()
    assert shop.control.head()[0] == size  # what is old is sealed only when it is asked for
    shop.close()
    connection = sqlite3.connect(tmp_path / "traces.db")
    body = connection.execute("SELECT body FROM step WHERE id=1").fetchone()[
        0
    ]  # an old body: it names no record
    connection.execute("UPDATE step SET body=? WHERE id=(SELECT max(id) FROM step)", (body,))
    connection.commit()
    connection.close()
    shop = Shop(tmp_path)
    assert any("a step has no record" in one.text for one in shop.flaws())
    shop.close()
