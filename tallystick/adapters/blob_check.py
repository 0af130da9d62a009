"""Blobs held against what runs name, for every trace store (``ports.BlobTraces.blob_flaws``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Final

from tallystick.model.blob import Blob
from tallystick.model.errors import StoreFault
from tallystick.ports import Blobs, Flaw

HOUR_NS: Final = 3_600_000_000_000
_LONGEST_NAME: Final = 100

Named = Callable[[str], tuple[Blob, str] | None]  # a blob as it is known now, and one run that names it


def blob_flaws(
    known: Mapping[str, int], named: Named, blobs: Blobs | None, *, whole: bool, now: int
) -> Iterator[Flaw]:
    """What is missing, altered or too much. ``known`` are the blobs that should be here, with their length.

    ``named`` is asked again before something is said: what was known may have been erased meanwhile.
    """
    if blobs is None:
        return
    for digest, length in known.items():
        wrong = _wrong(digest, length, blobs, whole=whole)
        found = named(digest) if wrong else None
        if found is not None and found[0].kept:
            yield Flaw(f"blob {digest} {wrong}", found[1])
    for digest, at in blobs.found():
        if digest not in known and at < now - HOUR_NS and named(digest) is None:
            yield Flaw(f"blob {digest} lies in the store, and no run names it")
    for name in blobs.strangers():
        yield Flaw(f"{name[:_LONGEST_NAME]!r} lies among the blobs of the store and is none")


def _wrong(digest: str, length: int, blobs: Blobs, *, whole: bool) -> str | None:
    size = blobs.size(digest)
    if size is None:
        return "is missing"
    if size != length:
        return f"was altered: it has {size:,} bytes, and {length:,} were put"
    if not whole:
        return None
    try:
        raw = blobs.read(digest)
    except StoreFault as fault:
        return fault.message
    if raw is None:
        return "is missing"
    return None if sha256(raw).hexdigest() == digest else "was altered: its bytes have another digest"
