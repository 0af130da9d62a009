"""Blobs: large binaries beside the trace store, each once, and which runs name them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from tallystick.model.blob import Blob
from tallystick.ports.records import Flaw


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

    def size(self, sha256: str) -> int | None:
        """How many bytes are kept, or None where none are; cheaper than reading them."""
        ...

    def remove(self, sha256: str) -> None:
        """Take bytes away; nothing happens where there are none. Raises StoreFault."""
        ...

    def found(self) -> Iterable[tuple[str, int]]:
        """Every digest that bytes are kept under, and when they were put last (nanoseconds)."""
        ...

    def strangers(self) -> Iterable[str]:
        """Names of what lies among the bytes and was not put there."""
        ...


class BlobTraces(Protocol):
    """A trace store that knows which of its runs name which blobs (spans with ``tallystick.blobs``)."""

    def blobs(self, run: str) -> Sequence[Blob]:
        """The blobs that a run names, by digest. Raises UnknownThing for a run that is not here."""
        ...

    def blob(self, sha256: str) -> tuple[Blob, bytes]:
        """A blob that some run names. Raises UnknownThing where none does, or where its bytes were not kept."""
        ...

    def settle_blobs(self, digests: Iterable[str]) -> int:
        """The batch is committed for which some bytes were put: those that no run names are removed; how many.

        Of the others it is known from now that they are here. Whoever put the same for a batch that is not committed
        yet puts it again after the commit.
        """
        ...

    def blob_flaws(self, *, whole: bool, now: int) -> Iterator[Flaw]:
        """Bytes that runs name and that are missing or altered, and bytes that no run has named for an hour.

        ``whole`` reads all bytes; else only what is there and how long it is. What a reference claims whose bytes were
        never put here (of an import, or forged) is not missing. Nothing is changed.
        """
        ...

    def sweep_blobs(self, *, now: int) -> int:
        """Remove bytes that no run names any more, and those that none came to name for an hour; how many that was.

        Erasing and deleting runs do it too; after a crash in between, whoever does it next finishes.
        """
        ...
