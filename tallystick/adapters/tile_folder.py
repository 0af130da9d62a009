"""A folder with a copy of the journal as tlog-tiles."""

from __future__ import annotations

import os
from pathlib import Path

from tallystick.model.errors import StoreFault


class TileFolder:
    """See ``app.prove.mirror.Folder``. Nothing is written outside the folder, whatever links stand in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, path: str) -> bytes | None:
        """What stands at a path, or None. Raises StoreFault."""
        try:
            return (self.path / path).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreFault(f"{self.path / path} cannot be read: {error.strerror}") from error

    def write(self, path: str, content: bytes) -> None:
        """Put a whole file there, durably. Raises StoreFault."""
        file = self.path / path
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.parent.resolve().is_relative_to(self.path.resolve()):
                raise StoreFault(f"{file} leads out of {self.path} by a link", path=str(file))
            fresh = file.with_name(f"{file.name}.new")
            fresh.unlink(missing_ok=True)  # a link of that name must not be written through
            with fresh.open("xb") as opened:
                opened.write(content)
                opened.flush()
                os.fsync(opened.fileno())
            os.replace(fresh, file)
        except OSError as error:
            raise StoreFault(f"{file} cannot be written: {error.strerror}", path=str(file)) from error
