"""Deleting whole runs: everything but the hashes of their records, which the journal attests."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from tallystick.adapters.sqlite import rows
from tallystick.adapters.sqlite.archiving import drop_steps
from tallystick.adapters.sqlite.records import logs_of
from tallystick.adapters.sqlite.runs import pairs_in
from tallystick.adapters.sqlite.scrubbing import queue
from tallystick.adapters.sqlite.shelf import Shelf
from tallystick.adapters.sqlite.ties import untie
from tallystick.adapters.sqlite.tracking import frames_of, purge
from tallystick.adapters.sqlite.uses import forget_uses
from tallystick.observe.summary import PART_TYPES

# Open runs may go on; what the journal does not hold as it stands would be lost to it.
_READY = (
    "SELECT r.no, r.id FROM run r WHERE r.id IN ({}) AND NOT r.open AND r.sealed >= r.revision AND NOT EXISTS"
    " (SELECT 1 FROM log l WHERE l.attested < l.records AND (l.id = r.id OR l.id IN"
    " (SELECT a.id FROM alias a WHERE a.run = r.no)))"
)


def deletable(connection: sqlite3.Connection, shelf: Shelf, runs: Sequence[str]) -> list[tuple[int, str]]:
    """Those of some runs that may be deleted, by number and id."""
    found = dict.fromkeys(pairs_in(connection, _READY, list(runs)))
    return [(row[0], row[1]) for row in found if _own_logs(connection, shelf, row[0], row[1])]


def _own_logs(connection: sqlite3.Connection, shelf: Shelf, number: int, run: str) -> bool:
    """Whether all records in a run's logs are those of its own steps: other runs need theirs."""
    logs = list(logs_of(connection, number, run, ()))
    marks = [rows.mark_of(row[5]) for row in shelf.rows(connection, number)]
    live = sum(1 for mark in marks if mark is not None and mark[0] in logs)
    return live == sum(1 for mark in marks if mark is not None) and live == (
        _sum(connection, "SELECT no, records FROM log WHERE no IN ({})", logs)
        - _sum(connection, "SELECT log, count(*) FROM replaced WHERE log IN ({}) GROUP BY log", logs)
        - _sum(connection, "SELECT log, records FROM deleted_log WHERE log IN ({})", logs)
    )


def _sum(connection: sqlite3.Connection, sql: str, logs: Sequence[int]) -> int:
    return sum(dict(pairs_in(connection, sql, logs)).values())


def delete_run(connection: sqlite3.Connection, number: int, run: str, *, at: int) -> int:
    """Delete one run inside a write transaction that overwrites what it deletes; returns how many steps it had.

    Its frames are noted to be scrubbed, and its segment to be purged.
    """
    ask = connection.execute
    logs = logs_of(connection, number, run, ())
    purge(connection, number)
    cold = ask("SELECT ifnull(sum(steps), 0) FROM archived_run WHERE run=?", (number,)).fetchone()[0]
    queue(connection, frames_of(connection, [number]))
    steps = drop_steps(connection, number) + int(cold)
    ask("UPDATE meta SET value=value+? WHERE key='steps_deleted'", (steps,))
    forget_uses(connection, number)
    for log in logs:
        ask("DELETE FROM replaced WHERE log=?", (log,))
        ask("UPDATE record SET salts=zeroblob(length(salts)) WHERE log=?", (log,))
        ask("INSERT OR REPLACE INTO deleted_log SELECT no, records, ? FROM log WHERE no=?", (at, log))
    connection.executemany(
        "DELETE FROM part WHERE type=? AND run=?", [(kind, number) for kind in range(len(PART_TYPES))]
    )
    untie(connection, number)
    for table in ("trace", "link", "alias", "archived_run", "archived_trace", "blob_run", "awaited"):
        ask(f"DELETE FROM {table} WHERE run=?", (number,))
    ask("DELETE FROM run WHERE no=?", (number,))
    return steps


def deleted_logs(connection: sqlite3.Connection) -> dict[str, int]:
    """Run ids whose runs were deleted, with the number of records they had."""
    return dict(connection.execute("SELECT l.id, d.records FROM deleted_log d JOIN log l ON l.no = d.log"))
