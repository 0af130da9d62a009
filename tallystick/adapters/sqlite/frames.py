"""Frames: compressed blocks of span bodies and contents.

A batch becomes one or a few zstd frames. A frame is bounded before compression, so that reading one payload never
costs more than decompressing ``BOUND`` bytes (or the payload itself, where that is larger).

Which runs have something in a frame stands in ``frame_run``, so that what nobody names any more can be wiped out of it
(scrubbing.py). A scrub keeps the places of what it leaves; writers then forget the places that they remember.

A content is stored once while it is remembered: each frame lists the digests of its contents, and a writer keeps the
newest of those lists in memory. So a value that comes again costs a reference, and one that never does costs no row,
no index and no look-up: a reference names the place itself.
"""

from __future__ import annotations

import sqlite3
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from hashlib import sha256

import zstandard

from tallystick.adapters.sqlite.payloads import Place
from tallystick.model.errors import StoreFault

BOUND = 256 * 1024
# zstd's fastest strategy with a larger table than its level 1 has: a sixth less time, and a little less space. Level 3
# takes half as much time again and saves a tenth of the space.
_QUICK = zstandard.ZstdCompressionParameters(
    strategy=zstandard.STRATEGY_FAST, window_log=18, hash_log=15, chain_log=12, search_log=1, min_match=6,
    target_length=0,
)  # fmt: skip
_KEPT = 24  # decompressed frames that a store keeps at hand: at most about 6 MB
_LARGEST = 2**31
_GENERATION = 32_768  # contents remembered: between one and two generations, at most about 15 MB
_WARM = 8_192  # … of them read from the newest frames by a process that has just started
_STATE = (
    "SELECT ifnull((SELECT seq FROM sqlite_sequence WHERE name='frame'), 0),"
    " (SELECT value FROM meta WHERE key='scrubs')"
)
_entry = struct.Struct(">16sII")
_pack_entry = _entry.pack


def compressor() -> Callable[[bytes], bytes]:
    """What makes a frame's data. One for each writer: it may not be used by two threads at once."""
    return zstandard.ZstdCompressor(compression_params=_QUICK).compress


class Recent:
    """Where the newest contents are, by the first 128 bits of their SHA-256. One for each writer.

    ``newer`` and ``older`` are the two generations, for the writer's own look-ups; everybody else asks ``get``.
    """

    __slots__ = ("_newest", "_scrubs", "newer", "older")

    def __init__(self) -> None:
        self.newer: dict[bytes, Place] = {}
        self.older: dict[bytes, Place] = {}
        self._newest = 0  # the last frame whose list is known
        self._scrubs = 0  # how often the store had been scrubbed when that was learnt

    @property
    def scrubs(self) -> int:
        """How often the store had been scrubbed when what is remembered was learnt."""
        return self._scrubs

    def forget(self) -> None:
        """Drop everything, after a rollback: what was learnt inside the transaction is not true."""
        self.newer, self.older, self._newest = {}, {}, 0

    def get(self, digest: bytes) -> Place | None:
        """The place of a content, or None when it is not remembered."""
        place = self.newer.get(digest)
        if place is None and self.older:
            place = self.older.get(digest)
            if place is not None:
                self.put(digest, place)
        return place

    def put(self, digest: bytes, place: Place) -> None:
        """Remember a place; the oldest are forgotten by the generation."""
        if len(self.newer) >= _GENERATION:
            self.older, self.newer = self.newer, {}
        self.newer[digest] = place

    def catch_up(self, connection: sqlite3.Connection) -> int:
        """Read the lists of frames that other processes wrote meanwhile; return the number of the newest frame.

        After a scrub, whoever did it, nothing is remembered that was known before: a place may hold zeros now.
        """
        last, scrubs = connection.execute(_STATE).fetchone()
        if scrubs != self._scrubs:
            self.forget()
            self._scrubs = scrubs
        if last > self._newest:
            lists: list[tuple[int, bytes]] = []
            size = 0
            for number, entries in connection.execute(
                "SELECT id, contents FROM frame WHERE id > ? ORDER BY id DESC", (self._newest,)
            ):
                lists.append((number, entries))
                size += len(entries)
                if size >= _WARM * _entry.size or len(lists) >= _WARM:
                    break
            for number, entries in reversed(lists):
                for digest, position, length in _entry.iter_unpack(entries):
                    self.put(digest, (number, position, length))
            self._newest = last
        return int(last)

    def wrote(self, frame: int) -> None:
        """This writer's own frame: its contents are known already."""
        self._newest = frame


