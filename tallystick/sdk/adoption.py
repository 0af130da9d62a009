"""What is left of dead owners in a spool folder, read and delivered by whoever comes next."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tallystick.model.attributes import LOST
from tallystick.model.span import Span
from tallystick.sdk.frames import MAGIC, OLD_MAGIC, SEED, RecordReader, read_frames
from tallystick.sdk.runtime import Sink
from tallystick.sdk.spool import COUNTS, LOCK_NAME, LOST_NAME

REJECTED_NAME = "rejected"
_BATCH = 512
_NEW_GRACE = 3600  # seconds after which a folder that was never finished is removed


@dataclass(frozen=True, slots=True)
class Adopted:
    """What an adoption did: owners emptied, spans delivered, bytes of torn tails, and losses nobody could report."""

    owners: int = 0
    spans: int = 0
    torn: int = 0
    lost: int = 0


def adopt(folder: Path, sink: Sink, *, keep: Path | None = None) -> Adopted:
    """Deliver everything that dead owners left below ``folder`` and remove their folders.

    ``keep`` is a folder to leave alone (the caller's own). Raises what ``sink.deliver`` raises; then the owner at hand
    keeps its files and the next adoption tries again. Safe to run from several processes at once: the flock decides.
    """
    done = Adopted()
    for owner in owners(folder):
        if owner == keep:
            continue
        descriptor = _lock(owner)
        if descriptor is None:
            continue
        try:
            one = _take_over(owner, sink.deliver)
        finally:
            os.close(descriptor)
        done = Adopted(done.owners + 1, done.spans + one.spans, done.torn + one.torn, done.lost + one.lost)
    return done


def owners(folder: Path) -> Iterator[Path]:
    """The owners' folders below a spool folder, oldest name first."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name[:1].isdigit():
            yield path


def waiting_bytes(folder: Path, *, keep: Path | None = None) -> int:
    """Bytes in all segments below a spool folder, those of ``keep`` left out."""
    total = 0
    for owner in owners(folder):
        if owner != keep:
            for segment in owner.glob("*.seg"):
                try:
                    total += segment.stat().st_size
                except FileNotFoundError:
                    continue  # delivered and deleted in between
    return total


def read_segment(path: Path) -> tuple[list[Span], int, int]:
    """All spans of a segment, the bytes of its torn tail, and the loss report it ends with."""
    data = path.read_bytes()
    if not data.startswith((MAGIC, OLD_MAGIC)):
        return [], len(data), 0
    reader, spans, end = RecordReader(), [], len(MAGIC)
    seed = SEED if data.startswith(MAGIC) else 0
    for payload, end in read_frames(data, len(MAGIC), seed):  # noqa: B007 - the last end is wanted
        span = reader.read(payload)
        if span is not None:
            spans.append(span)
    return spans, len(data[end:].rstrip(b"\0")), reader.reported


def _lock(owner: Path) -> int | None:
    """A descriptor that holds the owner's lock, or None while the owner lives or somebody else adopts it."""
    try:
        descriptor = os.open(owner / LOCK_NAME, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    if not owner.exists():  # it was emptied between open and lock
        os.close(descriptor)
        return None
    return descriptor


def _take_over(owner: Path, deliver: Callable[[Sequence[Span]], None]) -> Adopted:
    total, reported = _counts(owner)
    held: list[Span] = []
    spans = torn = 0
    segments = sorted(owner.glob("*.seg"))
    for segment in segments:
        found, tail, seen = read_segment(segment)
        torn += tail
        reported = max(reported, seen)
        held.extend(found)
        while len(held) > _BATCH:  # one is kept back: the last span carries the losses nobody reported
            deliver(held[:_BATCH])
            spans += _BATCH
            del held[:_BATCH]
    lost = max(0, total - reported)
    if held:
        if lost:
            held[-1] = _reporting(held[-1], lost)
            lost = 0
        deliver(held)
        spans += len(held)
    for path in [*segments, owner / LOST_NAME, owner / LOCK_NAME]:
        path.unlink(missing_ok=True)
    owner.rmdir()
    return Adopted(1, spans, torn, lost)


def _counts(owner: Path) -> tuple[int, int]:
    try:
        raw = (owner / LOST_NAME).read_bytes()
    except FileNotFoundError:
        return 0, 0
    if len(raw) < COUNTS.size:
        return 0, 0
    total, reported = COUNTS.unpack_from(raw)
    return total, reported


def _reporting(span: Span, lost: int) -> Span:
    already = span.attributes.get(LOST)
    number = lost + (already if isinstance(already, int) else 0)
    return replace(span, attributes={**span.attributes, LOST: number})


def remove_unfinished(folder: Path, *, now: float) -> int:
    """Remove folders whose making was cut short long ago; ``now`` is seconds since the epoch. Returns how many."""
    removed = 0
    if not folder.is_dir():
        return 0
    for path in folder.glob("new-*"):
        if now - path.stat().st_mtime < _NEW_GRACE:
            continue
        for inner in path.iterdir():
            inner.unlink()
        path.rmdir()
        removed += 1
    return removed
