"""A small JSON document that processes share: replaced as a whole, so that nobody ever reads half of it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from tallystick.model.errors import StoreFault


class StateFile:
    """One JSON object in a file.

    ``durable``: on the disk before ``change`` returns. ``private``: nobody but the owner of the file can read it.
    """

    def __init__(self, path: Path, *, durable: bool = False, private: bool = False) -> None:
        self.path = path
        self._mode = 0o600 if private else 0o666
        self._durable = durable

    def read(self) -> dict[str, Any]:
        """The object; empty where there is none. Raises StoreFault for a file that cannot be read."""
        try:
            content = self.path.read_bytes()
            found = msgspec.json.decode(content, type=dict[str, Any]) if content else {}
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError, RecursionError) as error:
            raise StoreFault(
                f"{self.path} cannot be read: {error}", hint="put a backup in its place", path=str(self.path)
            ) from error
        return found

    def change(self, function: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Read, let ``function`` change the object, write it if it did: one at a time. Raises StoreFault."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            folder = os.open(self.path.parent, os.O_RDONLY)
        except OSError as error:
            raise StoreFault(f"{self.path.parent} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            found = self.read()
            before = msgspec.json.encode(found)
            function(found)
            if msgspec.json.encode(found) == before:
                return found
            fresh = self.path.with_name(f"{self.path.name}.new")
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, self._mode), "wb") as file:
                if self._mode == 0o600:  # also where a process that died left a part of it
                    os.fchmod(file.fileno(), self._mode)
                file.write(msgspec.json.encode(found))
                if self._durable:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(fresh, self.path)
            if self._durable:
                os.fsync(folder)
        except OSError as error:
            raise StoreFault(f"{self.path} cannot be written: {error.strerror}") from error
        finally:
            os.close(folder)
        return found
