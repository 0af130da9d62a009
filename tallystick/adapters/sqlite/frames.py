"""Frames: compressed blocks of span bodies and contents.

A batch becomes one or a few zstd frames. A frame is bounded before compression, so that reading one payload never
costs more than decompressing ``BOUND`` bytes (or the payload itself, where that is larger).
"""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import zstandard

from tallystick.adapters.sqlite.payloads import Collision
from tallystick.adapters.sqlite.rows import Place
from tallystick.model.errors import StoreFault

BOUND = 256 * 1024
LEVEL = 3  # zstd: level 1 saves about a fifth of the time and costs a tenth of the space
_KEPT = 24  # decompressed frames that a store keeps at hand: at most about 6 MB
_LARGEST = 2**31
IN_CHUNK = 500  # values in one IN (…)


class FrameWriter:
    """Collects bytes and writes them as frames inside one write transaction."""

    def __init__(self, connection: sqlite3.Connection, compress: Callable[[bytes], bytes]) -> None:
        self._connection = connection
        self._compress = compress
        self._parts: list[bytes] = []
        self._length = 0
        self._frame = 0

    def add(self, raw: bytes) -> Place:
        """Put bytes into a frame; return (frame, offset, length)."""
        length = len(raw)
        if self._length and self._length + length > BOUND:
            self.flush()
        if not self._frame:
            self._frame = _one(self._connection, "INSERT INTO frame (data) VALUES (x'') RETURNING id")
        position = self._length
        self._parts.append(raw)
        self._length += length
        return self._frame, position, length

    def flush(self) -> None:
        """Write the frame that is being filled."""
        if self._frame:
            data = self._compress(b"".join(self._parts))
            self._connection.execute("UPDATE frame SET data=? WHERE id=?", (data, self._frame))
        self._parts, self._length, self._frame = [], 0, 0


def _one(connection: sqlite3.Connection, sql: str, values: Sequence[Any] = ()) -> int:
    return int(connection.execute(sql, values).fetchone()[0])


def store_contents(
    connection: sqlite3.Connection, contents: Mapping[int, tuple[int, bytes]], frames: FrameWriter
) -> None:
    """Write the contents that the store does not have yet. Raises Collision when two share a key."""
    keys = list(contents)
    for start in range(0, len(keys), IN_CHUNK):
        some = keys[start : start + IN_CHUNK]
        held = dict(connection.execute(
            f"SELECT key, mark FROM content WHERE key IN ({','.join('?' * len(some))})", some
        ).fetchall())  # fmt: skip
        rows = []
        for key in some:
            mark, raw = contents[key]
            if key not in held:
                rows.append((key, mark, *frames.add(raw)))
            elif held[key] != mark:
                raise Collision(key)
        rows.sort()  # in the order of the tree they go into
        connection.executemany("INSERT INTO content (key, mark, frame, pos, size) VALUES (?,?,?,?,?)", rows)


class FrameReader:
    """Reads bytes out of frames and keeps the last few decompressed. Frames never change, so neither does this."""

    def __init__(self) -> None:
        self._frames: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, connection: sqlite3.Connection, places: Iterable[Place]) -> list[bytes]:
        """The bytes at each place. Raises StoreFault where a frame is missing or damaged."""
        at = list(places)
        local: dict[int, bytes] = {}
        result: list[bytes | None] = [None] * len(at)
        for index in sorted(range(len(at)), key=lambda i: at[i][0]):  # each frame is opened once
            frame, position, length = at[index]
            if frame not in local:
                local.clear()
                local[frame] = self._frame(connection, frame)
            raw = local[frame][position : position + length]
            if len(raw) != length:
                raise _damaged(frame)
            result[index] = raw
        return [raw for raw in result if raw is not None]

    def contents(self, connection: sqlite3.Connection, keys: set[int]) -> dict[int, bytes]:
        """Contents by key. Raises StoreFault when one is missing."""
        wanted = sorted(keys)
        rows: list[tuple[int, int, int, int]] = []
        for start in range(0, len(wanted), IN_CHUNK):
            some = wanted[start : start + IN_CHUNK]
            rows += connection.execute(
                f"SELECT key, frame, pos, size FROM content WHERE key IN ({','.join('?' * len(some))})", some
            ).fetchall()  # fmt: skip
        if len(rows) != len(wanted):
            raise StoreFault(
                f"{len(wanted) - len(rows)} contents are missing",
                hint="put a backup in the place of traces.db",
            )
        return dict(zip(
            [row[0] for row in rows], self.read(connection, [row[1:] for row in rows]), strict=True
        ))  # fmt: skip

    def _frame(self, connection: sqlite3.Connection, frame: int) -> bytes:
        with self._lock:
            held = self._frames.get(frame)
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
