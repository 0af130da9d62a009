"""Run summaries, their parts, and the keys that lead to runs; used inside the write transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tallystick.adapters.sqlite import awaited, rows
from tallystick.adapters.sqlite.parts import ADD_PART, part_row
from tallystick.adapters.sqlite.spending import MARK_LOOSE
from tallystick.adapters.sqlite.tracking import follow
from tallystick.adapters.sqlite.uses import forget_uses
from tallystick.model.run import Completeness, Run, RunStatus
from tallystick.model.step import Step
from tallystick.observe import stitch
from tallystick.observe.completeness import Verdict, judge, watched
from tallystick.observe.parents import note_parents
from tallystick.observe.recount import recount_needed
from tallystick.observe.repeats import repeats
from tallystick.observe.summary import (
    PART_TYPES,
    Part,
    PartKey,
    Tally,
    add,
    count_all,
    order_of,
    run_of,
)

_LENGTHS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_MARKS = {length: ",".join("?" * length) for length in _LENGTHS}
_BIGGEST = 2**63 - 1
_COUNTED_AT_ONCE = 2_000  # steps of a run that is counted anew with each batch, where that is needed
CONVERSATION = "conversation:"  # how a key begins that names one
NOT_COUNTED = -1  # ``due`` of a run that has grown since it was counted
_RUN = "SELECT no, id, stamped, state, erased FROM run WHERE "
_SUMMARY = (
    "stamped", "revision", "open", "due", "process", "sort", "agent", "workflow", "goal", "source", "status",
    "completeness", "missing", "steps", "errors", "tokens", "token_gaps", "cost_nano", "cost_gaps", "input_tokens",
    "output_tokens", "started", "ended", "version", "environment", "denials", "state",
)  # fmt: skip
_SAVE = f"UPDATE run SET {', '.join(f'{column}=?' for column in _SUMMARY)} WHERE no=?"
_MARK_LOOSE = MARK_LOOSE + " WHERE no = ?"
_NEW = f"INSERT INTO run ({', '.join(_SUMMARY)}, no, id) VALUES ({', '.join('?' * len(_SUMMARY))}, ?, ?)"


def pairs_in(
    connection: sqlite3.Connection, sql: str, values: Sequence[Any], first: tuple[Any, ...] = ()
) -> list[tuple[Any, ...]]:
    """Rows of a query whose ``{}`` takes a list of values, in pieces; ``first`` are the values before the list.

    A list is filled up with its last value to one of a few lengths, so that SQLite need not parse the query again.
    """
    found: list[tuple[Any, ...]] = []
    for start in range(0, len(values), _LENGTHS[-1]):
        some = values[start : start + _LENGTHS[-1]]
        length = next(length for length in _LENGTHS if length >= len(some))
        filled = [*first, *some, *[some[-1]] * (length - len(some))]
        found += connection.execute(sql.format(_MARKS[length]), filled).fetchall()
    return found


@dataclass(slots=True)
class RunRow:
    """A run that is being written. ``parts`` are to be added, or to replace what is there after a recount."""

    no: int
    id: str
    stamped: bool
    tally: Tally
    fresh: bool = False  # none of its steps were here before this batch
    recount: bool = False
    stored: bool = True  # it has a row already
    erased: bool = False  # its contents were erased: what comes for it is stored without any
    parts: dict[PartKey, Part] = field(default_factory=dict)


class RunTable:
    """Reads and writes runs through an open write transaction."""

    def __init__(
        self, connection: sqlite3.Connection, names: rows.Names, shapes: rows.Shapes, silent_after: int
    ) -> None:
        self._connection = connection
        self._names = names
        self._shapes = shapes
        self._silent_after = silent_after
        self._last: int | None = None  # the last run number that was given out

    def ids(self, numbers: Iterable[int]) -> dict[int, str]:
        """Run ids by row number."""
        return dict(pairs_in(self._connection, "SELECT no, id FROM run WHERE no IN ({})", list(numbers)))

    def step(self, row: int) -> tuple[Step, rows.Mark | None]:
        """One step by row number, and which record is its own."""
        found = self._connection.execute(f"{rows.READ} WHERE s.id=?", (row,)).fetchone()
        step, _, _, mark = rows.read_row(found, "", self._shapes.read(self._connection, [found[4]]))
        return step, mark

    def started(self, row: int) -> int:
        """When a step began, by row number."""
        found = self._connection.execute("SELECT body FROM step WHERE id=?", (row,)).fetchone()
        return rows.started_of(found[0])

    def by_number(self, number: int) -> RunRow | None:
        """A run by row number, or None when it is there no more."""
        row = self._connection.execute(_RUN + "no=?", (number,)).fetchone()
        return None if row is None else _run_row(row)

    def known(
        self, keys: set[str], traces: Mapping[str, int], ids: set[str]
    ) -> tuple[stitch.Known, dict[str, RunRow]]:
        """What is known of a batch's keys: ``traces`` (trace id -> run number) is given, links are looked up."""
        links = dict(
            pairs_in(
                self._connection, "SELECT key, run FROM link WHERE key IN ({})", sorted(keys - traces.keys())
            )
        )
        numbers = sorted({*traces.values(), *links.values()})
        found = pairs_in(self._connection, _RUN + "no IN ({})", numbers)
        by_no = {row[0]: _run_row(row) for row in found}
        by_id = {row.id: row for row in by_no.values()}
        unseen = sorted((ids | keys) - by_id.keys() - traces.keys())
        for row in pairs_in(self._connection, _RUN + "id IN ({})", unseen):
            by_id[row[1]] = _run_row(row)
        return stitch.Known(
            {key: by_no[number].id for key, number in [*traces.items(), *links.items()]},
            frozenset(run for run, row in by_id.items() if row.stamped),
            {run: row.no for run, row in by_id.items()},
        ), by_id

    def new(self, run: str, *, stamped: bool, at: int) -> RunRow:
        """A row for a run that was not here before."""
        if self._last is None:
            row = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name='run'").fetchone()
            self._last = 0 if row is None else int(row[0])
        self._last += 1
        return RunRow(self._last, run, stamped, Tally(created=at, seen=at), fresh=True, stored=False)

    def merge(
        self, merged: Mapping[str, str], touched: Mapping[str, RunRow], by_id: Mapping[str, RunRow]
    ) -> list[tuple[str, int]]:
        """Move the steps of runs that ended to those that took them over; return (old id, new row number)."""
        moved: list[tuple[str, int]] = []
        for old, new in merged.items():
            gone, keeps = by_id.get(old), touched[new]
            if gone is None:  # it was born and merged inside this batch
                keeps.tally.recount = keeps.recount = True
                continue
            for table in ("step", "trace", "link", "alias"):
                self._connection.execute(f"UPDATE {table} SET run=? WHERE run=?", (keeps.no, gone.no))
            follow(self._connection, gone.no, keeps.no, moving=True)
            self._drop_parts(gone.no)
            forget_uses(self._connection, gone.no)
            awaited.forget(self._connection, gone.no)
            self._connection.execute("DELETE FROM run WHERE no=?", (gone.no,))
            self._connection.execute("UPDATE run SET listed_steps=0 WHERE no=?", (keeps.no,))
            tally = keeps.tally
            tally.created = min(tally.created, gone.tally.created)
            tally.seen = max(tally.seen, gone.tally.seen)
            tally.recount = keeps.recount = True
            keeps.fresh = False
            keeps.erased |= gone.erased
            moved.append((old, keeps.no))
        return moved

    def remember(
        self,
        keys: Mapping[str, str],
        traces: dict[str, int],
        batch_traces: set[str],
        touched: Mapping[str, RunRow],
    ) -> None:
        """Write which run each new or moved key leads to; ``traces`` (trace id -> row number) grows."""
        last = self._connection.execute("SELECT ifnull(max(no), 0) FROM trace").fetchone()[0]
        new: list[tuple[int, bytes, int]] = []
        links: list[tuple[str, int]] = []
        for key, run in keys.items():
            number = touched[run].no
            if key in traces:
                self._connection.execute("UPDATE trace SET run=? WHERE no=?", (number, traces[key]))
            elif key in batch_traces:
                traces[key] = last = last + 1
                new.append((last, bytes.fromhex(key), number))
            elif not (touched[run].erased and key.startswith(CONVERSATION)):
                links.append((key, number))
        self._connection.executemany("INSERT INTO trace (no, id, run) VALUES (?,?,?)", new)
        self._connection.executemany("INSERT OR REPLACE INTO link (key, run) VALUES (?,?)", links)

    def may_repeat(
        self, row: RunRow, steps: Sequence[tuple[Step, Step | None]], *, inside_models: bool
    ) -> bool:
        """Whether new steps may repeat others of their run, so that adding up is not enough."""
        awaited.take(self._connection, row.no, row.tally, [step for step, _ in steps])
        if recount_needed(row.tally, steps, inside_models) or row.recount:
            return True
        responses = [step.response_id for step, _ in steps if step.response_id is not None]
        if len(set(responses)) < len(responses):
            row.tally.recount = True
        elif responses and not row.fresh:
            keys = [rows.response_key(response) for response in responses]
            row.tally.recount = bool(pairs_in(
                self._connection,
                f"SELECT 1 FROM step WHERE run={row.no} AND response IS NOT NULL AND response IN ({{}}) LIMIT 1",
                keys,
            ))  # fmt: skip
        return row.tally.recount

    def count(self, row: RunRow, steps: Sequence[tuple[Step, Step | None]], here: Iterable[str]) -> None:
        """Add new steps to a run's sums. ``here``: parents (trace + span) that came earlier."""
        for step, before in steps:
            add(row.tally, row.parts, step, before, home=row.id)
        note_parents(row.tally, [step for step, _ in steps], here)

    def put_off(self, row: RunRow, new: int) -> bool:
        """Whether counting a large run anew can wait until it has grown by half, or until somebody reads it.

        Else a run of a hundred thousand steps that comes in small batches would cost quadratic time. Until then its
        row stays as it was counted last; ``due`` says that it is not whole.
        """
        tally = row.tally
        if tally.steps < _COUNTED_AT_ONCE or 2 * (tally.uncounted + new) > tally.steps:
            return False
        tally.uncounted += new
        row.parts = {}
        return True

    def recount(self, row: RunRow) -> None:
        """Count a run anew from its rows, and mark the steps that repeat others."""
        found = self._connection.execute(f"{rows.READ} WHERE s.run=? ORDER BY s.id", (row.no,)).fetchall()
        shapes = self._shapes.read(self._connection, {one[4] for one in found})
        steps = [rows.from_row(one, row.id, shapes) for one in found]
        places = sorted(range(len(steps)), key=lambda index: order_of(steps[index])[:2])
        same_as = repeats([steps[index] for index in places])
        changed = []
        for one, step in zip(found, steps, strict=True):
            target = same_as.get(step.span)
            if target != step.same_as:
                step.same_as = target
                changed.append((None if target is None else bytes.fromhex(target), one[0]))
        self._connection.executemany("UPDATE step SET same_as=? WHERE id=?", changed)
        if row.tally.beside:
            awaited.forget(self._connection, row.no)
        row.tally, row.parts = count_all(steps, row.tally, row.id)
        self._drop_parts(row.no)

    def _drop_parts(self, run: int) -> None:
        self._connection.executemany(
            "DELETE FROM part WHERE type=? AND run=?", [(kind, run) for kind in range(len(PART_TYPES))]
        )

    def save(self, touched: Sequence[RunRow], moved: Sequence[tuple[str, int]], *, at: int) -> None:
        """Write summaries and parts, each under a new revision."""
        last = self._connection.execute(
            "UPDATE meta SET value=value+? WHERE key='revision' RETURNING value", (len(touched) + len(moved),)
        ).fetchone()[0]
        revision = last - len(touched) - len(moved)
        for old, number in moved:
            revision += 1
            self._connection.execute("INSERT OR REPLACE INTO alias VALUES (?,?,?)", (old, number, revision))
        parts: list[tuple[Any, ...]] = []
        summaries: list[tuple[Any, ...]] = []
        new: list[tuple[Any, ...]] = []
        codes = self._names.codes
        for row in touched:
            revision += 1
            row.tally.seen = max(row.tally.seen, at)
            verdict = judge(row.tally, now=at, alive=None, silent_after=self._silent_after)
            awaited.put(self._connection, row.no, row.tally)
            values = summary(row, verdict, revision, self._silent_after)
            if row.stored:
                summaries.append(values)
            else:
                new.append((*values, row.id))
            for (kind, name), part in row.parts.items():
                code = codes.get(name) or self._names.code(self._connection, name)
                parts.append(part_row(PART_TYPES.index(kind), row.no, code, part))
        if new:
            self._connection.executemany(_NEW, new)
            for held in pairs_in(
                self._connection, "SELECT id FROM alias WHERE id IN ({})", [row[-1] for row in new]
            ):
                self._connection.execute("DELETE FROM alias WHERE id=?", held)
        if summaries:
            self._connection.executemany(_SAVE, summaries)
        self._connection.executemany(ADD_PART, parts)
        self._connection.executemany(_MARK_LOOSE, [(row.no,) for row in touched])
        if any(row.erased for row in touched):
            erased = [(row.no,) for row in touched if row.erased]
            self._connection.executemany("UPDATE run SET erased=1 WHERE no=?", erased)

    def update(self, values: tuple[Any, ...]) -> None:
        """Write one run's row (the values of ``summary``)."""
        self._connection.execute(_SAVE, values)
        self._connection.execute(_MARK_LOOSE, values[-1:])


