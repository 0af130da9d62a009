"""Records that no sink will ever take: set aside on disk with the reason, and counted."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from tallystick.model.span import Span
from tallystick.sdk.frames import frame, read_frames

MAX_BYTES = 16 * 1024 * 1024
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder()


class Rejects:
    """An append-only file of frames ``[reason, trace, span, record]``; above MAX_BYTES the body is left out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "records.seg"

    def add(self, span: Span, reason: str) -> None:
        """Keep one record with the reason for which it was refused."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        body = {
            "name": span.name,
            "parent": span.parent,
            "started": span.started,
            "ended": span.ended,
            "attributes": dict(span.attributes),
        }
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            full = os.fstat(descriptor).st_size > MAX_BYTES
            payload = _encoder.encode([reason[:500], span.trace, span.span, None if full else body])
            os.write(descriptor, frame(payload))
        finally:
            os.close(descriptor)

    def count(self) -> int:
        """How many records were set aside."""
        return len(self.listed())

    def listed(self) -> list[tuple[str, str, str]]:
        """(reason, trace, span) of each record set aside, oldest first."""
        if not self._path.is_file():
            return []
        found = []
        for payload, _ in read_frames(self._path.read_bytes()):
            reason, trace, span, _body = _decoder.decode(payload)
            found.append((reason, trace, span))
        return found
