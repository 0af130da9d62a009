"""A copy of a store folder, made while others write to it.

The journal may not attest a step that the copy lacks, so the control plane is copied first and the traces after it;
checkpoints go before both, because the journal must lead on from them. Marks in the copied traces of what had entered
the journal meanwhile are taken back, so that it enters the copy's journal when that is opened. The text index is left
out (it is made anew), and so is the spool of processes that run.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tallystick.adapters.blobs import BlobFolder
from tallystick.adapters.durable import to_disk
from tallystick.adapters.parquet import files_of
from tallystick.adapters.signer import KEY_FILE
from tallystick.adapters.sqlite.control_entries import read_body
from tallystick.model.errors import Conflict, StoreFault

_TRACES, _CONTROL, _ARCHIVE, _BLOBS = "traces.db", "control.db", "archive", "blobs"
_FIRST: Final = ("journal.pub", "checkpoints.json", "checkpoints.log")
_TRIES: Final = 3
_UNSEALED: Final = "SELECT id FROM run WHERE NOT open AND sealed < revision"


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What a backup copied: files and bytes, and how many of the files are links to files that never change."""

    files: int
    bytes: int
    linked: int


def back_up(store: Path, target: Path, *, with_key: bool, say: Callable[[str], None]) -> BackedUp:
    """Copy a store folder into an empty folder. Raises Conflict for one that is not empty, StoreFault."""
    try:
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise Conflict(
                f"{target} is not empty", hint="choose a new folder for each backup", folder=str(target)
            )
        for name in (*_FIRST, *([KEY_FILE] if with_key else [])):
            if (store / name).exists():
                shutil.copy2(store / name, target / name)
        seen, revision = _before(store / _TRACES)
        if (store / _CONTROL).exists():
            say("copying control.db")
            _copy(store / _CONTROL, target / _CONTROL)
        linked = 0
        for left in range(_TRIES, 0, -1):
            say("copying traces.db")
            (target / _TRACES).unlink(missing_ok=True)
            _copy(store / _TRACES, target / _TRACES)
            try:
                linked = _archive(store, target) + _blobs(store, target)
                break
            except FileNotFoundError as error:  # a segment went meanwhile, and its runs are elsewhere now
                if left == 1:
                    raise StoreFault(
                        f"{error.filename} is missing", hint="tally journal verify says which runs it had"
                    ) from error
                shutil.rmtree(target / _ARCHIVE, ignore_errors=True)
                shutil.rmtree(target / _BLOBS, ignore_errors=True)
        _take_back(target, seen, revision)
        files = [path for path in target.rglob("*") if path.is_file()]
        for path in (*files, *(path for path in target.rglob("*") if path.is_dir()), target):
            to_disk(path)
    except OSError as error:
        raise StoreFault(
            f"the backup {target} cannot be written: {error}", hint="choose a folder with room"
        ) from error
    except sqlite3.Error as error:
        raise StoreFault(
            f"the store {store} cannot be copied: {error}", hint="tally journal verify"
        ) from error
    return BackedUp(len(files), sum(path.stat().st_size for path in files), linked)


def _before(traces: Path) -> tuple[list[str], int]:
    """Runs that were not sealed before the journal was copied, and the revision of the store then."""
    with closing(sqlite3.connect(f"file:{traces}?mode=ro", uri=True)) as connection:
        runs = [row[0] for row in connection.execute(_UNSEALED)]
        return runs, connection.execute("SELECT value FROM meta WHERE key='revision'").fetchone()[0]


def _copy(source: Path, target: Path) -> None:
    """One database as it is at one moment; writers go on."""
    with closing(sqlite3.connect(source, timeout=60)) as here, closing(sqlite3.connect(target)) as there:
        here.execute("BEGIN")
        here.execute("SELECT count(*) FROM sqlite_master").fetchone()
        here.backup(there)


def _archive(store: Path, target: Path) -> int:
    """Link (or copy) the segments that the copied traces name; returns how many files were linked."""
    with closing(sqlite3.connect(target / _TRACES)) as connection:
        names = [row[0] for row in connection.execute(
            "SELECT name FROM segment WHERE no IN (SELECT segment FROM archived_run)"
        )]  # fmt: skip
    linked = 0
    for name in names:
        folder = target / _ARCHIVE / name
        folder.mkdir(parents=True, exist_ok=True)
        for file in files_of(store / _ARCHIVE / name):
            source = store / _ARCHIVE / name / file
            try:
                os.link(source, folder / file)
                linked += 1
            except FileNotFoundError:
                raise
            except OSError:  # another file system, or one without links
                shutil.copy2(source, folder / file)
    return linked


def _blobs(store: Path, target: Path) -> int:
    """The same for the large binaries that its runs name; one that is missing in the store is missing in the copy."""
    with closing(sqlite3.connect(target / _TRACES)) as connection:
        digests = [row[0].hex() for row in connection.execute("SELECT DISTINCT blob FROM blob_run")]
    here, there = BlobFolder(store / _BLOBS), BlobFolder(target / _BLOBS)
    linked = 0
    for digest in digests:
        place = there.place(digest)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.link(here.place(digest), place)
            linked += 1
        except FileNotFoundError:
            continue  # erased meanwhile, or never brought here: the store itself does not have it
        except OSError:
            shutil.copy2(here.place(digest), place)
    if digests:
        (target / _BLOBS).chmod(0o700)
    return linked


def _take_back(target: Path, unsealed: list[str], revision: int) -> None:
    """Lower the marks in the copied traces to what the copied journal holds."""
    held: dict[str, int] = {}
    if (target / _CONTROL).exists():
        with closing(sqlite3.connect(target / _CONTROL)) as connection:
            for seq, raw in connection.execute("SELECT seq, body FROM journal WHERE kind='records.accepted'"):
                body = read_body(seq, raw)
                held[body["run"]] = max(held.get(body["run"], 0), body["first"] + body["count"])
    with closing(sqlite3.connect(target / _TRACES)) as connection, connection:
        for run, attested in connection.execute("SELECT id, attested FROM log WHERE attested > 0").fetchall():
            if held.get(run, 0) < attested:
                connection.execute("UPDATE log SET attested=? WHERE id=?", (held.get(run, 0), run))
        connection.executemany("UPDATE run SET sealed=0 WHERE id=?", [(run,) for run in unsealed])
        connection.execute("UPDATE run SET sealed=0 WHERE revision>?", (revision,))
