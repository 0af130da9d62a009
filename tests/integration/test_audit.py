"""The audit of stored steps: silent on honest stores, and no row can be changed so that something else is read."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import test_framework_spans as frameworks
import zstandard

from tallystick.adapters.sqlite import SqliteControl
from tallystick.adapters.sqlite.rows import unpack_tally
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.app.audit import Audited, audit
from tallystick.app.notary import Notary
from tallystick.app.record import Recorder
from tallystick.cost.rates import load_card
from tallystick.model.errors import StoreFault
from tallystick.model.query import EVERYTHING
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

NOW = 1_700_000_000 * 10**9
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
FREE = {
    ("run", "revision"): "a cursor: what to send again", ("alias", "revision"): "a cursor: what to send again",
    ("run", "sealed"): "a cursor: what to seal again", ("run", "due"): "when to look at an open run again",
    ("meta", "value"): "cursors; only lowering them is told",
    ("run", "stamped"): "whether the run may later be merged into another",
}  # fmt: skip
FREE_STATE = {
    "created",
    "seen",
    "call_scope",
    "tool_scope",
    "recount",
}  # inside run.state: the store's own notes
# Tables with rows to which nothing refers (a start that was replaced leaves its shape and frame), and link, which says
# where later spans would go: a change there is free only where every answer of the store stays as it was.
UNREFERRED = {
    "shape",
    "source",
    "frame",
    "name",
    "link",
    "log",
}  # log: attested behind the journal, as after a crash
TABLES = (
    "run",
    "step",
    "trace",
    "link",
    "alias",
    "part",
    "shape",
    "source",
    "frame",
    "name",
    "log",
    "record",
    "replaced",
)


def columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def altered(dice: random.Random, value: Any) -> Any:
    """Another value of the same kind."""
    if value is None:
        return dice.choice([0, 7, "x"])
    if isinstance(value, int):
        return dice.choice([value + 1, value - 1, value + 1000, 0 if value else 3])
    if isinstance(value, str):
        return dice.choice([value + "x", value[:-1], value[:-1] + chr(ord(value[-1]) ^ 1) if value else "y"])
    place = dice.randrange(len(value)) if value else 0
    cut = value[:place] + value[place + 1 :]
    flipped = (
        value[:place] + bytes([value[place] ^ 1 << dice.randrange(8)]) + value[place + 1 :] if value else b"z"
    )
    return dice.choice([flipped, flipped, cut, value + b"\x00"])


def altered_state(dice: random.Random, state: bytes) -> bytes:
    """A tally in which one number, name or mark that somebody reads is another."""
    values = msgspec.msgpack.decode(state)
    names = [name for name in unpack_tally(state).__dataclass_fields__ if name not in FREE_STATE]
    index = list(unpack_tally(state).__dataclass_fields__).index(dice.choice(names))
    value = values[index]
    if isinstance(value, list) and value:
        values[index] = [*value[:-1], altered(dice, value[-1]) if not isinstance(value[-1], list) else None]
    else:
        values[index] = altered(dice, value) if isinstance(value, int | str) else 5
    return msgspec.msgpack.encode(values)


def mutate(dice: random.Random, connection: sqlite3.Connection) -> str | None:
    """Change one thing; say what, or None when that would change nothing or is free."""
    table = dice.choice([*TABLES, "step", "step", "record", "run", "frame"])
    rows = connection.execute(f"SELECT rowid, * FROM {table}" if table not in ("link", "alias", "part", "replaced")
                              else f"SELECT NULL, * FROM {table}").fetchall()  # fmt: skip
    if not rows:
        return None
    names = columns(connection, table)
    row = dice.choice(rows)
    where = " AND ".join(f"{name} IS ?" for name in names)
    way = dice.choice(["edit", "edit", "edit", "edit", "delete", "insert", "swap"])
    if way == "delete":
        connection.execute(f"DELETE FROM {table} WHERE {where}", row[1:])
        return f"delete {table} {row[1:4]}"
    column = dice.choice(names)
    place = 1 + names.index(column)
    if way == "insert":
        values = list(row[1:])
        for index, value in enumerate(values):
            if dice.random() < 0.5 or index == 0:
                values[index] = altered(dice, value)
        if "id" in names and isinstance(values[0], int):
            values[0] = None if dice.random() < 0.5 else values[0] + 10_000
        connection.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(names))})", values)
        return f"insert {table} {values[:4]}"
    if (table, column) in FREE:
        return None
    if way == "swap":
        other = dice.choice(rows)
        if other[place] == row[place]:
            return None
        connection.execute(f"UPDATE {table} SET {column}=? WHERE {where}", (other[place], *row[1:]))
        connection.execute(f"UPDATE {table} SET {column}=? WHERE {where}", (row[place], *other[1:]))
        return f"swap {table}.{column} of {row[1:4]} and {other[1:4]}"
    value = altered_state(dice, row[place]) if column == "state" else altered(dice, row[place])
    if value == row[place] or (column == "state" and unpack_same(value, row[place])):
        return None
    if (table, column) == ("frame", "data") and inflated(value) == inflated(row[place]):
        return None  # a byte of the compressed form that changes nothing in what comes out
    if (table, column) == ("record", "salts") and only_replaced(connection, row, names, value):
        return None  # the salt of a replaced record opens nothing that is kept
    connection.execute(f"UPDATE {table} SET {column}=? WHERE {where}", (value, *row[1:]))
    return f"edit {table}.{column} of {row[1:4]}: {str(row[place])[:60]} -> {str(value)[:60]}"


def answers(folder: Path) -> list[Any]:
    """Everything that people and programs can read from the trace store."""
    store = SqliteTraces(folder / "traces.db", alive=lambda name: False)
    now = NOW + 3600 * 10**9
    runs = store.runs(EVERYTHING, now=now, limit=1000).runs
    made: list[Any] = [runs, sorted(store.logs())]
    for run in runs:
        made += [store.steps(run.run), store.spans(run.run), store.records(run.run), store.account(run.run)]
    for kind in ("agent", "tool", "model", "workflow"):
        made += [store.spend(kind, EVERYTHING, now=now), store.sightings(kind)]
    for name in store.logs():
        made.append(store.resolve(name))
    store.close()
    return made


def unpack_same(one: bytes, other: bytes) -> bool:
    try:
        return unpack_tally(one) == unpack_tally(other)
    except (msgspec.MsgspecError, TypeError, ValueError, IndexError):  # a finding, whatever it was
        return False


def inflated(data: bytes) -> bytes | None:
    try:
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=2**24)
    except zstandard.ZstdError:
        return None


def only_replaced(connection: sqlite3.Connection, row: Any, names: list[str], value: bytes) -> bool:
    log, first, salts = (row[1 + names.index(name)] for name in ("log", "first", "salts"))
    taken = {n for (n,) in connection.execute("SELECT n FROM replaced WHERE log=?", (log,))}
    changed = {first + at // 16 for at in range(len(salts)) if value[at : at + 1] != salts[at : at + 1]}
    return len(value) == len(salts) and changed <= taken


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


def test_a_journal_that_was_lost_is_missed(sealed_shop: Path, tmp_path: Path) -> None:
    shutil.copy(sealed_shop / "traces.db", tmp_path / "traces.db")
    shop = Shop(tmp_path)
    missed = {flaw.run for flaw in shop.flaws() if "and the journal holds 0" in flaw.text}
    assert {"run-1", "run-2", "run-3"} <= missed
    shop.close()
