"""One driver a server: how to start it, where to post, when a span can be queried, how to open a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.load import Load


@dataclass(frozen=True)
class Opened:
    """A run opened over HTTP: how many of its spans came, in how many bytes."""

    spans: int
    size: int


class Peer(Protocol):
    """What the bench needs of a server. Ports are on 127.0.0.1."""

    name: str
    page: str  # path of the first page
    ingest: str
    headers: dict[str, str]

    def version(self) -> str:
        """The installed version."""
        ...

    def environment(self) -> Path:
        """The virtual environment it is installed in."""
        ...

    def command(self, port: int, folder: Path) -> list[str]:
        """The command that starts it."""
        ...

    def variables(self, port: int, folder: Path) -> dict[str, str]:
        """Environment variables it needs."""
        ...

    def queryable(self, port: int, load: Load, before: int) -> bool:
        """Whether every span of the load can be read now; ``before`` spans were there already."""
        ...

    def stored(self, port: int, folder: Path) -> int:
        """Spans that it holds, to check that nothing was lost."""
        ...

    def open_run(self, port: int, trace: str) -> Opened:
        """Fetch a run the way its own page does."""
        ...
