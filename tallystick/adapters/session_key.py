"""The key that signs browser sessions, in a file of the store folder, readable by its owner alone.

It is made when it is first needed; without the file all sessions end, and that is all. A backup does not hold it.
"""

from __future__ import annotations

import os
from pathlib import Path
from secrets import token_bytes
from typing import Final

from tallystick.model.errors import StoreFault

SESSION_KEY_FILE: Final = "session.key"
_LENGTH: Final = 32


def session_key(folder: Path) -> bytes:
    """32 bytes. Of several processes that make it at once, one wins. Raises StoreFault where it cannot be had."""
    path = folder / SESSION_KEY_FILE
    try:
        if not path.exists():
            fresh = folder / f".{SESSION_KEY_FILE}.{os.getpid()}.{token_bytes(8).hex()}"
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(token_bytes(_LENGTH))
                    file.flush()
                    os.fsync(file.fileno())
                _put(fresh, path)
            finally:
                fresh.unlink(missing_ok=True)
        key = path.read_bytes()
    except OSError as error:
        raise StoreFault(
            f"the key of sessions {path} cannot be read or made: {error.strerror}",
            hint="make the store folder writable for whoever runs the server",
        ) from error
    if len(key) != _LENGTH:
        raise StoreFault(
            f"{path} does not hold a key of sessions",
            hint="remove it: a new one is made, and people sign in again",
        )
    return key


def _put(fresh: Path, path: Path) -> None:
    """Give a whole file its name, unless somebody else was first."""
    try:
        os.link(fresh, path)
    except FileExistsError:
        return
