"""The trace store's index of texts (``ports.TextLog``): which runs are due, their steps, and the index beside them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from tallystick.adapters.sqlite import rows
from tallystick.adapters.sqlite.finding import may_hold, sought_in
from tallystick.adapters.sqlite.runs import pairs_in
from tallystick.adapters.sqlite.scanning import Scanner
from tallystick.adapters.sqlite.text_index import Reading, State
from tallystick.adapters.sqlite.traces.file import TraceFile
from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.ports import Indexed, RunTexts, Unread

_SLICE: Final = 256  # steps read at a time
_READ: Final = 64  # steps read at a time where most answers need few of them
_LOOKED: Final = 1_000  # changed runs looked at at a time
_LAST = "SELECT ifnull(max(id), 0) FROM step WHERE run=?"
_CHANGED = "SELECT no, id, revision, open, steps FROM run WHERE revision > ? ORDER BY revision LIMIT ?"


class SqliteTexts(TraceFile):
    """What of which run is in the index, what is due, and which steps may hold a text."""

    # ── what is due ─────────────────────────────────────────────────────────────────────────────────────────────

    def unindexed(self, *, now: int, limit: int = 200) -> Sequence[tuple[str, int]]:
        """Runs whose texts are not indexed as they stand, oldest change first."""
        self._sweep(now)
        return [(run, revision) for _, run, revision in self._due(limit)]

    def _due(self, limit: int) -> list[tuple[int, str, int]]:
        index = self.text_index()
        after = index.upto()
        found: list[tuple[int, str, int]] = []
        with self._reading() as connection:
            while len(found) < limit:
                changed = connection.execute(_CHANGED, (after, _LOOKED)).fetchall()
                known = index.read_steps([row[0] for row in changed if row[3]])
                found += [
                    (no, run, revision) for no, run, revision, is_open, steps in changed
                    if not is_open or steps >= 2 * known.get(no, 0)
                ]  # fmt: skip
                if len(changed) < _LOOKED:
                    break
                after = changed[-1][2]
        return found[: max(0, limit)]

    def indexed(self) -> Indexed:
        """How far the index is."""
        upto = 0 if self._lacks_index() else self.text_index().upto()
        with self._reading() as connection:
            runs = connection.execute("SELECT count(*) FROM run").fetchone()[0]
            behind = connection.execute("SELECT count(*) FROM run WHERE revision > ?", (upto,)).fetchone()[0]
        return Indexed(runs, behind, upto)

    # ── reading and writing ─────────────────────────────────────────────────────────────────────────────────────

    def unread(self, run: str, revision: int) -> Unread:
        """What of a run is not in the index. Raises UnknownThing."""
        with self._reading() as connection:
            number = self._number(connection, run)
            name, steps, is_open = connection.execute(
                "SELECT id, steps, open FROM run WHERE no=?", (number,)
            ).fetchone()
            state, forgotten = self.text_index().state(number)
            # Steps came from another run or went to one, or are in the archive; or one that was read although it had
            # not ended, because its run had, has ended after all.
            whole = _is_archived(connection, number) or state.count != _count(connection, number, state.last)
            whole = whole or bool(state.rows and not state.open)
        if whole:
            state = State(state.revision, passes=state.passes)
        reading = Reading(number, name, revision, steps, bool(is_open), whole, forgotten, state)
        return Unread(name, revision, self._read(reading), state.seen, reading)

    def _read(self, reading: Reading) -> Iterator[tuple[Step, Span]]:
        """The steps of a run that were not read; those of an open run wait until they end. Notes how far that is."""
        with self._reading() as connection:
            archived = reading.whole and _is_archived(connection, reading.number)
            if archived:
                yield from self._pairs_of(connection, reading.number)
                last = connection.execute(_LAST, (reading.number,)).fetchone()[0]
        if not archived:
            yield from self._read_rows(reading)
            last = reading.state.last
        with self._reading() as connection:
            reading.state.last, reading.state.count = last, _count(connection, reading.number, last)

    def _read_rows(self, reading: Reading) -> Iterator[tuple[Step, Span]]:
        state, number = reading.state, reading.number
        waiting, kept = list(state.rows), []
        while True:
            with self._reading() as connection:
                found = connection.execute(
                    f"{rows.READ} WHERE s.run=? AND s.id>? ORDER BY s.id LIMIT {_SLICE}", (number, state.last)
                ).fetchall()
                state.last = found[-1][0] if found else state.last
                if not found:
                    found = pairs_in(
                        connection, f"{rows.READ} WHERE s.run={number} AND s.id IN ({{}})", waiting
                    )
                    waiting = []
                if not found:
                    break
                pairs = self._shelf.pairs(connection, found, reading.run, self._shapes)
            for row, (step, span) in zip(found, pairs, strict=True):
                if step.ended is None:
                    kept.append(row[0])
                if step.ended is not None or not reading.open:
                    yield step, span
        state.rows = tuple(sorted(kept))

    def index_texts(self, texts: Sequence[RunTexts], *, upto: int) -> None:
        """Add texts to the index."""
        self.text_index().add([(one.read.mark, one) for one in texts], upto=upto)

    def forget_texts(self, runs: Iterable[str]) -> bool:
        """Take runs out of the index, and with them those that are in the store no more."""
        with self._reading() as connection:
            here = {row[0] for row in connection.execute("SELECT no FROM run")}
        return self.text_index().forget(set(runs), here)

    # ── reading steps for questions ─────────────────────────────────────────────────────────────────────────────

    def holding(
        self, run: str, text: str, *, after: int = 0, most: int | None = None
    ) -> Iterator[tuple[int, Step, Span]]:
        """The steps of a run that may hold a text, with their place in order of arrival, from place ``after`` on."""
        with self._reading() as connection:
            number = self._number(connection, run)
            if _is_archived(connection, number):
                scanner = Scanner(connection, self._shelf, self._shapes)
                yield from scanner.steps(number, run, sought_in(text), after=after, most=most)
                return
            hits = may_hold(connection, self._shelf.frames, number, text, after, most)
            while places := {row: place for place, row in islice(hits, _READ)}:
                found = pairs_in(connection, f"{rows.READ} WHERE s.id IN ({{}}) ORDER BY s.id", list(places))
                pairs = self._shelf.pairs(connection, found, run, self._shapes)
                for row, (step, span) in zip(found, pairs, strict=True):
                    yield places[row[0]], step, span


def _count(connection: sqlite3.Connection, run: int, last: int) -> int:
    return int(
        connection.execute("SELECT count(*) FROM step WHERE run=? AND id<=?", (run, last)).fetchone()[0]
    )


def _is_archived(connection: sqlite3.Connection, run: int) -> bool:
    return bool(connection.execute("SELECT archived FROM run WHERE no=?", (run,)).fetchone()[0])
