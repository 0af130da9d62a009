"""Writing evidence: what was gathered about a run becomes the lines of one file (proof-format.md, section 6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeAlias

from tallystick.model.canonical import canonical_json
from tallystick.model.commitment import Opening
from tallystick.model.journal import Entry, commitments_of, leaf_bytes
from tallystick.proof.dsse import sign_envelope
from tallystick.proof.keys import Sign, VerifierKey
from tallystick.proof.lines import line_bytes
from tallystick.proof.merkle import leaf_hash
from tallystick.proof.notes import format_note, sign_note
from tallystick.proof.pieces import Payload, cut
from tallystick.proof.statements import statement
from tallystick.proof.verify.signatures import trailer_text

REDACTED = "redacted"


@dataclass(frozen=True, slots=True)
class OpenedRecord:
    """A record with its content: the leaf's bytes, the salt, the content as JSON and its canonical bytes."""

    log: str
    n: int
    leaf: bytes
    salt: bytes
    value: Mapping[str, Any]
    content: bytes
    source: Any  # what the content's source digest stands for, as JSON


@dataclass(frozen=True, slots=True)
class WithheldRecord:
    """A record without its content, and why."""

    log: str
    n: int
    leaf: bytes
    why: str


@dataclass(frozen=True, slots=True)
class ReplacedRecord:
    """A record of which only the leaf hash is known, because record ``by`` took its place, in log ``other`` if that is
    set. ``by`` None: its step belongs to another run now."""

    log: str
    n: int
    hash: bytes
    by: int | None
    other: str | None = None


RecordLine: TypeAlias = OpenedRecord | WithheldRecord | ReplacedRecord


@dataclass(frozen=True, slots=True)
class Price:
    """A row of the rate card, with its audit path to the card's root (hex)."""

    card: str
    index: int
    size: int
    row: Mapping[str, Any]
    path: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class ChargeLine:
    """One charge; ``buckets``, ``rates`` and ``price`` (the row's index) are None where the sender named the cost."""

    leaf: bytes
    buckets: Mapping[str, int] | None = None
    rates: Mapping[str, int | None] | None = None
    price: int | None = None


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier checkpoint, with the proof that it is a prefix."""

    size: int
    note: str
    hashes: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Everything that goes into one file, in the order of its lines.

    ``openings`` are those of each entry by ``seq``; ``size`` and ``inclusion`` prove all entries against
    ``checkpoint``, a signed note.
    """

    header: Mapping[str, Any]
    texts: Mapping[str, str]
    entries: Sequence[Entry]
    openings: Mapping[int, Sequence[Opening]]
    records: Iterable[RecordLine]
    size: int
    inclusion: Sequence[bytes]
    checkpoint: str
    prices: Sequence[Price] = ()
    charges: Sequence[ChargeLine] = ()
    earlier: Sequence[Earlier] = field(default=())


def write(gathered: Gathered, key: VerifierKey, sign: Sign) -> Iterator[bytes]:
    """The file, line by line, signed by the log's key. Raises BadInput for what cannot stand in a line."""
    digest, count = sha256(), 0
    for line in _lines(gathered, key, sign):
        digest.update(line)
        count += 1
        yield line
    note = format_note(sign_note(trailer_text(digest.hexdigest(), count), key, sign))
    yield line_bytes({"line": "trailer", "lines": count, "sha256": digest.hexdigest(), "note": note})


