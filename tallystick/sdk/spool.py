"""The durable spool: every finished step is in the kernel's hands before its span's end returns.

Each process owns one folder below the spool folder and holds an flock on its ``lock`` file for as long as it lives. It
copies frames (frames.py) into mapped segment files (segments.py), so that ``kill -9`` loses at most the step in
progress. The folder's size is bounded: what does not fit is dropped, counted in a small pre-allocated file, and
reported on the next record that is written. ``shipping.py`` reads the segments and deletes them once they were
delivered; the folder of a dead owner is adopted by whoever ships next (adoption.py).
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from struct import Struct
from typing import Any
from zlib import crc32

import msgspec

from tallystick.model.attributes import LOST
from tallystick.sdk.edge import caught
from tallystick.sdk.frames import HEADER, HEADER_SIZE, MAGIC, REPORTED, SEED, SOURCE, frame
from tallystick.sdk.segments import Segment, may_map

LIMIT_BYTES = 256 * 1024 * 1024
SEGMENT_BYTES = 4 * 1024 * 1024
_FIRST_BYTES = 128 * 1024  # the first segment's size; each further one is twice as large, up to SEGMENT_BYTES
LOCK_NAME = "lock"
LOST_NAME = "lost"
COUNTS = Struct("<QQ")  # records lost so far, records reported as lost so far
_LEAST_BYTES = 16 * 1024  # what is asked for when the disk has no room for a segment as it was planned
_NEW = "new-"  # a folder that is being made: not yet locked, nobody may adopt it
_ROOT_RESERVE = 1024 * 1024  # room above the limit for a run's last record, so that the loss becomes known

_encode = msgspec.msgpack.Encoder().encode
_pack_header = HEADER.pack
_REFUSALS = (TypeError, ValueError, OverflowError, RecursionError)


class Spool:
    """The writing side, owned by one process. All methods are safe from any thread and from finalisers."""

    def __init__(self, folder: Path, *, limit: int = LIMIT_BYTES, segment: int = SEGMENT_BYTES) -> None:
        """``limit`` and ``segment`` are bytes; nothing is created before the first record."""
        self.folder = folder
        self.limit = limit
        self._segment_bytes = max(1, min(segment, limit // 4))
        self.others = 0  # bytes that other owners hold in the same folder; kept up to date by shipping
        self.lost = 0
        self.records = 0
        self.asleep = True  # nobody is looking for records: whoever writes one must wake the shipper
        self._sources: dict[Any, tuple[int, bytes]] = {}
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.RLock()
        self._writing = False
        self._late: list[tuple[tuple[Any, ...], bytes, bool]] = []
        self.own: Path | None = None
        self.segments: list[Segment] = []
        self.pending = 0  # bytes allocated to segments that were not yet deleted
        self._reported = 0
        self._number = 0
        self._mapped = False
        self._segment: Segment | None = None
        self._lock_descriptor = self._lost_descriptor = -1

    # -- writing ------------------------------------------------------------------------------------------------

    def source(self, key: Any, resource: Mapping[str, Any], scope: str, version: str, schema: str) -> int:
        """The index under which records name this source; ``key`` is any hashable that identifies it."""
        known = self._sources.get(key)
        if known is not None:
            return known[0]
        with self._lock:
            if key in self._sources:  # another thread was faster
                return self._sources[key][0]
            index = len(self._sources)
            record = (SOURCE, index, dict(resource), scope, version, schema)
            self._sources[key] = (index, encode_record(record))
            if self._segment is not None:
                self.append(record)
            return index

    def append(self, record: tuple[Any, ...], *, last: bool = False) -> bool:
        """Write one span record (see frames.py) and return whether it is durable; False means counted as lost.

        ``last`` marks the record that ends a run: it may use a small reserve beyond the limit.
        """
        try:
            payload = _encode(record)
        except _REFUSALS:
            payload = encode_record(record)
        header = _pack_header(len(payload), crc32(payload, SEED))
        with self._lock:
            if self._writing:  # a finaliser ended a span while this thread was inside a write
                self._late.append((record, header + payload, last))
                return True
            self._writing = True
            try:
                segment = self._segment
                if segment is not None and self.lost == self._reported:
                    at = segment.size
                    start = at + HEADER_SIZE
                    end = start + len(payload)
                    if end <= segment.room:
                        # The header comes last: until it is there, the frame reads as the zeros after the last one.
                        segment.map[start:end] = payload
                        segment.map[at:start] = header
                        segment.size = end
                        self.records += 1
                        return True
                return self._append(record, header + payload, last)
            except OSError as error:
                return self._refuse(record, error)
            finally:
                self._writing = False
                if self._late:
                    self._append_late()

    def _append_late(self) -> None:
        while self._late:
            record, data, last = self._late.pop(0)
            self._writing = True
            try:
                self._append(record, data, last)
            except OSError as error:
                self._refuse(record, error)
            finally:
                self._writing = False

    def _append(self, record: tuple[Any, ...], data: bytes, last: bool) -> bool:
        """The same for whole frames, when a new segment may be needed or losses are to be reported."""
        lost = self.lost
        reporting = lost != self._reported and record[0] != SOURCE
        if reporting:  # the first record after a loss carries the number of records lost before it
            data = frame(encode_record(_with_lost(record, lost - self._reported)))
            data += frame(encode_record((REPORTED, lost)))
        segment = self._segment
        if segment is None or segment.size + len(data) > segment.room:
            segment = self._open_segment(len(data), last)
            if segment is None:
                return self._refuse(record, None)
        at = segment.size
        start, end = at + HEADER_SIZE, at + len(data)
        segment.map[start:end] = data[HEADER_SIZE:]
        segment.map[at:start] = data[:HEADER_SIZE]
        segment.size = end
        self.records += 1
        if reporting:
            self._reported = lost
            self._save_counts()
        return True

    def _refuse(self, record: tuple[Any, ...], error: OSError | None) -> bool:
        if error is not None:
            caught("spool.write", error, answered=True)
        if record[0] != SOURCE:
            self._lose()
        return False

    def _lose(self) -> None:
        self.lost += 1
        try:
            if self.own is None:
                self._open_folder()
            self._save_counts()
        except OSError as error:
            caught("spool.count", error, answered=True)

    def _save_counts(self) -> None:
        if self._lost_descriptor >= 0:
            os.pwrite(self._lost_descriptor, COUNTS.pack(self.lost, self._reported), 0)

    # -- files --------------------------------------------------------------------------------------------------

    def _open_segment(self, needed: int, last: bool) -> Segment | None:
        """A new segment with room for ``needed`` bytes of frames, or None when the limit does not allow it."""
        self.seal()
        head = MAGIC + b"".join(frame(payload) for _, payload in self._sources.values())
        needed += len(head)
        left = self.limit - self.others - self.pending
        if needed > left + (_ROOT_RESERVE if last else 0):
            return None
        if self.own is None:
            self._open_folder()
        assert self.own is not None
        planned = min(self._segment_bytes, _FIRST_BYTES << min(self._number, 16), left)
        path = self.own / f"{self._number + 1:08d}.seg"
        try:
            segment = Segment(path, max(needed, planned), mapped=self._mapped)
        except OSError:
            if planned <= max(needed, _LEAST_BYTES):
                raise
            # The disk is nearly full: take what is left in small pieces.
            segment = Segment(path, max(needed, _LEAST_BYTES), mapped=self._mapped)
        self._number += 1
        segment.map[0 : len(head)] = head
        segment.size = len(head)
        self.pending += segment.room
        self._segment = segment
        self.segments.append(segment)
        return segment

    def _open_folder(self) -> None:
        """Make this owner's folder, locked before anybody can see it."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        stem = str(os.getpid())
        draft = self.folder / f"{_NEW}{stem}"
        tries = 1
        while not _make(draft):
            tries += 1
            draft = self.folder / f"{_NEW}{stem}-{tries}"
        self._lock_descriptor = os.open(draft / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock_descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._lost_descriptor = os.open(draft / LOST_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.pwrite(self._lost_descriptor, COUNTS.pack(self.lost, self._reported), 0)
        self.own = _settle(draft, self.folder, stem)
        self._mapped = may_map(self.own)

    def seal(self) -> None:
        """Close the open segment, so that it can be deleted once it was delivered."""
        with self._lock:
            segment, self._segment = self._segment, None
            if segment is not None:
                self.pending -= segment.room
                segment.seal()
                self.pending += segment.room

    def delivered(self, segment: Segment) -> None:
        """Delete a sealed segment whose records were all delivered."""
        with self._lock:
            segment.path.unlink(missing_ok=True)
            self.segments.remove(segment)
            self.pending -= segment.size

    def count_lost(self, number: int) -> None:
        """Take over the unreported losses of another owner, to be reported on this owner's next record."""
        with self._lock:
            self.lost += number
            self._save_counts()

    def close(self) -> None:
        """Let go of the folder. What is left in it can be adopted from now on; an empty folder is removed."""
        with self._lock:
            self.seal()
            if self.own is None:
                return
            if not self.segments and self.lost == self._reported:
                for name in (LOST_NAME, LOCK_NAME):
                    (self.own / name).unlink(missing_ok=True)
                self.own.rmdir()
            os.close(self._lost_descriptor)
            os.close(self._lock_descriptor)
            self._begin()

    def after_fork(self) -> None:
        """In a forked child: leave the parent's folder alone and start an own one at the next record.

        The descriptors are only closed: unlocking would take the lock from the parent, which shares it.
        """
        if self._segment is not None:
            self._segment.forget()
        for descriptor in (self._lost_descriptor, self._lock_descriptor):
            if descriptor >= 0:
                os.close(descriptor)
        self.lost = self.records = 0
        self._begin()


def _make(path: Path) -> bool:
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        return False
    return True


def _settle(draft: Path, folder: Path, stem: str) -> Path:
    """Give the draft folder its final name; pids repeat (after a reboot, between containers), so count upwards."""
    for number in range(1, 1_000_000):
        final = folder / (stem if number == 1 else f"{stem}-{number}")
        if final.exists():
            continue
        try:
            draft.rename(final)
        except OSError:
            continue  # somebody took the name in between
        return final
    raise OSError(f"no free name below {folder}")


def _with_lost(record: tuple[Any, ...], number: int) -> tuple[Any, ...]:
    attributes = dict(record[11])
    attributes[LOST] = number
    return (*record[:11], attributes, *record[12:])


def encode_record(record: tuple[Any, ...]) -> bytes:
    """msgpack of a record; values that msgpack cannot hold are written as text, huge nesting is cut."""
    try:
        return _encode(record)
    except _REFUSALS:
        return _encode(encodable(record))


def encodable(value: Any, depth: int = 0) -> Any:
    """The value with what msgpack refuses (huge integers, lone surrogates, foreign objects) turned into text."""
    if value is None or isinstance(value, bool | float | bytes | msgspec.Raw):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else str(value)
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if depth > 64:
        return "[cut: nested deeper than 64]"
    if isinstance(value, Mapping):
        return {str(encodable(key)): encodable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encodable(item, depth + 1) for item in value]
    return str(value)
