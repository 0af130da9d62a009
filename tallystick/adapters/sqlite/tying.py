"""Joining runs by their ties, and parting them where what came later takes a decision back; inside the write
transaction, after the rows of a batch are written."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256

from tallystick.adapters.sqlite import rows
from tallystick.adapters.sqlite.records import RecordWriter
from tallystick.adapters.sqlite.runs import RunRow, RunTable, pairs_in
from tallystick.adapters.sqlite.shelf import Row, Shelf
from tallystick.adapters.sqlite.ties import TieTable
from tallystick.adapters.sqlite.tracking import follow
from tallystick.adapters.sqlite.uses import forget_uses
from tallystick.model.attributes import RUN_ID
from tallystick.model.span import Source, Span
from tallystick.model.step import Step
from tallystick.model.tie import Tie
from tallystick.observe import stitch
from tallystick.observe.tying import settle

_SLICE = 512
Moved = list[tuple[str, int]]  # ids that lead to a run, by its row number


class RunTying:
    """What the ties of one batch do to runs."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        runs: RunTable,
        shapes: rows.Shapes,
        shelf: Shelf,
        bring_back: Callable[[Iterable[int]], None],
        source: Callable[[Source], tuple[int, str]],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        """``bring_back`` takes those of some runs that are archived out of the archive; ``source`` gives the number of
        a source and its digest."""
        self._connection = connection
        self._runs = runs
        self._shapes = shapes
        self._shelf = shelf
        self._bring_back = bring_back
        self._source = source
        self._random_bytes = random_bytes
        self._table = TieTable(connection)

    def settle(self, ties: Sequence[Tie], traces: Mapping[str, int], touched: dict[str, RunRow]) -> Moved:
        """Write ties, join and part runs; ``touched`` loses those that are others now and gains all that changed."""
        self._table.add(ties, traces)
        telling = self._table.telling(ties)
        decided = settle(telling, self._table) if telling else {}
        held = self._table.tied(decided)
        changed = {trace: host for trace, host in decided.items() if held.get(trace) != host}
        if not changed:
            return []
        self._table.tie(changed)
        led = self._part([trace for trace in changed if trace in held], touched)
        joined = self._join([(trace, host) for trace, host in changed.items() if host is not None], touched)
        known = {old for old, _ in joined}
        again = pairs_in(self._connection, "SELECT id, run FROM alias WHERE id IN ({})", led)
        return joined + [(old, run) for old, run in dict(again).items() if old not in known]

    # ── joining ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _join(self, pairs: Sequence[tuple[str, str]], touched: dict[str, RunRow]) -> Moved:
        rows_of = self._rows_of([trace for pair in pairs for trace in pair], touched)
        by_id = {row.id: row for row in rows_of.values()}
        known = stitch.Known(
            stamped=frozenset(row.id for row in by_id.values() if row.stamped),
            age={row.id: row.no for row in by_id.values()},
        )
        two = ((rows_of[one], rows_of[other]) for one, other in pairs)
        merged = stitch.joins(((a.id, b.id) for a, b in two if not (a.erased or b.erased)), known)
        keeping = {run: by_id[run] for run in (*merged, *merged.values())}
        if not merged:
            return []
        self._bring_back([row.no for row in keeping.values()])
        touched |= {new: by_id[new] for new in merged.values()}
        moved = self._runs.merge(merged, touched, by_id)
        for old in merged:
            touched.pop(old, None)
        return moved

    def _rows_of(self, traces: Sequence[str], touched: Mapping[str, RunRow]) -> dict[str, RunRow]:
        """The run of each trace, one object a run."""
        here = {row.no: row for row in touched.values()}
        found: dict[str, RunRow] = {}
        for trace, number in pairs_in(
            self._connection,
            "SELECT id, run FROM trace WHERE id IN ({})",
            [bytes.fromhex(one) for one in traces],
        ):
            row = here.get(number) or self._runs.by_number(number)
            assert row is not None
            here[number] = found[trace.hex()] = row
        return found

    # ── parting ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _part(self, traces: Sequence[str], touched: dict[str, RunRow]) -> list[str]:
        """Let every group of traces go that nothing holds in its run any more; the ids that lead to others now.

        Erased runs stay as they are."""
        moved: list[str] = []
        if not traces:
            return moved
        for row in {row.no: row for row in self._rows_of(traces, touched).values()}.values():
            if not row.erased:
                moved += self._part_run(row, touched)
        return moved

    def _part_run(self, row: RunRow, touched: dict[str, RunRow]) -> list[str]:
        self._bring_back([row.no])
        found = self._shelf.rows(self._connection, row.no)
        shapes = self._shapes.read(self._connection, {one[4] for one in found})
        steps = [rows.from_row(one, row.id, shapes) for one in found]
        stamped: set[str] = set()
        if row.stamped:
            stamped = {step.trace for step, span in self._pairs(row, found) if RUN_ID in span.attributes}
        tied = self._table.tied_in(row.no)
        groups = stitch.parted(((step.trace, step.links) for step in steps), tied, stamped)
        keeps = next((group for group in groups if group & (stamped or {row.id})), groups[0])
        moved: list[str] = []
        for group in groups:
            if group is not keeps:
                mine = [(raw, step) for raw, step in zip(found, steps, strict=True) if step.trace in group]
                one = self._new(row, [step.trace for _, step in mine])
                moved += self._leave(row, one, group, {link for _, step in mine for link in step.links})
                touched[one.id] = one
                self._record_anew(one, [raw for raw, _ in mine])
        if len(groups) > 1:
            forget_uses(self._connection, row.no)
            self._connection.execute("UPDATE run SET listed_steps=0 WHERE no=?", (row.no,))
            row.tally.recount = row.recount = True
            row.fresh = False
            touched[row.id] = row
        return moved

    def _pairs(self, row: RunRow, found: Sequence[Row]) -> Iterator[tuple[Step, Span]]:
        for start in range(0, len(found), _SLICE):
            some = found[start : start + _SLICE]
            yield from self._shelf.pairs(self._connection, some, row.id, self._shapes)

    def _new(self, row: RunRow, traces: Sequence[str]) -> RunRow:
        """A run for a group of traces: under the id of the first whose id no run has."""
        ids = dict.fromkeys(traces)
        taken = {
            one[0] for one in pairs_in(self._connection, "SELECT id FROM run WHERE id IN ({})", list(ids))
        }
        name = next((one for one in ids if one not in taken), None)
        made = self._runs.new(
            name or sha256(f"parted\0{traces[0]}".encode()).hexdigest()[:32],
            stamped=False,
            at=row.tally.created,
        )
        made.tally.seen = row.tally.seen
        made.tally.recount = made.recount = True
        made.fresh = False
        return made

    def _leave(self, row: RunRow, one: RunRow, group: set[str], links: set[str]) -> list[str]:
        """Everything that leads to these traces leads to ``one`` from now on; the other ids that do."""
        ask = self._connection
        numbers = pairs_in(
            ask, "SELECT no FROM trace WHERE id IN ({})", [bytes.fromhex(trace) for trace in group]
        )
        ask.executemany(
            "UPDATE step SET run=? WHERE run=? AND trace=?",
            [(one.no, row.no, number) for (number,) in numbers],
        )
        ask.executemany(
            "UPDATE trace SET run=? WHERE run=? AND no=?", [(one.no, row.no, number) for (number,) in numbers]
        )
        ask.executemany(
            "UPDATE link SET run=? WHERE run=? AND key=?", [(one.no, row.no, key) for key in links]
        )
        follow(ask, row.no, one.no)
        ids = [
            found for (found,) in ask.execute("SELECT id FROM alias WHERE run=?", (row.no,)) if found in group
        ]
        ask.executemany("UPDATE alias SET run=? WHERE id=?", [(one.no, found) for found in ids])
        return [found for found in ids if found != one.id]

    def _record_anew(self, one: RunRow, found: Sequence[Row]) -> None:
        """Steps that came under the id of another run get a record under that of their own; it replaces the old one."""
        writer = RecordWriter(self._connection, [one.id], self._random_bytes(RecordWriter.SALT * len(found)))
        shapes = self._shapes.read(self._connection, {raw[4] for raw in found})
        changed = []
        for raw, (step, span) in zip(found, self._pairs(one, found), strict=True):
            _, _, place, mark = rows.read_row(raw, one.id, shapes)
            if mark is None or self._log(mark[0]) == one.id:
                continue
            number, digest = self._source(span.source)
            new = writer.next(one.id)
            writer.add(step, span, digest)
            writer.replace(mark, new, raw[0])
            trace = self._connection.execute("SELECT trace FROM step WHERE id=?", (raw[0],)).fetchone()[0]
            changed.append((*rows.to_row(step, one.no, trace, number, place, raw[4], new), raw[0]))
        writer.flush()
        self._connection.executemany(rows.UPDATE, changed)

    def _log(self, number: int) -> str:
        return str(self._connection.execute("SELECT id FROM log WHERE no=?", (number,)).fetchone()[0])
