"""Scrubbing: what no step names any more goes out of the frames, and what others name stays in its place.

Contents are shared, so a frame cannot simply be deleted with a run. Whoever deletes steps notes their frames in the
same transaction (``queue``); ``scrub`` then looks, for each noted frame, at the steps that remain of the runs that have
something in it (``frame_run``), writes zeros over every byte that none of them names, and deletes a frame that nobody
names. A process that dies in between leaves the note, and the next scrub goes on. A reader that began before sees the
frame as it was; writers forget the places they remember inside their next transaction.

Steps from before ``frame_run`` are listed there once, by the first scrub (``fill``).
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import zstandard

from tallystick.adapters.sqlite import rows
from tallystick.adapters.sqlite.database import Database
from tallystick.adapters.sqlite.frames import FrameReader, compressor
from tallystick.adapters.sqlite.payloads import Place, named
from tallystick.adapters.sqlite.runs import pairs_in
from tallystick.model.errors import StoreFault

Say = Callable[[str], None]

_CHUNK = 64  # frames scrubbed in one transaction: other writers wait for it
_SLICE = 1_000  # steps listed in one transaction
_BODIES = 256  # bodies looked through at a time
_entry = struct.Struct(">16sII")
_LARGEST = 2**31


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """What a scrub did: frames deleted, frames with zeros in them now, bytes wiped (before compression).

    ``left`` are frames that are noted still, because a step that may name something in them cannot be read;
    ``log_emptied`` is false where somebody still reads from before: the write-ahead log holds the old bytes until then.
    """

    deleted: int = 0
    wiped: int = 0
    bytes: int = 0
    left: tuple[int, ...] = ()
    log_emptied: bool = True


def queue(connection: sqlite3.Connection, frames: Iterable[int]) -> None:
    """Note frames as to be scrubbed, inside the transaction that deletes or changes the steps that named them."""
    connection.executemany(
        "INSERT OR IGNORE INTO unscrubbed VALUES (?)", [(frame,) for frame in sorted(frames)]
    )


def _quiet(_text: str) -> None:
    """Nobody is told."""


@contextmanager
def erasing(database: Database) -> Iterator[sqlite3.Connection]:
    """A write transaction that overwrites what it deletes with zeros, so that the file does not hold it any more."""
    with database.writing() as connection:
        before = connection.execute("PRAGMA secure_delete").fetchone()[0]
        connection.execute("PRAGMA secure_delete=ON")
        try:
            yield connection
        finally:
            connection.execute(f"PRAGMA secure_delete={int(before)}")


def fill(database: Database, say: Say = _quiet) -> None:
    """List the frames of steps from before ``frame_run``. Goes on where it was interrupted; done once."""
    with database.reading() as connection:
        bound = _untracked(connection)
    if not bound:
        return
    say(f"listing what {bound} steps of an older store name; this is done once")
    with database.writing() as connection:
        if connection.execute("SELECT 1 FROM replaced LIMIT 1").fetchone() is not None:
            # the bodies of starts that were replaced: nothing says any more in which frames they are
            connection.execute("INSERT OR IGNORE INTO unscrubbed SELECT id FROM frame")
    frames = FrameReader()
    while True:
        with database.writing() as connection:
            bound = _untracked(connection)
            found = connection.execute(
                "SELECT id, run, body FROM step WHERE id<=? ORDER BY id DESC LIMIT ?", (bound, _SLICE)
            ).fetchall()
            by_run: dict[int, list[bytes]] = {}
            for _, run, body in found:
                by_run.setdefault(run, []).append(body)
            listed = {
                (place[0], run)
                for run, bodies in by_run.items()
                for place in _places(connection, frames, bodies)
            }
            connection.executemany("INSERT OR IGNORE INTO frame_run VALUES (?,?)", sorted(listed))
            bound = found[-1][0] - 1 if len(found) == _SLICE else 0
            connection.execute("UPDATE meta SET value=? WHERE key='untracked'", (bound,))
        if not bound:
            return


def _untracked(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT value FROM meta WHERE key='untracked'").fetchone()[0])


def scrub(database: Database, say: Say = _quiet) -> Scrubbed:
    """Scrub all noted frames, some in each transaction, and empty the write-ahead log.

    What was wiped is gone from the file then (a copy of it that SQLite left in a page's unused room goes with VACUUM).
    """
    fill(database, say)
    deleted = wiped = size = after = 0
    left: list[int] = []
    while True:
        with erasing(database) as connection:
            chunk = [row[0] for row in connection.execute(
                "SELECT frame FROM unscrubbed WHERE frame>? ORDER BY frame LIMIT ?", (after, _CHUNK)
            )]  # fmt: skip
            if not chunk:
                break
            after = chunk[-1]
            done = _Scrub(connection).scrub(chunk)
        deleted, wiped, size = deleted + done.deleted, wiped + done.wiped, size + done.bytes
        left += done.left
    emptied = database.empty_log() if deleted or wiped else True
    return Scrubbed(deleted, wiped, size, tuple(left), emptied)


def _places(connection: sqlite3.Connection, frames: FrameReader, bodies: list[bytes]) -> Iterator[Place]:
    """All places that steps name, from the bodies of their rows."""
    own = sorted({rows.place_of(body) for body in bodies})
    for start in range(0, len(own), _BODIES):
        raw = frames.read(connection, own[start : start + _BODIES])
        yield from raw
        yield from named(raw.values(), lambda places: frames.read(connection, places))


class _Scrub:
    """One chunk of frames, inside one write transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._frames = FrameReader()
        self._compress = compressor()

    def scrub(self, frames: list[int]) -> Scrubbed:
        """Wipe or delete each frame and take it off the list."""
        users: dict[int, set[int]] = {}
        for frame, run in pairs_in(
            self._connection, "SELECT frame, run FROM frame_run WHERE frame IN ({})", frames
        ):
            users.setdefault(run, set()).add(frame)
        held: dict[int, set[Place]] = {frame: set() for frame in frames}
        gone: list[tuple[int, int]] = []  # frame, run: the run names nothing in the frame any more
        left: set[int] = set()
        for run, among in users.items():
            try:
                here = self._named_by(run, among)
            except StoreFault:  # what it names cannot be known: its frames stay as they are, and stay noted
                left |= among
                continue
            for frame, places in here.items():
                held[frame] |= places
            gone += [(frame, run) for frame in among - here.keys()]
        deleted = wiped = size = 0
        for frame in frames:
            if frame in left:
                continue
            try:
                bytes_wiped = self._wipe(frame, held[frame])
            except (zstandard.ZstdError, struct.error):
                left.add(frame)
                continue
            deleted += not held[frame] and bytes_wiped > 0
            wiped += bool(held[frame]) and bytes_wiped > 0
            size += bytes_wiped
        done = [(frame,) for frame in frames if frame not in left]
        self._connection.executemany("DELETE FROM unscrubbed WHERE frame=?", done)
        self._connection.executemany(
            "DELETE FROM frame_run WHERE frame=? AND run=?", [pair for pair in gone if pair[0] not in left]
        )
        self._connection.execute("UPDATE meta SET value=value+1 WHERE key='scrubs'")
        return Scrubbed(deleted, wiped, size, tuple(sorted(left)))

    def _named_by(self, run: int, among: set[int]) -> dict[int, set[Place]]:
        """The places in some frames that the steps of a run name."""
        bodies = [row[0] for row in self._connection.execute("SELECT body FROM step WHERE run=?", (run,))]
        here: dict[int, set[Place]] = {}
        for place in _places(self._connection, self._frames, bodies):
            if place[0] in among:
                here.setdefault(place[0], set()).add(place)
        return here

    def _wipe(self, frame: int, held: set[Place]) -> int:
        """Put zeros over all of a frame but some places; returns how many bytes went."""
        row = self._connection.execute("SELECT contents, data FROM frame WHERE id=?", (frame,)).fetchone()
        if row is None:
            return 0
        if not held:
            self._connection.execute("DELETE FROM frame WHERE id=?", (frame,))
            return max(1, zstandard.frame_content_size(row[1]))
        raw = zstandard.ZstdDecompressor().decompress(row[1], max_output_size=_LARGEST)
        clean = bytearray(len(raw))
        for _, position, length in held:
            clean[position : position + length] = raw[position : position + length]
        stays = {(position, length) for _, position, length in held}
        contents = b"".join(
            _entry.pack(*entry) for entry in _entry.iter_unpack(row[0]) if (entry[1], entry[2]) in stays
        )
        if clean == raw and contents == row[0]:
            return 0
        self._connection.execute(
            "UPDATE frame SET contents=?, data=? WHERE id=?", (contents, self._compress(bytes(clean)), frame)
        )
        return max(1, clean.count(0) - raw.count(0))
