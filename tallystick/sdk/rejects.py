"""Records that a sink cannot take: set aside on disk, whole and with the reason, and counted.

A refused record is rarely worthless: most often the sink has a fault that a later release mends. So ``retry`` offers
everything that was set aside once more.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from tallystick.model.errors import BadInput, StoreFull
from tallystick.model.span import Event, Link, Source, Span
from tallystick.sdk.frames import frame, read_frames
from tallystick.sdk.runtime import Sink

MAX_BYTES = 64 * 1024 * 1024
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder()
_lock = threading.Lock()


class Rejects:
    """An append-only file of frames ``[reason, span]`` in a folder beside the owners' folders."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "records.seg"
        self._taken = folder / "retrying.seg"

    def add(self, span: Span, reason: str) -> None:
        """Keep one record with the reason for which it was refused.

        Raises StoreFull beyond MAX_BYTES: so many refusals are the sink's fault, and the spool must keep the rest.
        """
        data = frame(_encoder.encode([reason[:500], _packed(span)]), 0)
        with _lock:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = _locked(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            try:
                if os.fstat(descriptor).st_size + len(data) > MAX_BYTES:
                    raise StoreFull(f"too many records were refused; the newest reason: {reason[:200]}")
                os.write(descriptor, data)
            finally:
                os.close(descriptor)

    def count(self) -> int:
        """How many records are set aside."""
        return sum(1 for _ in self._read())

    def listed(self) -> list[tuple[str, str, str]]:
        """(reason, trace, span) of each record set aside, oldest first."""
        return [(reason, span.trace, span.span) for reason, span in self._read()]

    def retry(self, sink: Sink) -> tuple[int, int]:
        """Offer everything to a sink once more; returns (taken, still refused). What is still refused stays.

        Raises Unreachable and the like from the sink; then everything stays.
        """
        with _lock:
            if not self._taken.exists() and self._path.exists():
                self._path.rename(self._taken)  # what is refused meanwhile goes into a new file
        kept = list(_read(self._taken))
        refused: list[tuple[str, Span]] = []
        for _, span in kept:
            try:
                sink.deliver([span])
            except (BadInput, KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
                refused.append((f"{type(error).__name__}: {error}", span))
        for reason, span in refused:
            self.add(span, reason)
        self._taken.unlink(missing_ok=True)
        return len(kept) - len(refused), len(refused)

    def drop(self, unwanted: Callable[[Span], bool]) -> int:
        """Take records out for good; how many. The others stay in their order."""
        with _lock:
            return sum(_drop(path, unwanted) for path in (self._taken, self._path) if path.exists())

    def _read(self) -> Iterator[tuple[str, Span]]:
        yield from _read(self._taken)  # left by a retry that was cut short
        yield from _read(self._path)


def _locked(path: Path, flags: int) -> int:
    """A descriptor of the file that bears the name now, locked against other processes."""
    while True:
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_ino == os.stat(path).st_ino:
                return descriptor
        except FileNotFoundError:
            pass  # it went away in between: a new one is made
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _drop(path: Path, unwanted: Callable[[Span], bool]) -> int:
    descriptor = _locked(path, os.O_RDWR | os.O_CREAT)
    try:
        held = list(_read(path))
        kept = [(reason, span) for reason, span in held if not unwanted(span)]
        if len(kept) < len(held):
            fresh = path.with_suffix(".new")
            with open(
                os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb"
            ) as file:
                file.writelines(frame(_encoder.encode([reason, _packed(span)]), 0) for reason, span in kept)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        return len(held) - len(kept)
    finally:
        os.close(descriptor)


def _read(path: Path) -> Iterator[tuple[str, Span]]:
    if path.is_file():
        for payload, _ in read_frames(path.read_bytes(), 0, 0):
            reason, packed = _decoder.decode(payload)
            yield reason, _unpacked(packed)


def _packed(span: Span) -> list[Any]:
    source = span.source
    return [
        span.trace, span.span, span.parent, span.name, span.started, span.ended,
        [dict(source.resource), source.scope, source.scope_version, source.schema_url],
        span.kind, span.status, span.status_message, dict(span.attributes),
        [[event.name, event.at, dict(event.attributes)] for event in span.events],
        [[link.trace, link.span, dict(link.attributes)] for link in span.links],
        span.dropped,
    ]  # fmt: skip


def _unpacked(packed: list[Any]) -> Span:
    (trace, span, parent, name, started, ended, source, kind, status, message, attributes, events, links,
     dropped) = packed  # fmt: skip
    return Span(
        trace, span, parent, name, started, ended, Source(*source), kind, status, message, attributes,
        tuple(Event(*event) for event in events), tuple(Link(*link) for link in links), dropped,
    )  # fmt: skip
