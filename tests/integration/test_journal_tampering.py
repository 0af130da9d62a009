"""No row of control.db can be changed, taken out, moved or put in by another hand without ``verify`` naming it."""

from __future__ import annotations

import random
import shutil
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tallystick.adapters.sqlite import SqliteControl
from tallystick.app.prove.continuity import check_continuity
from tallystick.model.errors import StoreFault
from tallystick.model.journal import Draft, leaf_bytes, leaf_digest
from tallystick.testing import CountingIds, FakeClock

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "contract"))
from journal_samples import fill, note_of
from people_samples import some_people

TABLES = (
    "journal", "tile", "tree", "opening", "text", "checkpoint", "attested", "declared", "approval", "budget", "hold",
    "stopped", "version", "label", "alias", "definition", "person", "token", "delegation",
)  # fmt: skip
VIEWS = TABLES[6:]
MUTATIONS = 600


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of a few hundred entries, with a full tile, closed so that it is one file."""
    path = tmp_path_factory.mktemp("whole") / "control.db"
    store = opened(path)
    fill(store, 280)
    some_people(store, FakeClock().now())
    assert store.verify() == store.head()[0]
    store.close()
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert all(raw.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES)
    raw.close()
    return path


def opened(path: Path) -> SqliteControl:
    return SqliteControl(path, clock=FakeClock(), ids=CountingIds())


def attacker(path: Path) -> sqlite3.Connection:
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("PRAGMA synchronous=OFF")
    raw.execute("PRAGMA ignore_check_constraints=ON")
    for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        raw.execute(f"DROP TRIGGER {name}")
    return raw


def another(value: Any, kind: str, notnull: bool, dice: random.Random) -> Any:
    """A value that a strict column of this type takes and that is not the one there."""
    ways: list[Any] = [] if notnull or value is None else [None]
    if kind == "INTEGER":
        ways += [(value or 0) + dice.choice([-1, 1, 1000, -(2**40)])]
    elif kind == "TEXT":
        text = value or ""
        at = dice.randrange(len(text)) if text else 0
        ways += [
            text[:at] + ("x" if text[at : at + 1] != "x" else "y") + text[at + 1 :],
            text + " ",
            "",
            text.upper(),
            "z",
        ]
    else:
        content = value or b""
        at = dice.randrange(len(content)) if content else 0
        flipped = bytes([content[at] ^ 1 << dice.randrange(8)]) if content else b"x"
        ways += [content[:at] + flipped + content[at + 1 :], content + b" ", content[:-1], b""]
    return dice.choice([one for one in ways if one != value])


def mutate(raw: sqlite3.Connection, table: str, dice: random.Random) -> str | None:
    """Do one thing to one row, as an attacker would; None where the file did not let it happen."""
    columns = raw.execute(f"PRAGMA table_info({table})").fetchall()
    names = [column[1] for column in columns]
    keys = [column[1] for column in columns if column[5]]
    rows = raw.execute(f"SELECT * FROM {table}").fetchall()
    row = dict(zip(names, dice.choice(rows), strict=True))
    where = " AND ".join(f"{key} IS ?" for key in keys)
    at = [row[key] for key in keys]
    what = dice.choice(["edit", "edit", "edit", "delete", "insert", "swap"])
    try:
        if what == "edit":
            _, name, kind, notnull, _, key = dice.choice(columns)
            value = another(row[name], kind, bool(notnull or key), dice)
            raw.execute(f"UPDATE {table} SET {name} = ? WHERE {where}", [value, *at])
            what = f"{name} of {at}: {row[name]!r:.80} -> {value!r:.80}"
        elif what == "delete":
            raw.execute(f"DELETE FROM {table} WHERE {where}", at)
        elif what == "insert":
            for _, name, kind, _, _, key in columns:
                if key or name == "id":
                    row[name] = another(row[name], kind, True, dice)
            marks = ", ".join("?" * len(names))
            raw.execute(f"INSERT INTO {table} VALUES ({marks})", list(row.values()))
        else:  # two rows change places
            other = dict(zip(names, dice.choice(rows), strict=True))
            free = [name for name in names if name not in keys and name != "id"]
            if all(row[name] == other[name] for name in free):
                return None
            for one, two in ((row, other), (other, row)):
                values = [two[name] for name in free] + [one[key] for key in keys]
                raw.execute(
                    f"UPDATE {table} SET {', '.join(f'{name} = ?' for name in free)} WHERE {where}", values
                )
    except sqlite3.IntegrityError:
        return None  # a row with that key is there
    return f"{what} in {table}"


def fault_of(store: SqliteControl) -> StoreFault | None:
    try:
        store.verify()
    except StoreFault as fault:
        return fault
    return None


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_done_to_a_row_is_found(whole: Path, tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    missed, done, views = [], 0, 0
    path = tmp_path / "control.db"
    while done < MUTATIONS / 4:
        table = TABLES[done % len(TABLES)]
        shutil.copy(whole, path)
        raw = attacker(path)
        what = mutate(raw, table, dice)
        raw.close()
        if what is None:
            continue
        done += 1
        store = opened(path)
        fault = fault_of(store)
        if fault is None:
            missed.append(what)
        else:
            assert fault.hint, what
            assert fault.detail, f"{what}: no place in {fault.message}"
        if table in VIEWS and done % 5 == 0:
            views += 1
            assert store.rebuild()["changed"] == 1, what
            assert store.verify() > 0
        store.close()
        for file in tmp_path.glob("control.db-*"):
            file.unlink()
    assert missed == []
    assert done >= MUTATIONS / 4
    assert views > 10


def copied(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(whole, tmp_path / "control.db"))


def test_a_changed_entry_is_named_also_when_its_digest_was_made_to_fit(whole: Path, tmp_path: Path) -> None:
    store = opened(copied(whole, tmp_path))
    entry = store.entries(after=199, limit=1)[0]
    raw = attacker(tmp_path / "control.db")
    raw.execute("UPDATE journal SET actor = 'mallory' WHERE seq = 200")
    with pytest.raises(StoreFault, match="entry 200") as caught:
        store.verify()
    assert caught.value.detail == {"seq": 200}
    digest = leaf_digest(leaf_bytes(replace(entry, actor="mallory")))
    raw.execute("UPDATE journal SET digest = ? WHERE seq = 200", (digest,))
    with pytest.raises(StoreFault) as caught:  # the next checkpoint no longer meets the tree
        store.verify()
    assert caught.value.detail["finding"] == "forked"
    raw.execute("DELETE FROM checkpoint")
    with pytest.raises(StoreFault, match="tile 0/0"):
        store.verify()
    raw.close()
    store.close()


def test_a_body_that_is_no_json_is_a_fault_and_no_traceback(whole: Path, tmp_path: Path) -> None:
    store = opened(copied(whole, tmp_path))
    raw = attacker(tmp_path / "control.db")
    for body in (b"", b"[1]", b"{", b"\xff", b"[" * 100_000, b'{"a": "\xff"}'):
        raw.execute("UPDATE journal SET body = ? WHERE seq = 7", (body,))
        for ask in (store.verify, store.entries):
            with pytest.raises(StoreFault, match="entry 7"):
                ask()
    raw.close()
    store.close()


def test_the_newest_entries_cut_off_and_a_journal_written_anew(whole: Path, tmp_path: Path) -> None:
    """Who rewrites the whole file can make it fit: then an earlier checkpoint shows it."""
    first = opened(whole)
    size, root = first.head()
    signed = note_of(first)
    first.close()
    anew = opened(tmp_path / "control.db")
    fill(anew, 200)
    with pytest.raises(StoreFault) as caught:
        check_continuity(anew, size, root)
    assert caught.value.detail["finding"] == "shorter"
    missing = size - anew.head()[0]
    anew.append([Draft("effect.started", "e", {"n": number}) for number in range(missing)])
    assert anew.verify() == size
    with pytest.raises(StoreFault) as caught:
        check_continuity(anew, size, root)
    assert caught.value.detail["finding"] == "forked"
    raw = attacker(tmp_path / "control.db")
    raw.execute("INSERT INTO checkpoint VALUES (?, ?)", signed)
    with pytest.raises(StoreFault) as caught:
        anew.verify()
    assert caught.value.detail == {"size": size, "finding": "forked"}
    raw.execute("UPDATE checkpoint SET size = size + 1, note = replace(note, ?, ?) WHERE size = ?",
                (f"\n{size}\n", f"\n{size + 1}\n", size))  # fmt: skip
    with pytest.raises(StoreFault) as caught:
        anew.verify()
    assert caught.value.detail == {"size": size + 1, "finding": "shorter"}
    raw.close()
    anew.close()


def test_rows_that_were_cut_off_do_not_hide_behind_the_tree(whole: Path, tmp_path: Path) -> None:
    store = opened(copied(whole, tmp_path))
    size, root = store.head()
    raw = attacker(tmp_path / "control.db")
    raw.execute("DELETE FROM journal WHERE seq > ?", (size - 3,))
    assert store.head() == (size, root)  # the row with the edge is still there
    with pytest.raises(StoreFault) as caught:
        check_continuity(store, size, root)
    assert caught.value.detail["finding"] == "shorter"
    raw.close()
    store.close()
