"""Signed checkpoints in a file of their own, outside control.db.

Each line is JSON, ``{"note": "<the signed note>"}``. The file only grows. Whoever puts an older or another control.db
in the place of the journal has this file against him, and a copy of it elsewhere is worth more still.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from tallystick.adapters.durable import to_disk
from tallystick.model.errors import StoreFault

LOG_FILE: Final = "checkpoints.log"
_TAIL: Final = 65_536  # bytes; some fifty checkpoints


class CheckpointLog:
    """The kept checkpoints of one store (``app.prove.checkpoints.Kept``). Many processes may append at once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, note: str) -> None:
        """Add a note; it is on the disk on return. Raises StoreFault."""
        line = msgspec.json.encode({"note": note}) + b"\n"
        try:
            known = self.path.exists()
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                self._drop_torn_line(descriptor)
                with open(descriptor, "ab", closefd=False) as file:
                    file.write(
                        line
                    )  # all of it, or an error: a disk that fills up takes a part without a word
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if not known:
                to_disk(self.path.parent)
        except OSError as error:
            raise StoreFault(
                f"{self.path} cannot be written: {error.strerror}", hint="free some space on its disk",
                path=str(self.path),
            ) from error  # fmt: skip

    def _drop_torn_line(self, descriptor: int) -> None:
        """A line that a crash left without its end was never answered for."""
        size = os.fstat(descriptor).st_size
        tail = os.pread(descriptor, _TAIL, max(0, size - _TAIL))
        if tail and not tail.endswith(b"\n"):
            os.ftruncate(descriptor, size - len(tail) + tail.rfind(b"\n") + 1)

    def tail(self) -> list[str]:
        """The newest notes, oldest first. Raises StoreFault when the file cannot be read."""
        return self._read(_TAIL)

    def notes(self) -> Iterator[str]:
        """All notes, oldest first; a line that is none gives an empty text."""
        yield from self._read(None)

    def _read(self, most: int | None) -> list[str]:
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                start = 0 if most is None else max(0, size - most)
                file.seek(start)
                content = file.read()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreFault(
                f"{self.path} cannot be read: {error.strerror}",
                hint=f"check {self.path}",
                path=str(self.path),
            ) from error
        lines = content.split(b"\n")[:-1]  # behind the last newline: nothing, or a line that a crash tore
        return [_note_of(line) for line in (lines[1:] if start else lines)]

    def set_aside(self) -> Path | None:
        """Rename the file, so that a new one begins; gives its new place, or None where there is no file."""
        for number in range(1, 10_000):
            place = self.path.with_suffix(f".{number}.log")
            if place.exists():
                continue
            try:
                os.rename(self.path, place)
                to_disk(self.path.parent)
            except FileNotFoundError:
                return None
            except OSError as error:
                raise StoreFault(f"{self.path} cannot be moved aside: {error.strerror}") from error
            return place
        raise StoreFault(f"too many files beside {self.path}", hint="move the old ones elsewhere")


class _Line(msgspec.Struct):
    note: str


def _note_of(line: bytes) -> str:
    try:
        return msgspec.json.decode(line, type=_Line).note
    except msgspec.MsgspecError:
        return ""
