"""Journals of older versions, migrations that die, and contents that are erased from the file."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tallystick.adapters.clock import SystemClock
from tallystick.adapters.ids import TimeIds
from tallystick.adapters.sqlite import SqliteControl
from tallystick.app.prove.continuity import check_continuity
from tallystick.model.canonical import canonical_json
from tallystick.model.commitment import Content
from tallystick.model.errors import StoreFault
from tallystick.model.journal import Draft

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "contract"))
from registry_samples import bare, retired
from store_work import registry_of

GOLDEN = Path(__file__).resolve().parent.parent / "golden"


def opened(path: Path) -> SqliteControl:
    return SqliteControl(path, clock=SystemClock(), ids=TimeIds())


def _bodies(path: Path) -> list[tuple]:
    raw = sqlite3.connect(path)
    rows = raw.execute(
        "SELECT seq, id, at, kind, subject, run, actor, body, previous FROM journal ORDER BY seq"
    ).fetchall()
    raw.close()
    return [(*row[:7], canonical_json(json.loads(row[7])), row[8]) for row in rows]


@pytest.mark.parametrize("version", ["store-1", "store-2", "store-3"])
def test_an_old_journal_still_opens_and_grows_on(tmp_path, version):
    expected = json.loads((GOLDEN / f"{version}.json").read_text())
    path = Path(shutil.copy(GOLDEN / version / "control.db", tmp_path / "control.db"))
    before = _bodies(path)
    journal = opened(path)
    assert _bodies(path) == before
    size, root = journal.head()
    assert journal.verify() == size == expected["entries"]
    assert journal.rebuild()["changed"] == 0
    assert [[one.name, one.spent_nano, one.held_nano] for one in journal.budgets()] == expected["budgets"]
    if "root" in expected:
        assert root.hex() == expected["root"]
        assert len(journal.checkpoints()) == expected["checkpoints"]
        assert len(journal.approvals()) == expected["approvals"]
        assert sum(map(len, journal.openings(range(size + 1)).values())) == expected["open"]
    if "registry" in expected:
        assert registry_of(journal) == expected["registry"]
    run = next((entry.run for entry in journal.entries() if entry.run is not None), "r")
    count = len(journal.entries(run=run))
    (entry,) = journal.append([Draft("effect.started", "e", {"effect": "e"}, run=run)])
    assert (entry.seq, entry.nth, entry.previous) == (size + 1, count + 1, None)
    assert journal.verify() == size + 1
    check_continuity(journal, size, root)
    journal.close()


@pytest.mark.parametrize("version", ["store-1", "store-2"])
def test_an_old_registry_is_as_it_was_and_has_versions(tmp_path, version):
    """Old stores kept only the newest version of an object; the journal has them all."""
    path = Path(shutil.copy(GOLDEN / version / "control.db", tmp_path / "control.db"))
    raw = sqlite3.connect(path)
    rows = raw.execute("SELECT type, name, digest, version, body, retired FROM declared").fetchall()
    raw.close()
    journal = opened(path)
    found = [
        (one.type, one.name, one.digest, one.version, one.body, one.retired) for one in journal.declared(retired=True)
    ]  # fmt: skip
    assert found == sorted((*row[:4], json.loads(row[4]), bool(row[5])) for row in rows)
    assert all(journal.versions(one.type, one.name) for one in journal.declared())
    journal.close()


def test_versions_of_an_old_journal_are_found_in_it(tmp_path):
    """A store of the schema before: its one table of the registry has only what was declared last."""
    journal = opened(tmp_path / "control.db")
    journal.append(
        [bare("desk", "a" * 64, "1", n=1, owner="ann", purpose="x"), bare("desk", "b" * 64, "1", n=2)]
    )
    journal.append([bare("desk", "a" * 64, "1", n=1), bare("old", "c" * 64), retired("old")])
    asked = registry_of(journal)
    journal.close()
    raw = sqlite3.connect(tmp_path / "control.db")
    for table in (
        "declared", "version", "label", "alias", "definition", "switch", "person", "token", "delegation", "effect",
        "vouched",
    ):  # fmt: skip
        raw.execute(f"DROP TABLE {table}")
    raw.execute("DROP INDEX journal_actor")
    raw.execute("ALTER TABLE approval DROP COLUMN more")
    raw.execute(
        "CREATE TABLE declared (type TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (type, name)) STRICT"
    )
    raw.execute("PRAGMA user_version=3")
    raw.commit()
    raw.close()
    journal = opened(tmp_path / "control.db")
    assert journal.info()["schema"] == 8
    assert registry_of(journal) == asked
    assert [one.digest[0] for one in journal.versions("agent", "desk")] == ["b", "a"]
    assert journal.verify() == 5
    assert journal.rebuild()["changed"] == 0
    journal.close()


@pytest.mark.parametrize(
    "change",
    [
        "body = CAST('{}' AS BLOB) WHERE seq = 2",
        "actor = 'mallory' WHERE seq = (SELECT max(seq) FROM journal)",
    ],
)
def test_a_journal_that_was_changed_before_is_not_migrated(tmp_path, change):
    """Its digests are about to be replaced, so what they tell must be heard first."""
    path = Path(shutil.copy(GOLDEN / "store-1" / "control.db", tmp_path / "control.db"))
    raw = sqlite3.connect(path)
    raw.execute("DROP TRIGGER journal_stays")
    raw.execute(f"UPDATE journal SET {change}")
    raw.commit()
    raw.close()
    before = _bodies(path)
    with pytest.raises(StoreFault, match="entry"):
        opened(path)
    assert _bodies(path) == before
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (1,)
    raw.close()


def test_a_migration_that_dies_changes_nothing(tmp_path):
    """Killed in the middle of the leaves, and once more just before the commit."""
    path = Path(shutil.copy(GOLDEN / "store-1" / "control.db", tmp_path / "control.db"))
    raw = sqlite3.connect(path)
    before = list(raw.iterdump())
    raw.close()
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from tallystick.adapters.clock import SystemClock\n"
        "from tallystick.adapters.ids import TimeIds\n"
        "from tallystick.adapters.sqlite import SqliteControl, control_tree\n"
        "name, times = sys.argv[2], [0]\n"
        "real = getattr(control_tree.Growth, name)\n"
        "def die(*given):\n"
        "    times[0] += 1\n"
        "    if times[0] == int(sys.argv[3]):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return real(*given)\n"
        "setattr(control_tree.Growth, name, die)\n"
        "SqliteControl(Path(sys.argv[1]), clock=SystemClock(), ids=TimeIds())\n"
    )
    env = {**os.environ, "PYTHONPATH": str(GOLDEN.parent.parent)}
    for name, times in (("add", "3"), ("save", "1")):
        done = subprocess.run([sys.executable, "-c", program, str(path), name, times], env=env, timeout=60)
        assert done.returncode == -9
        raw = sqlite3.connect(path)
        assert list(raw.iterdump()) == before
        assert raw.execute("PRAGMA user_version").fetchone() == (1,)
        raw.close()
    journal = opened(path)
    assert journal.verify() == journal.head()[0]
    journal.close()


def test_what_is_erased_is_in_no_byte_of_the_store(tmp_path):
    path = tmp_path / "x.db"
    store = opened(path)
    secrets = {size: os.urandom(size).hex() for size in (12, 700, 30_000)}
    for size, secret in secrets.items():
        iban = Content(secret, os.urandom(16))
        body = {
            "approval": f"apr_{size}", "decision": "d", "run": "r", "agent": "a", "tool": "t", "group": "g",
            "arguments": {"iban": iban}, "binding": "b", "because": None, "expires_ns": 2**62,
        }  # fmt: skip
        store.append([Draft("approval.requested", f"apr_{size}", body, run="r")])
    note = Content(secrets[700], os.urandom(16))
    said = {"approval": "apr_12", "answer": "approved", "by": "ann", "note": note}
    store.append([Draft("approval.answered", "apr_12", said, run="r")])
    assert all(
        any(secret[:24].encode() in file.read_bytes() for file in tmp_path.iterdir())
        for secret in secrets.values()
    )
    with (
        store._database.writing() as connection
    ):  # as a SQLite that was not built to overwrite what is deleted
        connection.execute("PRAGMA secure_delete=OFF")
    assert len(store.erase([1, 2, 3, 4])) == 4
    assert store.wipe()
    for file in tmp_path.iterdir():
        content = file.read_bytes()
        assert not any(secret[:24].encode() in content for secret in secrets.values()), file.name
    assert store.verify() == 4
    store.close()
