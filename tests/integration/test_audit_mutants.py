"""No row of the trace store can be changed so that something else is read and the audit stays silent."""

from __future__ import annotations

import random
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from audit_shop import NOW, Shop, work

from tallystick.adapters.sqlite.rows import unpack_tally
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.model.errors import StoreFault
from tallystick.model.query import EVERYTHING

# ── an attacker with SQL ────────────────────────────────────────────────────────────────────────────────────────

# What may be changed without a finding: nothing that is read depends on it.
FREE = {
    ("run", "revision"): "a cursor: what to send again", ("alias", "revision"): "a cursor: what to send again",
    ("run", "sealed"): "a cursor: what to seal again", ("run", "due"): "when to look at an open run again",
    ("meta", "value"): "cursors; only lowering them is told",
    ("run", "listed"): "a cursor: what to list again", ("run", "listed_steps"): "when to list an open run again",
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
    "use_run",
    "use_sum",
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
    number = "NULL" if table in ("link", "alias", "part", "replaced", "use_run") else "rowid"
    rows = connection.execute(f"SELECT {number}, * FROM {table}").fetchall()
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
    made: list[Any] = [runs, store.uses(), sorted(store.logs())]
    for run in runs:
        made += [
            store.uses(run=run.run),
            store.steps(run.run),
            store.spans(run.run),
            store.records(run.run),
            store.account(run.run),
        ]
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
    assert shop.list_uses() > 3
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
    for table in ("use_run", "use_sum"):  # what was listed is listed again
        connection.execute(f"DELETE FROM {table}")
    connection.execute("UPDATE run SET listed=0")
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


def test_a_journal_that_was_lost_is_missed(sealed_shop: Path, tmp_path: Path) -> None:
    shutil.copy(sealed_shop / "traces.db", tmp_path / "traces.db")
    shop = Shop(tmp_path)
    missed = {flaw.run for flaw in shop.flaws() if "and the journal holds 0" in flaw.text}
    assert {"run-1", "run-2", "run-3"} <= missed
    shop.close()
