"""Blobs: large binaries beside the trace store, each once, and which runs name them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from tallystick.model.blob import Blob


class Blobs(Protocol):
    """Where the bytes lie, by their SHA-256 in hexadecimal."""

    def put(self, sha256: str, raw: bytes) -> None:
        """Keep bytes; those that are here already are marked as fresh. They are durable when this returns.

        Raises StoreFull and StoreFault.
        """
        ...

    def read(self, sha256: str) -> bytes | None:
        """The bytes, or None where they are not."""
        ...

    def remove(self, sha256: str) -> None:
        """Take bytes away; nothing happens where there are none. Raises StoreFault."""
        ...

    def found(self) -> Iterable[tuple[str, int]]:
        """Every digest that bytes are kept under, and when they were put last (nanoseconds)."""
        ...


class BlobTraces(Protocol):
    """A trace store that knows which of its runs name which blobs (spans with ``tallystick.blobs``)."""

    def blobs(self, run: str) -> Sequence[Blob]:
        """The blobs that a run names, by digest. Raises UnknownThing for a run that is not here."""
        ...

    def blob(self, sha256: str) -> tuple[Blob, bytes]:
        """A blob that some run names. Raises UnknownThing where none does, or where its bytes were not kept."""
        ...

    def drop_unnamed(self, digests: Iterable[str]) -> int:
        """Remove those of some bytes that no run names, now; how many that was.

        Whoever put one of them for a batch that is not committed yet puts it again after the commit.
        """
        ...

    def sweep_blobs(self, *, now: int) -> int:
        """Remove bytes that no run names any more, and those that none came to name for an hour; how many that was.

        Erasing and deleting runs do it too; after a crash in between, whoever does it next finishes.
        """
        ...
