"""Names of runs and spans, and what every trace store answers to a name that it does not have."""

from __future__ import annotations

from tallystick.model.errors import UnknownThing


def unknown_run(run: str, *, several: bool = False) -> UnknownThing:
    """The error for a run id, or a prefix of one, that nothing or several have."""
    if several:
        return UnknownThing(
            f"several runs start with {run[:80]!r}", hint="give more digits of the id", run=run[:80]
        )
    return UnknownThing(f"no run {run[:80]!r}", hint="list what is there with: tally runs ls", run=run[:80])


def is_span_id(span: str) -> bool:
    """Whether text is eight bytes in hex."""
    try:
        return len(bytes.fromhex(span)) == 8
    except ValueError:  # not an id at all: nothing has it
        return False


def trace_range(prefix: str) -> tuple[bytes, bytes]:
    """The smallest and largest trace id that start with a prefix of hex digits (an empty range for other text)."""
    text = prefix.lower()
    if not text or len(text) > 32 or any(letter not in "0123456789abcdef" for letter in text):
        return b"\xff", b""
    return bytes.fromhex(text.ljust(32, "0")), bytes.fromhex(text.ljust(32, "f"))


def unknown_blob(sha256: str, *, kept: bool = True) -> UnknownThing:
    """The error for a blob that no run names, or of which only the digest was kept."""
    if not kept:
        return UnknownThing(
            "only the digest of this blob was kept: it is larger than blob_limit_mb",
            hint="raise blob_limit_mb",
        )
    return UnknownThing(f"no blob {sha256[:80]!r}", hint="a step that had one names it in tallystick.blob")