class FrameWriter:
    """Collects bytes and writes them as frames inside one write transaction.

    ``run`` is the number of the run whose bytes come next; ``track`` writes which runs have something in which frames.
    """

    def __init__(
        self, connection: sqlite3.Connection, compress: Callable[[bytes], bytes], recent: Recent
    ) -> None:
        self._connection = connection
        self._compress = compress
        self._recent = recent
        self._frame = recent.catch_up(connection) + 1
        self.run = 0
        self._named: set[tuple[int, int]] = set()  # frame, run
        self._parts: list[bytes] = []
        self._entries: list[bytes] = []
        self._length = 0

    def add(self, raw: bytes) -> Place:
        """Put bytes into a frame; return (frame, offset, length)."""
        length, position = len(raw), self._length
        if position and position + length > BOUND:
            self.flush()
            position = 0
        self._parts.append(raw)
        self._length = position + length
        frame = self._frame
        self._named.add((frame, self.run))
        return frame, position, length

    def keep(self, raw: bytes) -> Place:
        """The place of a content, which is written unless it is remembered."""
        digest = sha256(raw).digest()[:16]
        recent = self._recent
        place = recent.newer.get(digest)
        if place is None and (not recent.older or (place := recent.get(digest)) is None):
            place = self.add(raw)
            self._entries.append(_pack_entry(digest, place[1], place[2]))
            recent.put(digest, place)
        else:
            self._named.add((place[0], self.run))
        return place

    def flush(self) -> None:
        """Write the frame that is being filled."""
        if not self._parts:
            return
        data = self._compress(b"".join(self._parts))
        self._connection.execute(
            "INSERT INTO frame (id, contents, data) VALUES (?,?,?)",
            (self._frame, b"".join(self._entries), data),
        )
        self._recent.wrote(self._frame)
        self._frame += 1
        self._parts, self._entries, self._length = [], [], 0

    def track(self) -> None:
        """Write which runs have something in which frames, after the last ``flush``."""
        self._connection.executemany("INSERT OR IGNORE INTO frame_run VALUES (?,?)", sorted(self._named))
        self._named = set()


class FrameReader:
    """Reads bytes out of frames and keeps the last few decompressed.

    A frame changes only when it is scrubbed, and one that is being read keeps what a reader of that moment may name:
    so what is kept is kept by the number of scrubs.
    """

    def __init__(self) -> None:
        self._frames: OrderedDict[int, bytes] = OrderedDict()
        self._scrubs = 0
        self._lock = threading.Lock()

    def read(self, connection: sqlite3.Connection, places: Iterable[Place]) -> dict[Place, bytes]:
        """The bytes at each place. Raises StoreFault where a frame is missing or damaged."""
        found: dict[Place, bytes] = {}
        opened, data = 0, b""
        wanted = sorted(places)
        if not wanted:
            return found
        scrubs = connection.execute("SELECT value FROM meta WHERE key='scrubs'").fetchone()[0]
        for place in wanted:  # each frame is opened once
            frame, position, length = place
            if frame != opened:
                opened, data = frame, self._frame(connection, frame, scrubs)
            raw = data[position : position + length]
            if len(raw) != length:
                raise _damaged(frame)
            found[place] = raw
        return found

    def whole(self, connection: sqlite3.Connection, frame: int) -> bytes:
        """All bytes of a frame. Raises StoreFault where it is missing or damaged."""
        scrubs = connection.execute("SELECT value FROM meta WHERE key='scrubs'").fetchone()[0]
        return self._frame(connection, frame, scrubs)

    def _frame(self, connection: sqlite3.Connection, frame: int, scrubs: int) -> bytes:
        with self._lock:
            if scrubs > self._scrubs:
                self._frames.clear()
                self._scrubs = scrubs
            held = self._frames.get(frame) if scrubs == self._scrubs else None
            if held is not None:
                self._frames.move_to_end(frame)
                return held
        row = connection.execute("SELECT data FROM frame WHERE id=?", (frame,)).fetchone()
        if row is None:
            raise _damaged(frame)
        try:
            raw = zstandard.ZstdDecompressor().decompress(row[0], max_output_size=_LARGEST)
        except zstandard.ZstdError as error:
            raise _damaged(frame) from error
        if len(raw) <= BOUND:
            with self._lock:
                if scrubs == self._scrubs:
                    self._frames[frame] = raw
                    while len(self._frames) > _KEPT:
                        self._frames.popitem(last=False)
        return raw


def _damaged(frame: int) -> StoreFault:
    return StoreFault(
        f"frame {frame} of the trace store is damaged",
        hint="put a backup in the place of traces.db",
        frame=frame,
    )
