"""Moving the steps of old runs into segments of the archive, and segments that nobody needs out of it.

A segment is written outside any transaction and is whole on disk before the first run is said to be in it; then each
run's mark and the deletion of its rows are one transaction, which leaves out a run that changed meanwhile. So at every
moment a run's steps are in exactly one place, and a process that dies leaves at most files that no run needs. These
are found by what the table ``segment`` says: its row with state 0 is also what keeps a second process away.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from tallystick.adapters.sqlite import rows
from tallystick.adapters.sqlite.bringing import bring_back
from tallystick.adapters.sqlite.database import Database
from tallystick.adapters.sqlite.frames import Recent, compressor
from tallystick.adapters.sqlite.payloads import Packer, Place
from tallystick.adapters.sqlite.scrubbing import queue, scrub
from tallystick.adapters.sqlite.shelf import Shelf, to_archive
from tallystick.adapters.sqlite.tracking import frames_of
from tallystick.model.errors import StoreFault, TallystickError
from tallystick.ports.archive import Archive, Archived, ArchivedStep

_STEPS: Final = 20_000  # steps a segment: a run is never split, so the last one may go over it
_MARKED: Final = 5_000  # steps whose rows go in one transaction
_SLICE: Final = 512
_HOUR_NS: Final = 3_600_000_000_000
_GRACE_NS: Final = 600_000_000_000  # a segment without runs stays so long, for those who read from before
_FREE: Final = 1 << 20  # bytes of unused room that are worth writing a file anew
_KEPT: Final = 512 << 20  # the most bytes that are written anew: writers wait meanwhile
_DAY_S: Final = 86_400
_LAST_DAY_S: Final = 253_402_300_799  # year 9999
_DUE = (
    "SELECT no, id, revision, sort, steps FROM run WHERE NOT open AND archived=0 AND steps>0 AND due<?"
    " AND max(sort, ifnull(ended, 0))<? ORDER BY sort, no"
)
_MINE = "SELECT 1 FROM segment WHERE no=? AND state=0 AND owner=?"
Say = Callable[[str], None]


@dataclass(slots=True)
class _Run:
    no: int
    id: str
    revision: int
    day: str
    steps: int
    first: int = 0


@dataclass(slots=True)
class _Segment:
    """A segment that is being written: which runs are whole in it, and its contents by their text."""

    no: int
    name: str
    written: list[_Run] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    places: dict[bytes, Place] = field(default_factory=dict)

    def keep(self, raw: bytes) -> Place:
        place = self.places.get(raw)
        if place is None:
            place = self.places[raw] = (-self.no, len(self.contents), len(raw))
            self.contents.append(raw)
        return place


class Archiver:
    """Archives runs of one store. ``owner`` names this process, ``alive`` says whether another one lives."""

    def __init__(
        self, database: Database, shelf: Shelf, lock: AbstractContextManager[object], *, owner: str,
        alive: Callable[[str], bool | None], say: Say,
    ) -> None:  # fmt: skip
        self._database = database
        self._shelf = shelf
        self._lock = lock
        self._owner = owner
        self._alive = alive
        self._say = say
        self._shapes = rows.Shapes()

    def archive(self, *, before: int, now: int, dry_run: bool = False) -> Archived:
        """Archive the runs that ended before ``before`` and were silent since; see ``ports.Archiving.archive``."""
        archive = self._files()
        with self._database.reading() as connection:
            due = [
                _Run(no, run, revision, _day(sort), steps)
                for no, run, revision, sort, steps in connection.execute(_DUE, (now, before))
            ]
        if dry_run:
            return Archived(len(due), sum(run.steps for run in due))
        self.tidy(now=now)
        done = Archived()
        for some in _segments(due):
            segment = self._begin(some[0].day, now)
            if segment is None:
                self._say("another process archives runs of this store")
                return Archived(done.runs, done.steps, done.bytes, done.segments, busy=True)
            try:
                size = archive.write(segment.name, self._steps(segment, some), segment.contents)
                runs, steps = self._mark(segment, size)
            finally:
                if self._end(segment):
                    self.tidy(now=now)
            done = Archived(done.runs + runs, done.steps + steps, done.bytes + size, done.segments + 1)
        scrub(self._database, self._say)
        if done.runs:
            self._give_room_back()
        return done

    def _give_room_back(self) -> None:
        """Write the file anew where most of it is empty now and little is left; else new spans take the room."""
        with self._database.reading() as connection:
            size, pages, free = (
                int(connection.execute(f"PRAGMA {name}").fetchone()[0])
                for name in ("page_size", "page_count", "freelist_count")
            )
        if 2 * free > pages and free * size > _FREE and (pages - free) * size <= _KEPT:
            self._database.vacuum()

    def _files(self) -> Archive:
        archive = self._shelf.archive
        if archive is None or not archive.available():
            raise StoreFault(
                "archiving needs DuckDB, which is not installed", hint="pip install 'tallystick[archive]'"
            )
        return archive

    def _begin(self, day: str, now: int) -> _Segment | None:
        """Take the archive's lock: the row of a segment that is being written. None: another process has it."""
        with self._lock, self._database.writing() as connection:
            held = connection.execute("SELECT 1 FROM segment WHERE state=0").fetchone()
            if held is not None:
                return None
            number = connection.execute(
                "INSERT INTO segment (name, state, owner, at) VALUES ('', 0, ?, ?) RETURNING no",
                (self._owner, now),
            ).fetchone()[0]
            name = f"{day}/{number:06}"
            connection.execute("UPDATE segment SET name=? WHERE no=?", (name, number))
        return _Segment(number, name)

    def _steps(self, segment: _Segment, runs: list[_Run]) -> Iterator[ArchivedStep]:
        """The steps of runs, one run after the other. One that cannot be read or changed stays where it is."""
        position = 0
        pack = Packer(segment.keep).pack
        for run in runs:
            first, after, more = position, -1, True
            try:
                with self._database.reading() as connection:
                    stands = connection.execute(
                        "SELECT 1 FROM run WHERE no=? AND revision=? AND archived=0", (run.no, run.revision)
                    ).fetchone()
                    while more and stands is not None:
                        found = self._shelf.rows(connection, run.no, after=after, limit=_SLICE)
                        pairs = self._shelf.pairs(connection, found, run.id, self._shapes)
                        for row, (step, span) in zip(found, pairs, strict=True):
                            yield to_archive(segment.no, position, row, step, pack(step, span))
                            position += 1
                        more = len(found) == _SLICE
                        after = found[-1][0] if found else after
            except TallystickError as error:
                self._say(f"run {run.id} stays out of the archive: {error.message}")
                continue
            if stands is not None:
                run.first, run.steps = first, position - first
                segment.written.append(run)

    def _mark(self, segment: _Segment, size: int) -> tuple[int, int]:
        """Say that runs are in the segment and delete their rows; returns how many runs and steps went."""
        runs = steps = 0
        waiting = list(segment.written)
        while waiting:
            some: list[_Run] = []
            while waiting and (not some or sum(run.steps for run in some) + waiting[0].steps <= _MARKED):
                some.append(waiting.pop(0))
            with self._lock, self._database.writing() as connection:
                connection.execute("UPDATE segment SET bytes=? WHERE no=?", (size, segment.no))
                if connection.execute(_MINE, (segment.no, self._owner)).fetchone() is None:
                    raise StoreFault(
                        f"another process took segment {segment.name} for left over", hint="archive again"
                    )
                gone = [run for run in some if _move(connection, segment.no, run)]
            runs, steps = runs + len(gone), steps + sum(run.steps for run in gone)
        return runs, steps

    def _end(self, segment: _Segment) -> bool:
        """Let go of the archive's lock; whether the segment holds what somebody erased or deleted meanwhile.

        A segment that has no run then goes with the next ``tidy``.
        """
        with self._lock, self._database.writing() as connection:
            ended = connection.execute(
                "UPDATE segment SET state=1 WHERE no=? RETURNING purge", (segment.no,)
            ).fetchall()
        return any(purge for (purge,) in ended)

    def tidy(self, *, now: int) -> None:
        """Take away what no run needs: leftovers of processes that died, segments without runs, and wiped ones."""
        self._purge()
        archive = self._shelf.archive
        with self._lock, self._database.writing() as connection:
            for number, owner, at in connection.execute(
                "SELECT no, owner, at FROM segment WHERE state=0"
            ).fetchall():
                lives = self._alive(owner)
                if lives or (lives is None and now - at < _HOUR_NS):
                    continue
                connection.execute("UPDATE segment SET state=1 WHERE no=?", (number,))
            connection.execute(
                "UPDATE segment SET state=2, at=? WHERE state=1 AND no NOT IN (SELECT segment FROM archived_run)",
                (now,),
            )
            connection.execute("DELETE FROM segment WHERE state=2 AND (purge OR at<?)", (now - _GRACE_NS,))
            connection.execute("DELETE FROM left_behind WHERE segment NOT IN (SELECT no FROM segment)")
            known = {row[0] for row in connection.execute("SELECT name FROM segment")}
        if archive is not None:
            for name in archive.found().keys() - known:
                if not self._known(name):
                    archive.remove(name)

    def _known(self, name: str) -> bool:
        """Whether a segment has a row by now: files are there only after the row is."""
        with self._database.reading() as connection:
            return connection.execute("SELECT 1 FROM segment WHERE name=?", (name,)).fetchone() is not None

    def _purge(self) -> None:
        """Bring back the runs of segments that hold what must go; the next pass archives them anew."""
        with self._database.reading() as connection:
            runs = connection.execute(
                "SELECT a.run FROM archived_run a JOIN segment s ON s.no=a.segment WHERE s.purge"
            ).fetchall()
        compress, recent = compressor(), Recent()
        for (number,) in runs:
            with self._lock, self._database.writing() as connection:
                if self._shelf.place(connection, number) is not None:
                    recent.forget()
                    bring_back(connection, self._shelf, number, compress, recent)


