"""The lines of an evidence file: canonical JSON objects, one a line, read as a stream within bounds.

Whoever sends a file may be hostile: nothing here trusts a length, a nesting or an encoding, and no line is kept longer
than its reader keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Protocol

from tallystick.model.canonical import canonical_json, read_canonical
from tallystick.model.errors import BadInput

FORMAT: Final = "tallystick.evidence/1"
LONGEST_LINE: Final = 16 * 2**20  # bytes, without the newline
_AT_ONCE: Final = 1 << 16

# The order of lines. Openings stand among entries, payloads and sources among records.
RANKS: Final = {
    "header": 0, "text": 1, "price": 2, "entry": 3, "opening": 3, "withheld": 3, "payload": 4, "source": 4, "record": 4,
    "charge": 5, "inclusion": 6, "consistency": 7, "checkpoint": 8, "statement": 9, "trailer": 10,
}  # fmt: skip
FIELDS: Final[dict[str, frozenset[frozenset[str]]]] = {
    kind: frozenset(frozenset(("line", *names.split())) for names in shapes)
    for kind, shapes in {
        "header": ("format origin run runs made by redacted",),
        "text": ("digest text",),
        "price": ("card index size row path",),
        "entry": ("leaf",),
        "opening": ("commitment salt value",),
        "withheld": ("commitment why",),
        "payload": ("digest text",),
        "source": ("digest value",),
        "record": ("log n leaf salt content", "log n leaf withheld", "log n hash replaced_by replaced_in"),
        "charge": ("leaf buckets rates price",),
        "inclusion": ("size hashes",),
        "consistency": ("size hashes note",),
        "checkpoint": ("note",),
        "statement": ("envelope",),
        "trailer": ("lines sha256 note",),
    }.items()
}


class Readable(Protocol):
    """A file opened for reading bytes."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; empty at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its number from 1, its bytes without the newline, and what it holds.

    ``flaw`` says what is wrong with it as a line; ``value`` is then empty where it could not be read at all.
    """

    number: int
    raw: bytes
    value: dict[str, Any]
    flaw: str | None = None

    @property
    def kind(self) -> str:
        """What the line says it is; empty when it says nothing."""
        kind = self.value.get("line")
        return kind if isinstance(kind, str) else ""

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        return f"line {self.number}"


def line_bytes(value: dict[str, Any]) -> bytes:
    """A line as it is written. Raises BadInput for what JSON cannot hold or what is too long."""
    raw = canonical_json(value)
    if len(raw) > LONGEST_LINE:
        raise BadInput(f"a line of an evidence file has at most {LONGEST_LINE} bytes, not {len(raw)}")
    return raw + b"\n"


class LineReader:
    """Reads lines off a stream and keeps the digest of everything before the line that was given last."""

    def __init__(self, source: Readable | Iterable[bytes]) -> None:
        self._chunks = _chunks(source)
        self._sha = sha256()
        self.count = 0  # lines given

    def digest(self) -> str:
        """SHA-256 of all bytes before the line that was given last, as 64 hex digits."""
        return self._sha.hexdigest()

    def __iter__(self) -> Iterator[Line]:
        last: bytes | None = None
        for raw, flaw in self._raw_lines():
            if last is not None:
                self._sha.update(last)
                self._sha.update(b"\n")
            last = raw
            self.count += 1
            yield Line(self.count, raw, {}, flaw) if flaw else read_line(self.count, raw)

    def _raw_lines(self) -> Iterator[tuple[bytes, str | None]]:
        """Lines without their newline. After a flaw nothing more is given: what follows could not be placed."""
        parts: list[bytes] = []
        size = 0
        for chunk in self._chunks:
            start = 0
            while (end := chunk.find(b"\n", start)) >= 0:
                parts.append(chunk[start:end])
                size += end - start
                start = end + 1
                if size > LONGEST_LINE:
                    yield b"", f"it is longer than {LONGEST_LINE} bytes"
                    return
                yield b"".join(parts), None
                parts, size = [], 0
            if start < len(chunk):
                parts.append(chunk[start:])
                size += len(chunk) - start
            if size > LONGEST_LINE:
                yield b"", f"it is longer than {LONGEST_LINE} bytes"
                return
        if size:
            yield b"", "the file ends in the middle of it"


def read_line(number: int, raw: bytes) -> Line:
    """One line. Never raises: what is wrong with it is its ``flaw``."""
    try:
        value = read_canonical(raw)
    except BadInput as error:
        return Line(number, raw, {}, error.message)
    if not isinstance(value, dict):
        return Line(number, raw, {}, "it is not a JSON object")
    kind = value.get("line")
    if not isinstance(kind, str) or kind not in FIELDS:
        return Line(number, raw, value, f"nothing is known of a line {_short(kind)!r}")
    if frozenset(value) not in FIELDS[kind]:
        return Line(number, raw, value, f"it does not have the fields of a {kind} line")
    return Line(number, raw, value)


def _short(error: object) -> str:
    return str(error)[:120]


def _chunks(source: Readable | Iterable[bytes]) -> Iterator[bytes]:
    read = getattr(source, "read", None)
    if read is None:
        yield from source  # type: ignore[misc]
        return
    while chunk := read(_AT_ONCE):
        yield chunk
