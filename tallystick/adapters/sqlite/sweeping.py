"""What becomes of runs while nothing of them arrives; a part of the trace store in SQLite.

An open run whose process died, or that fell silent, is judged anew when somebody reads. So is a large run whose
counting was put off (see ``RunTable.put_off``): whoever reads it sees the whole of it.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from tallystick.adapters.sqlite import rows
from tallystick.adapters.sqlite.database import Database
from tallystick.adapters.sqlite.runs import NOT_COUNTED, RunRow, RunTable, pairs_in, summary
from tallystick.adapters.sqlite.writing import WriterMemory
from tallystick.observe.completeness import judge
from tallystick.observe.numbering import lives

_OPEN = "SELECT no, id, stamped, state, process, due FROM run WHERE open"


class Sweeper:
    """Mixed into the store, whose fields it uses."""

    _alive: Callable[[str], bool | None]
    _database: Database
    _lock: threading.Lock
    _memory: WriterMemory
    _silent_after: int

    def _reading(self) -> AbstractContextManager[sqlite3.Connection]:
        raise NotImplementedError

    def _readable(self) -> AbstractContextManager[None]:
        raise NotImplementedError

    def _sweep(self, now: int) -> None:
        """Find open runs whose process died or that fell silent, and say so in their rows; count what was put off."""
        known: dict[str, bool | None] = {}

        def alive(name: str | None) -> bool | None:
            if name is None:
                return None
            if name not in known:
                known[name] = lives(name, self._alive)
            return known[name]

        with self._reading() as connection:
            due = [
                row[0] for row in connection.execute(_OPEN)
                if now > row[5] or (row[4] is not None and alive(row[4]) is False)
            ]  # fmt: skip
        if not due:
            return
        with self._readable(), self._lock, self._database.writing() as connection:
            self._count_put_off(connection, due)
            for no, run, stamped, state, owner, _ in pairs_in(connection, _OPEN + " AND no IN ({})", due):
                row = RunRow(no, run, bool(stamped), rows.unpack_tally(state))
                verdict = judge(row.tally, now=now, alive=alive(owner), silent_after=self._silent_after)
                if verdict.missing is None and str(verdict.completeness) == "open":
                    continue
                bump = "UPDATE meta SET value=value+1 WHERE key='revision' RETURNING value"
                revision = connection.execute(bump).fetchone()[0]
                RunTable(connection, self._memory.names, self._memory.shapes, self._silent_after).update(
                    summary(row, verdict, revision, self._silent_after)
                )

    def _settle(self) -> None:
        """Count what was put off, for answers that do not depend on the time."""
        with self._reading() as connection:
            due = [
                row[0]
                for row in connection.execute("SELECT no FROM run WHERE open AND due=?", (NOT_COUNTED,))
            ]
        if due:
            with self._readable(), self._lock, self._database.writing() as connection:
                self._count_put_off(connection, due)

    def _count_put_off(self, connection: sqlite3.Connection, due: Sequence[int]) -> None:
        table = RunTable(connection, self._memory.names, self._memory.shapes, self._silent_after)
        for no, run, stamped, state, _, at in pairs_in(connection, _OPEN + " AND no IN ({})", due):
            if at != NOT_COUNTED:
                continue
            row = RunRow(no, run, bool(stamped), rows.unpack_tally(state))
            table.recount(row)
            table.save([row], (), at=row.tally.seen)
