"""Records of steps, for the journal (``ports.RecordLog``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from tallystick.adapters.sqlite import rows
from tallystick.adapters.sqlite.checking import Checker
from tallystick.adapters.sqlite.payloads import Place
from tallystick.adapters.sqlite.records import mark_attested, read_charges, read_records, read_unattested
from tallystick.adapters.sqlite.runs import READ_RUN, pairs_in, run_from
from tallystick.adapters.sqlite.traces.file import TraceFile
from tallystick.ports import Account, Flaw, Kept, Record, Segment

_SLICE = 512  # steps read at a time


class SqliteRecords(TraceFile):
    """The logs of records, what of them is attested and sealed, and runs as evidence needs them."""

    def unattested(self, *, limit: int = 10_000) -> Sequence[Segment]:
        """Records that were not marked as attested, one segment a run at most, oldest runs first."""
        with self._reading() as connection:
            return read_unattested(connection, limit)

    def attested(self, marks: Mapping[str, int]) -> None:
        """Mark the first ``n`` records of each run as attested. Marking fewer than before changes nothing."""
        with self._writing() as connection:
            mark_attested(connection, marks)

    def records(self, run: str) -> Sequence[Record]:
        """All records of a run and of the runs that were merged into it, by log and number. Raises UnknownThing."""
        with self._reading() as connection:
            return read_records(connection, *self._run_of(connection, run), self._shelf)

    def account(self, run: str) -> Account:
        """A run as it stands, charges in the order of its records. Raises UnknownThing."""
        self._settle()
        with self._reading() as connection:
            number, name = self._run_of(connection, run)
            found = run_from(*connection.execute(f"{READ_RUN} WHERE r.no=?", (number,)).fetchone())
            return Account(found, *read_charges(connection, number, name, self._shapes, self._shelf))

    def kept(self, run: str) -> Iterator[Kept]:
        """All steps of a run in order of arrival. Raises UnknownThing, and StoreFault where one cannot be read."""
        records = {(one.log, one.n): one for one in self.records(run)}
        after, more = -1, True
        while more:
            raw: dict[Place, bytes] = {}
            with self._reading() as connection:
                number, name = self._run_of(connection, run)
                found = self._shelf.rows(connection, number, after=after, limit=_SLICE, raw=raw)
                pairs = self._shelf.pairs(connection, found, name, self._shapes, raw)
                marks = [rows.mark_of(row[5]) for row in found]
                logs = {mark[0] for mark in marks if mark is not None}
                names = dict(pairs_in(connection, "SELECT no, id FROM log WHERE no IN ({})", list(logs)))
                for (step, span), mark in zip(pairs, marks, strict=True):
                    record = None if mark is None else records.get((names.get(mark[0], ""), mark[1]))
                    yield Kept(step, span, record)
            more = len(found) == _SLICE
            after = found[-1][0] if found else after

    def unsealed(self, *, now: int, limit: int = 500) -> Sequence[tuple[str, int]]:
        """Runs that have ended and changed since they were sealed, with the revision to seal."""
        self._sweep(now)
        with self._reading() as connection:
            return connection.execute(
                "SELECT id, revision FROM run WHERE NOT open AND sealed < revision ORDER BY no LIMIT ?",
                (limit,),
            ).fetchall()

    def sealed(self, marks: Mapping[str, int]) -> None:
        """Remember the revision at which each run was sealed."""
        with self._writing() as connection:
            connection.executemany(
                "UPDATE run SET sealed=max(sealed, ?) WHERE id=?", [(at, run) for run, at in marks.items()]
            )

    def logs(self, runs: Iterable[str] | None = None) -> Mapping[str, tuple[int, int]]:
        """Logs by run id (all, or those asked for): how many records each has, and how many are marked as attested."""
        sql = "SELECT id, records, attested FROM log"
        with self._reading() as connection:
            if runs is None:
                found = connection.execute(f"{sql} ORDER BY no").fetchall()
            else:
                found = pairs_in(connection, f"{sql} WHERE id IN ({{}})", list(runs))
        return {row[0]: (row[1], row[2]) for row in found}

    def flaws(self) -> Iterator[Flaw]:
        """What in the tables does not follow from the steps (see ``adapters/sqlite/checking.py``)."""
        self._settle()
        with self._reading() as connection:
            yield from Checker(connection, self._silent_after, self._shelf).flaws()