def _lines(gathered: Gathered, key: VerifierKey, sign: Sign) -> Iterator[bytes]:
    redacted = bool(gathered.header["redacted"])
    yield line_bytes({"line": "header", **gathered.header})
    for named in sorted(gathered.texts):
        yield line_bytes({"line": "text", "digest": named, "text": gathered.texts[named]})
    for price in sorted(gathered.prices, key=lambda one: one.index):
        yield line_bytes(
            {
                "line": "price", "card": price.card, "index": price.index, "size": price.size, "row": dict(price.row),
                "path": [one.hex() for one in price.path],
            }
        )  # fmt: skip
    statements: list[dict[str, Any]] = []
    given: set[str] = set()
    for entry in gathered.entries:
        leaf = leaf_bytes(entry)
        yield b'{"leaf":%b,"line":"entry"}\n' % leaf
        yield from _opened(entry, gathered.openings.get(entry.seq, ()), given, redacted)
        about = statement(_leaf(entry), leaf_hash(leaf)) if entry.previous is None else None
        if about is not None:
            statements.append(about)
    yield from _records(gathered.records, redacted)
    for charge in gathered.charges:
        yield b'{"buckets":%b,"leaf":%b,"line":"charge","price":%b,"rates":%b}\n' % (
            canonical_json(charge.buckets), charge.leaf, canonical_json(charge.price), canonical_json(charge.rates),
        )  # fmt: skip
    hashes = [one.hex() for one in gathered.inclusion]
    yield line_bytes({"line": "inclusion", "size": gathered.size, "hashes": hashes})
    for one in sorted(gathered.earlier, key=lambda known: known.size):
        proof = [each.hex() for each in one.hashes]
        yield line_bytes({"line": "consistency", "size": one.size, "hashes": proof, "note": one.note})
    yield line_bytes({"line": "checkpoint", "note": gathered.checkpoint})
    for about in statements:
        yield line_bytes({"line": "statement", "envelope": sign_envelope(canonical_json(about), key, sign)})


def _leaf(entry: Entry) -> dict[str, Any]:
    return {"kind": entry.kind, "id": entry.id, "body": entry.body}


def _opened(entry: Entry, openings: Sequence[Opening], given: set[str], redacted: bool) -> Iterator[bytes]:
    """The openings of one entry that were not given before, in the order in which its body needs them."""
    known = {one.commitment: one for one in openings}
    for named in commitments_of(entry.body):
        if named in given:
            continue
        given.add(named)
        one = known.get(named)
        if redacted or one is None or one.salt is None or one.content is None:
            why = REDACTED if redacted else ((one.why if one is not None else None) or "not kept")
            yield line_bytes({"line": "withheld", "commitment": named, "why": why})
        else:
            yield b'{"commitment":"%b","line":"opening","salt":"%b","value":%b}\n' % (
                named.encode(), one.salt.hex().encode(), one.content,
            )  # fmt: skip


def _records(records: Iterable[RecordLine], redacted: bool) -> Iterator[bytes]:
    written: set[str] = set()  # payloads and sources that stand in the file
    for one in records:
        if isinstance(one, ReplacedRecord):
            yield line_bytes(
                {
                    "line": "record",
                    "log": one.log,
                    "n": one.n,
                    "hash": one.hash.hex(),
                    "replaced_by": one.by,
                    "replaced_in": one.other,
                }
            )
        elif isinstance(one, WithheldRecord) or redacted:
            why = one.why if isinstance(one, WithheldRecord) else REDACTED
            yield b'{"leaf":%b,"line":"record","log":%b,"n":%d,"withheld":%b}\n' % (
                one.leaf, canonical_json(one.log), one.n, canonical_json(why),
            )  # fmt: skip
        else:
            yield from _opened_record(one, written)


def _opened_record(one: OpenedRecord, written: set[str]) -> Iterator[bytes]:
    source = one.value["source"]
    if source not in written:
        written.add(source)
        yield line_bytes({"line": "source", "digest": source, "value": one.source})
    pieces: list[Any] = []
    for piece in cut(one.content, one.value):
        if isinstance(piece, Payload):
            if piece.digest not in written:
                written.add(piece.digest)
                yield line_bytes({"line": "payload", "digest": piece.digest, "text": piece.text})
            pieces.append({"payload": piece.digest})
        else:
            pieces.append(piece)
    yield b'{"content":%b,"leaf":%b,"line":"record","log":%b,"n":%d,"salt":"%b"}\n' % (
        canonical_json(pieces), one.leaf, canonical_json(one.log), one.n, one.salt.hex().encode(),
    )  # fmt: skip