def _move(connection: sqlite3.Connection, segment: int, run: _Run) -> bool:
    """Mark one run as archived and delete its rows, unless it changed since it was read."""
    stands = connection.execute(
        "SELECT count(*) FROM step WHERE run="
        "(SELECT no FROM run WHERE no=? AND revision=? AND archived=0 AND NOT open)",
        (run.no, run.revision),
    ).fetchone()[0]
    if stands != run.steps:
        return False
    connection.execute("UPDATE run SET archived=? WHERE no=?", (segment, run.no))
    connection.execute("INSERT INTO archived_run VALUES (?,?,?,?)", (run.no, segment, run.first, run.steps))
    connection.execute(
        "INSERT INTO archived_trace SELECT DISTINCT s.trace, s.run FROM step s JOIN trace t ON t.no=s.trace"
        " WHERE s.run=?1 AND t.run!=?1", (run.no,),
    )  # fmt: skip
    queue(connection, frames_of(connection, [run.no]))
    drop_steps(connection, run.no)
    return True


def drop_steps(connection: sqlite3.Connection, run: int) -> int:
    """Delete a run's rows of steps; their numbers are not given out again. Returns how many there were."""
    connection.execute(
        "UPDATE meta SET value=max(value, ifnull((SELECT max(id) FROM step), 0)) WHERE key='last_step'"
    )
    return connection.execute("DELETE FROM step WHERE run=?", (run,)).rowcount