def _run_row(row: Sequence[Any]) -> RunRow:
    """A row of ``_RUN``."""
    return RunRow(row[0], row[1], bool(row[2]), rows.unpack_tally(row[3]), erased=bool(row[4]))


def summary(row: RunRow, verdict: Verdict, revision: int, silent_after: int) -> tuple[Any, ...]:
    """The values of a run's row, from its tally and the verdict on it."""
    tally = row.tally
    run = run_of(row.id, tally, verdict.completeness, verdict.status, verdict.missing)
    known = run.usage_known
    tokens_in, tokens_out = known.input_tokens or 0, known.output_tokens or 0
    is_open = verdict.completeness is Completeness.OPEN or tally.uncounted > 0
    due = NOT_COUNTED if tally.uncounted else min(_BIGGEST, tally.seen + silent_after)
    return (
        row.stamped, revision, is_open, due, watched(tally),
        tally.started or tally.created, run.agent, run.workflow, run.goal, run.source, str(run.status),
        str(run.completeness), run.missing, run.steps, run.errors, tokens_in + tokens_out, run.token_gaps,
        run.cost_nano,
        run.cost_gaps, tokens_in, tokens_out, run.started, run.ended, run.version, run.environment, run.denials,
        rows.pack_tally(tally), row.no,
    )  # fmt: skip


# What ``run_from`` reads of a row ``r`` of the run table.
READ_RUN = "SELECT r.id, r.state, r.status, r.completeness, r.missing, r.archived, r.erased FROM run r"


def run_from(
    run: str, state: bytes, status: str, completeness: str, missing: int | None, archived: int, erased: int
) -> Run:
    """The summary that people read, from a row of ``READ_RUN``."""
    made = run_of(run, rows.unpack_tally(state), Completeness(completeness), RunStatus(status), missing)
    return replace(made, archived=archived > 0, erased=erased > 0) if archived or erased else made
