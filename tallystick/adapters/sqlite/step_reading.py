"""The steps of a run, their spans, records and charges: the part of the trace store that may read the archive."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from tallystick.adapters.naming import is_span_id
from tallystick.adapters.sqlite import rows
from tallystick.adapters.sqlite.payloads import Place
from tallystick.adapters.sqlite.records import read_charges, read_records
from tallystick.adapters.sqlite.runs import READ_RUN, pairs_in, run_from
from tallystick.adapters.sqlite.shelf import Row, Shelf
from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.ports import Account, Kept, Record

_SLICE = 512  # steps read at a time


class StepReading:
    """Reads runs step by step, for ``SqliteTraces``, which has the connections."""

    _shelf: Shelf
    _shapes: rows.Shapes

    if TYPE_CHECKING:

        def _reading(self) -> AbstractContextManager[sqlite3.Connection]: ...
        def _settle(self) -> None: ...
        def _number(self, connection: sqlite3.Connection, run: str) -> int: ...

    def steps(self, run: str) -> Sequence[Step]:
        """All steps of a run without contents, by start time, then sequence number, then arrival."""
        self._settle()
        with self._reading() as connection:
            number, name = self._run_of(connection, run)
            found = self._shelf.rows(connection, number)
            shapes = self._shapes.read(connection, {row[4] for row in found})
            steps = [rows.from_row(row, name, shapes) for row in found]
        steps.sort(key=lambda step: (step.started, step.seq is None, step.seq or 0))
        return steps

    def spans(self, run: str, spans: Iterable[str] | None = None) -> Mapping[str, Span]:
        """The original spans of a run by span id. Unknown span ids are left out."""
        raw: dict[Place, bytes] = {}
        wanted = None
        if spans is not None:
            wanted = [bytes.fromhex(span) for span in dict.fromkeys(spans) if is_span_id(span)]
        with self._reading() as connection:
            found = self._shelf.rows(connection, self._number(connection, run), spans=wanted, raw=raw)
            made: dict[str, Span] = {}
            for step, one in self._shelf.pairs(connection, found, run, self._shapes, raw):
                made.setdefault(step.span, one)
            return made

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

    def _pairs(
        self, connection: sqlite3.Connection, found: Sequence[Row], run: str
    ) -> list[tuple[Step, Span]]:
        """Rows of READ as steps with their spans."""
        return self._shelf.pairs(connection, found, run, self._shapes)

    def _run_of(self, connection: sqlite3.Connection, run: str) -> tuple[int, str]:
        number = self._number(connection, run)
        return number, str(connection.execute("SELECT id FROM run WHERE no=?", (number,)).fetchone()[0])