def _segments(due: list[_Run]) -> Iterator[list[_Run]]:
    """Runs of one day together, up to a number of steps."""
    some: list[_Run] = []
    steps = 0
    for run in due:
        if some and (run.day != some[0].day or steps + run.steps > _STEPS):
            yield some
            some, steps = [], 0
        some.append(run)
        steps += run.steps
    if some:
        yield some


def _day(at: int) -> str:
    seconds = min(max(at // 1_000_000_000, 0), _LAST_DAY_S)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def archive_facts(connection: sqlite3.Connection, archive: Archive | None) -> dict[str, int]:
    """Archived runs and steps, and the bytes of the segments that hold them; ``unreadable_runs``: those of the archived
    runs for which something has to be installed."""
    runs, steps, size = connection.execute(
        "SELECT count(*), ifnull(sum(steps), 0), (SELECT ifnull(sum(bytes), 0) FROM segment WHERE state < 2)"
        " FROM archived_run"
    ).fetchone()
    unreadable = 0
    if archive is None or not archive.available():
        unreadable = sum(
            count for name, count in connection.execute(
                "SELECT s.name, count(*) FROM archived_run a JOIN segment s ON s.no=a.segment GROUP BY s.no"
            ) if archive is None or not archive.readable(name)
        )  # fmt: skip
    return {
        "archived_runs": runs, "archived_steps": steps, "archived_bytes": size, "unreadable_runs": unreadable
    }  # fmt: skip
