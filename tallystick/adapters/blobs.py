"""Blobs in a folder: ``ab/REST`` for the digest ``abREST`` (``ports.Blobs``).

A file is whole or not there: it is written beside, made durable and renamed. It is not overwritten before it goes: on a
solid-state disk and on a file system that copies, zeros land in another place, and a backup may be a link to the file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tallystick.adapters.durable import to_disk
from tallystick.model.blob import is_digest
from tallystick.model.errors import StoreFault, StoreFull

_UNFINISHED: Final = ".new-"
_FOLDER: Final = re.compile("[0-9a-f]{2}")
_HOUR_S: Final = 3_600
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class BlobFolder:
    """One folder; nothing is made before the first blob. Threads and processes may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, sha256: str, raw: bytes) -> None:
        """Write bytes and make them durable; see ``ports.Blobs``."""
        path = self.place(sha256)
        try:
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_size == len(raw):
                    os.utime(path)
                    return
            self._write(path, raw)
        except OSError as error:
            kind = StoreFull if error.errno in _FULL else StoreFault
            raise kind(
                f"{path} cannot be written: {error.strerror}", hint="see to room and permissions"
            ) from error

    def _write(self, path: Path, raw: bytes) -> None:
        folder = path.parent
        made = not folder.exists()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.chmod(0o700)
        draft = folder / f"{_UNFINISHED}{secrets.token_hex(8)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        for one in (folder, self._path, self._path.parent) if made else (folder,):
            to_disk(one)

    def read(self, sha256: str) -> bytes | None:
        """The bytes, or None; see ``ports.Blobs``."""
        try:
            return self.place(sha256).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreFault(f"a blob cannot be read: {error.strerror}", hint="check permissions") from error

    def size(self, sha256: str) -> int | None:
        """How many bytes, or None; see ``ports.Blobs``."""
        try:
            return self.place(sha256).stat().st_size
        except OSError:
            return None

    def remove(self, sha256: str) -> None:
        """Unlink; see ``ports.Blobs``."""
        path = self.place(sha256)
        try:
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                to_disk(path.parent)
        except OSError as error:
            raise StoreFault(
                f"{path} cannot be removed: {error.strerror}", hint="check permissions, then run it again"
            ) from error

    def found(self) -> Iterable[tuple[str, int]]:
        """What is here; what a process left unfinished an hour ago is taken away. See ``ports.Blobs``."""
        for path in sorted(self._path.glob("[0-9a-f][0-9a-f]/*")):
            with contextlib.suppress(FileNotFoundError):  # somebody else took it away
                at = path.stat().st_mtime_ns
                sha256 = path.parent.name + path.name
                if is_digest(sha256):
                    yield sha256, at
                elif path.name.startswith(_UNFINISHED) and at < (time.time() - _HOUR_S) * 1e9:
                    path.unlink()

    def strangers(self) -> Iterable[str]:
        """Files and folders that are no blobs; see ``ports.Blobs``."""
        for path in sorted(self._path.glob("*")):
            inner = sorted(path.glob("*")) if path.is_dir() and _FOLDER.fullmatch(path.name) else [path]
            for one in inner:
                named = is_digest(one.parent.name + one.name) and one.is_file()
                if not named and not one.name.startswith(_UNFINISHED):
                    yield str(one.relative_to(self._path))

    def place(self, sha256: str) -> Path:
        """Where a blob lies. Raises StoreFault for what is no digest: it never reaches a path."""
        if not is_digest(sha256):
            raise StoreFault("a blob was asked for by something that is no digest")
        return self._path / sha256[:2] / sha256[2:]
