"""What in ``traces.db`` does not follow from its steps: the half of an audit that needs the tables themselves.

Contents and readings of steps are held by their records, which ``app/prove/audit.py`` compares. Here everything around
them is made again from the rows: sums, roll-ups, names, places, numbers and keys. Nothing is written.

Free, because nothing that is read depends on them: ``run.revision``, ``alias.revision`` and ``run.sealed`` (cursors
that say what to send or seal again), ``run.stamped`` (whether the run may later be merged into another), ``run.due``
and the times of arrival inside ``run.state`` (the store's clock when a run was first and last touched), the scopes and
the recount mark inside ``run.state`` (whether adding up is enough), ``run.listed`` and ``run.listed_steps`` (a run is
listed again), ``meta.uncovered`` upwards, ``log.attested`` downwards (a crash leaves it behind the journal), salts of
records that were replaced, missing rows of ``link`` (where later spans would go), and rows of ``name``, ``shape``,
``source`` and ``frame`` that no row refers to.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from hashlib import sha256
from typing import Any, Final

import msgspec
import zstandard

from tallystick.adapters.recording import HASH, SALT
from tallystick.adapters.sqlite import awaited, rows
from tallystick.adapters.sqlite.payloads import pack_source, unpack_source
from tallystick.adapters.sqlite.runs import RunRow, summary
from tallystick.adapters.sqlite.shelf import Shelf
from tallystick.adapters.sqlite.spending import LOOSE
from tallystick.adapters.sqlite.uses_check import run_flaws, sum_flaws
from tallystick.model.errors import BadInput, StoreFault
from tallystick.model.step import Step
from tallystick.observe.completeness import judge
from tallystick.observe.repeats import repeats
from tallystick.observe.summary import PART_TYPES, Part, PartKey, Tally, count_all, order_of
from tallystick.ports import Flaw

# What reading a row that somebody else wrote may raise.
UNREADABLE: Final = (
    msgspec.MsgspecError, struct.error, KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError,
    RecursionError,
)  # fmt: skip
_DAMAGE: Final = (StoreFault, BadInput, zstandard.ZstdError, *UNREADABLE)
_REVISION, _DUE, _STATE = 1, 3, 26  # places in a summary
_FOREVER: Final = 2**62
_RUNS = (
    "SELECT stamped, revision, open, due, process, sort, agent, workflow, goal, source, status, completeness, missing,"
    " steps, errors, tokens, token_gaps, cost_nano, cost_gaps, input_tokens, output_tokens, started, ended, version,"
    " environment, denials, state, no, id FROM run ORDER BY no"
)
_STEPS = (
    "SELECT s.id, t.id, s.span, s.same_as, s.shape, s.body, s.flags, s.response, s.trace FROM step s"
    " JOIN trace t ON t.no = s.trace WHERE s.run=? ORDER BY s.id"
)
_NUMBERED = (
    "SELECT max((SELECT value FROM meta WHERE key='last_step'), ifnull((SELECT max(id) FROM step), 0)),"
    " (SELECT count(*) FROM step) + (SELECT ifnull(sum(steps), 0) FROM archived_run)"
    " + (SELECT value FROM meta WHERE key='steps_deleted')"
)
_entry = struct.Struct(">16sII")


class Checker:
    """One look at the whole file through a read transaction."""

    def __init__(self, connection: sqlite3.Connection, silent_after: int, shelf: Shelf) -> None:
        self._shelf = shelf
        self._connection = connection
        self._silent_after = silent_after
        self._shapes = rows.Shapes()
        self._names: dict[int, str] = {}
        self._claims: dict[int, bytearray] = {}  # per log: 1 a step's own record, 2 replaced
        self._before: dict[
            rows.Mark, tuple[rows.Mark, int]
        ] = {}  # record -> the one it replaced, row of the step
        self._bound = 0
        self._deleted: dict[int, int] = {}  # per log: its first records are those of runs that were deleted

    def flaws(self) -> Iterator[Flaw]:
        """Everything that does not fit, table by table."""
        self._names = dict(self._connection.execute("SELECT no, id FROM log"))
        self._bound = self._value("SELECT ifnull((SELECT value FROM meta WHERE key='uncovered'), 0)")
        self._deleted = dict(self._connection.execute("SELECT log, records FROM deleted_log"))
        yield from self._guarded(self._dictionaries)
        yield from self._guarded(self._logs)
        yield from self._guarded(self._keys)
        yield from self._guarded(partial(sum_flaws, self._connection))
        for row in self._connection.execute(_RUNS).fetchall():
            run = str(row[-1])
            yield from self._guarded(partial(self._run, row), run)
        for (run,) in self._connection.execute(f"SELECT id FROM run WHERE loose <> {LOOSE}"):
            yield Flaw("what a run keeps of steps that nobody claims is not true", str(run))
        yield from self._guarded(self._unclaimed)
        for (number,) in self._connection.execute("SELECT id FROM frame ORDER BY id").fetchall():
            yield from self._guarded(partial(self._frame, number))

    @staticmethod
    def _guarded(look: Callable[[], Iterator[Flaw]], run: str | None = None) -> Iterator[Flaw]:
        try:
            yield from look()
        except _DAMAGE as error:
            where = f"run {run}" if run else "a row of the trace store"
            yield Flaw(f"{where} cannot be read: {type(error).__name__}: {error}"[:300], run)

    def _value(self, sql: str) -> int:
        value = self._connection.execute(sql).fetchone()[0]
        return value if isinstance(value, int) else 0

    # ── what rows share ─────────────────────────────────────────────────────────────────────────────────────────

    def _dictionaries(self) -> Iterator[Flaw]:
        for number, digest, body in self._connection.execute("SELECT id, digest, body FROM shape"):
            if sha256(body).digest()[:16] != digest:
                yield Flaw(f"shape {number} was changed")
        for number, digest, body in self._connection.execute("SELECT id, digest, body FROM source"):
            if sha256(body).digest()[:16] != digest or pack_source(unpack_source(body)) != body:
                yield Flaw(f"source {number} was changed")
        revision = self._value("SELECT ifnull((SELECT value FROM meta WHERE key='revision'), -1)")
        newest = self._value(
            "SELECT max(ifnull((SELECT max(revision) FROM run), 0), ifnull((SELECT max(revision) FROM alias), 0))"
        )
        if revision < newest:
            yield Flaw(f"the store's revision is {revision}, and a run has {newest}")
        last, count = self._connection.execute(_NUMBERED).fetchone()
        if last != count:
            yield Flaw(f"the store has {count} steps, numbered up to {last}: steps are missing")

    def _frame(self, number: int) -> Iterator[Flaw]:
        contents, data = self._connection.execute(
            "SELECT contents, data FROM frame WHERE id=?", (number,)
        ).fetchone()
        raw = zstandard.ZstdDecompressor().decompress(data, max_output_size=2**31)
        for digest, position, length in _entry.iter_unpack(contents):
            if sha256(raw[position : position + length]).digest()[:16] != digest:
                yield Flaw(
                    f"frame {number} of the trace store was changed: a content is not what its digest says"
                )

    # ── logs ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _logs(self) -> Iterator[Flaw]:
        for no, run, records, attested in self._connection.execute(
            "SELECT no, id, records, attested FROM log"
        ):
            end = 0
            for first, hashes, salts in self._connection.execute(
                "SELECT first, hashes, salts FROM record WHERE log=? ORDER BY first", (no,)
            ):
                count, rest = divmod(len(hashes), HASH)
                if first != end or rest or not count or len(salts) != count * SALT:
                    yield Flaw(f"the log of records is torn at number {end}", run)
                end = max(end, first) + count
            deleted = self._deleted.get(no, 0)
            if end != records or not 0 <= attested <= records:
                yield Flaw(f"the log counts {records} records, {attested} attested, and {end} are there", run)
            self._claims[no] = bytearray(b"\x03" * min(deleted, end)) + bytearray(max(0, end - deleted))
        for log, n, by_log, by_n, step in self._connection.execute(
            "SELECT log, n, by_log, by_n, step FROM replaced"
        ):
            run = self._names.get(log)
            if n < self._deleted.get(log, 0):
                continue
            if not self._claim(log, n, 2) or (by_log, by_n) in self._before:
                yield Flaw(f"record {n} is noted as replaced, and is not", run)
            elif by_n >= len(self._claims.get(by_log, b"")) or (log == by_log and by_n <= n):
                yield Flaw(f"record {n} is noted as replaced by one that is not there", run)
            self._before[by_log, by_n] = ((log, n), step)
        for log, found in self._connection.execute(
            "SELECT log, count(*) FROM record WHERE log NOT IN (SELECT no FROM log) GROUP BY log"
        ):
            yield Flaw(f"{found} stretches of records belong to log {log}, which is not there")

    def _claim(self, log: int, n: int, what: int) -> bool:
        marks = self._claims.get(log)
        if marks is None or not 0 <= n < len(marks) or marks[n]:
            return False
        marks[n] = what
        return True

    def _unclaimed(self) -> Iterator[Flaw]:
        for log, marks in self._claims.items():
            for n in [n for n, mark in enumerate(marks) if not mark][:20]:
                yield Flaw(f"record {n} belongs to no step: the step was deleted or moved", self._names[log])

    # ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _keys(self) -> Iterator[Flaw]:
        ask = self._connection.execute
        for (run,) in ask(
            "SELECT id FROM log WHERE id NOT IN (SELECT id FROM run) AND id NOT IN (SELECT id FROM alias)"
            " AND records > ifnull((SELECT d.records FROM deleted_log d WHERE d.log=log.no), 0)"
        ):
            yield Flaw("records came for a run that is not there", run)
        for (run,) in ask("SELECT id FROM run WHERE id NOT IN (SELECT id FROM log)"):
            yield Flaw("a run has no log of records", run)
        for (run,) in ask(
            "SELECT id FROM alias WHERE id NOT IN (SELECT id FROM log) OR id IN (SELECT id FROM run)"
            " OR run NOT IN (SELECT no FROM run)"
        ):
            yield Flaw("a run is said to be merged into another, and no record came for it", run)
        for (trace,) in ask(
            "SELECT id FROM trace WHERE no NOT IN (SELECT trace FROM step) AND no NOT IN"
            " (SELECT trace FROM archived_trace) AND run NOT IN (SELECT run FROM archived_run)"
        ):
            yield Flaw(f"trace {_hex(trace)} has no steps")
        for (trace,) in ask(
            "SELECT t.id FROM trace t WHERE t.run NOT IN (SELECT run FROM archived_run)"
            " AND NOT EXISTS (SELECT 1 FROM step s WHERE s.trace=t.no AND s.run=t.run)"
            " AND NOT EXISTS (SELECT 1 FROM run r JOIN log l ON l.id=r.id JOIN replaced p ON p.log=l.no"
            " AND p.by_log!=p.log WHERE r.no=t.run)"
        ):
            yield Flaw(f"trace {_hex(trace)} leads to a run that has none of its steps")
        for number, span in ask(
            "SELECT id, span FROM step WHERE run NOT IN (SELECT no FROM run) OR trace NOT IN (SELECT no FROM trace)"
        ):
            yield Flaw(f"step row {number} belongs to no run or no trace", step=_hex(span))
        for table in ("trace", "link", "part"):
            for (number,) in ask(f"SELECT DISTINCT run FROM {table} WHERE run NOT IN (SELECT no FROM run)"):
                yield Flaw(f"rows of {table} lead to run number {number}, which is not there")

    # ── runs ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self, row: tuple[Any, ...]) -> Iterator[Flaw]:
        number, run = row[-2], row[-1]
        archived = self._shelf.place(self._connection, number)
        yield from self._places(number, run, archived)
        found = self._connection.execute(_STEPS, (number,)).fetchall()
        if archived is not None:
            found += self._archived(number, run)
        shapes = self._shapes.read(self._connection, {one[4] for one in found})
        steps: list[Step] = []
        marks: list[tuple[int, rows.Mark | None]] = []
        for one in found:
            try:
                step, source, place, mark = rows.read_row(one[:6], run, shapes)
                again = rows.to_row(step, number, one[8], source, place, one[4], mark)
            except _DAMAGE as error:
                yield Flaw(f"a step cannot be read: {type(error).__name__}: {error}"[:300], run, _hex(one[2]))
                continue
            if again != (number, one[8], one[2], one[6], one[7], one[3], one[4], one[5]):
                yield Flaw("a step's row was changed", run, step.span)
            steps.append(step)
            marks.append((one[0], mark))
        yield from self._marks(number, run, steps, marks)
        yield from self._sums(row, number, run, steps)
        yield from self._links(number, run, steps)
        yield from self._uses(row, number, run, steps)

    def _places(self, number: int, run: str, archived: tuple[int, str, int, int] | None) -> Iterator[Flaw]:
        """A run's steps are in one place, and its row says which."""
        said, hot = self._connection.execute(
            "SELECT archived, (SELECT count(*) FROM step WHERE run=no) FROM run WHERE no=?", (number,)
        ).fetchone()
        if said != (0 if archived is None else archived[0]):
            yield Flaw("a run's row and the archive's table say different things of where its steps are", run)
        elif said and hot:
            yield Flaw("a run is archived, and has steps in the store besides", run)

    def _archived(self, number: int, run: str) -> list[tuple[Any, ...]]:
        """Archived steps as rows of _STEPS, which their columns must agree with."""
        found = self._shelf.rows(self._connection, number)
        traces = dict(self._connection.execute(
            "SELECT id, no FROM trace WHERE run=?1 UNION SELECT t.id, t.no FROM archived_trace a"
            " JOIN trace t ON t.no=a.trace WHERE a.run=?1", (number,),
        ))  # fmt: skip
        shapes = self._shapes.read(self._connection, {row[4] for row in found})
        made: list[tuple[Any, ...]] = []
        steps: list[Step] = []
        for row in found:
            step = rows.from_row(row, run, shapes)
            steps.append(step)
            made.append((*row, rows.flags_of(step), rows.response_key(step.response_id), traces.get(row[1])))
        odd = self._shelf.odd(self._connection, number, steps)
        if odd:
            raise StoreFault(
                f"columns of {len(odd)} archived steps do not say what the steps are, first {odd[0]}"
            )
        return made

    def _uses(self, row: tuple[Any, ...], number: int, run: str, steps: list[Step]) -> Iterator[Flaw]:
        """The uses of a run that is listed as it stands."""
        listed, agent, started = self._connection.execute(
            "SELECT listed, agent, started FROM run WHERE no=?", (number,)
        ).fetchone()
        if listed == row[_REVISION]:
            place = started or rows.unpack_tally(row[_STATE]).seen
            yield from run_flaws(self._connection, number, run, agent=agent, place=place, steps=steps)

    def _marks(
        self, number: int, run: str, steps: list[Step], marks: list[tuple[int, rows.Mark | None]]
    ) -> Iterator[Flaw]:
        own = {
            run,
            *(one[0] for one in self._connection.execute("SELECT id FROM alias WHERE run=?", (number,))),
        }
        last: dict[int, int] = {}
        for step, (row, mark) in zip(steps, marks, strict=True):
            if row < 1:
                yield Flaw("a step has a number that no step is given", run, step.span)
            if mark is None:
                if row > self._bound:
                    yield Flaw("a step has no record", run, step.span)
                continue
            if not self._claim(*mark, 1):
                yield Flaw("a step names a record that is not there or not its own", run, step.span)
                continue
            log = self._names[mark[0]]
            if log not in own and not self._led(log, number):
                yield Flaw(f"a step came to run {log} and stands in another", run, step.span)
            begun, owners = self._begun(mark)
            if owners - {row}:
                yield Flaw("a step is said to have replaced the record of another", run, step.span)
            if row > self._bound:
                if begun[1] < last.get(begun[0], -1):
                    yield Flaw("a step stands in another order than it came", run, step.span)
                last[begun[0]] = begun[1]

    def _begun(self, mark: rows.Mark) -> tuple[rows.Mark, set[int]]:
        """The first record of a step whose own record is ``mark``, and the row numbers of the step in between."""
        seen, owners = {mark}, set()
        while mark in self._before and self._before[mark][0] not in seen:
            mark, step = self._before[mark]
            seen.add(mark)
            owners.add(step)
        return mark, owners

    def _led(self, log: str, number: int) -> bool:
        """Whether a log is that of a run that was merged into this one before another run took its id."""
        if len(log) != 32 or log.strip("0123456789abcdef"):
            return False
        return self._connection.execute(
            "SELECT 1 FROM trace t JOIN run r ON r.id=? WHERE t.id=? AND t.run=?", (log, bytes.fromhex(log), number)
        ).fetchone() is not None  # fmt: skip

    def _sums(self, row: tuple[Any, ...], number: int, run: str, steps: list[Step]) -> Iterator[Flaw]:
        places = sorted(steps, key=lambda step: order_of(step)[:2])
        same_as = repeats(places)
        for step in steps:
            if step.same_as != same_as.get(step.span):
                yield Flaw("a step's mark as a repeat of another is not true", run, step.span)
        stored = rows.unpack_tally(row[_STATE])
        kept = awaited.whole(self._connection, number, stored)
        tally, parts = count_all(steps, kept, run)
        if kept != tally:
            yield Flaw("the sums kept of a run are not those of its steps", run)
        # A tally of before has fewer fields, and is as good as one that has them all.
        if (*row[:_STATE], rows.pack_tally(stored), number) not in self._summaries(row, number, run, stored):
            yield Flaw("the summary of a run does not follow from its steps", run)
        if self._parts(number) != {key: part for key, part in parts.items() if part != Part()}:
            yield Flaw(
                "what the agents, tools, models and workflows of a run did is not what its steps say", run
            )

    def _summaries(self, row: tuple[Any, ...], number: int, run: str, tally: Tally) -> list[tuple[Any, ...]]:
        """How the run's row may read: the verdict depends on when it was made and whether its process lived."""
        made = []
        for now in (tally.seen, _FOREVER):
            for alive in (None, True, False):
                verdict = judge(tally, now=now, alive=alive, silent_after=self._silent_after)
                values = summary(
                    RunRow(number, run, bool(row[0]), tally), verdict, row[_REVISION], self._silent_after
                )
                made.append((*values[:_DUE], row[_DUE], *values[_DUE + 1 :]))
        return made

    def _parts(self, number: int) -> Mapping[PartKey, Part]:
        found = self._connection.execute(
            "SELECT p.type, n.text, p.steps, p.errors, p.cost_nano, p.cost_gaps, p.input_tokens, p.output_tokens,"
            " p.token_gaps, p.first, p.last FROM part p LEFT JOIN name n ON n.id = p.name WHERE p.run=?", (number,)
        )  # fmt: skip
        parts = {(PART_TYPES[kind], name): Part(*sums) for kind, name, *sums in found}
        return {key: part for key, part in parts.items() if part != Part()}

    def _links(self, number: int, run: str, steps: list[Step]) -> Iterator[Flaw]:
        held = {link for step in steps for link in step.links}
        for (key,) in self._connection.execute("SELECT key FROM link WHERE run=?", (number,)):
            if key not in held and not self._was_replaced(number, run):
                yield Flaw("a key leads to a run none of whose steps has it", run)

    def _was_replaced(self, number: int, run: str) -> bool:
        """Whether records of this run's logs were replaced: a start may have had keys that its end has not."""
        return self._connection.execute(
            "SELECT 1 FROM replaced p JOIN log l ON l.no=p.log WHERE l.id=? OR l.id IN"
            " (SELECT id FROM alias WHERE run=?) LIMIT 1", (run, number),
        ).fetchone() is not None  # fmt: skip


def _hex(raw: Any) -> str | None:
    return raw.hex() if isinstance(raw, bytes) else None
