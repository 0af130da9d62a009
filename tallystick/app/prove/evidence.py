"""Evidence: everything about one run that an offline verifier needs, gathered from the stores.

The run is attested and sealed first, and a checkpoint over all of it is signed, so that the file proves the run as it
stands now. What is gathered is held against the journal once more: evidence of a store that was changed is not made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from tallystick.app.prove.checkpoints import Signed, read
from tallystick.app.prove.verification import RowPrices
from tallystick.app.reading.shapes import time_text
from tallystick.cost.rates import RateCard
from tallystick.model.canonical import canonical_json, digest_bytes, read_canonical
from tallystick.model.commitment import commitment
from tallystick.model.errors import BadInput, StoreFault
from tallystick.model.journal import Entry
from tallystick.model.money import round_pico
from tallystick.model.span import Source
from tallystick.model.step import Step
from tallystick.observe.normalise import read_span
from tallystick.ports import Clock, ControlStore, Kept, Record, Signer, Traces
from tallystick.proof.evidence import (
    ChargeLine,
    Earlier,
    Gathered,
    OpenedRecord,
    Price,
    RecordLine,
    ReplacedRecord,
    WithheldRecord,
    write,
)
from tallystick.proof.keys import VerifierKey
from tallystick.proof.lines import FORMAT
from tallystick.proof.merkle import Node, leaf_hash, prove_consistency, prove_inclusion, prove_many, root_of
from tallystick.proof.records import (
    charge_leaf,
    content_of,
    reading_of,
    record_hash,
    record_leaf,
    source_bytes,
)
from tallystick.proof.verify.charges import pico

MOST_EARLIER: Final = 16  # earlier checkpoints in a file: the newest, and then ever sparser ones
_NEWEST: Final = 8
_PAGE: Final = 1_000
_EVERY_RUN: Final = "run:*"


class Sealer(Protocol):
    """What brings a run's records into the journal (``app.prove.notary.Notary``)."""

    def seal(self, run: str) -> object:
        """Attest all records and seal the run, also one that is open or crashed. Doing it again adds nothing."""
        ...


@dataclass(frozen=True, slots=True)
class EvidenceDesk:
    """What evidence is gathered from. ``keep`` makes a checkpoint of the journal as it stands (see keeping.py)."""

    traces: Traces
    control: ControlStore
    notary: Sealer
    keep: Callable[[], Signed]
    signer: Callable[[], Signer]
    rates: RateCard
    clock: Clock
    by: str  # who makes it: program and version

    def evidence(self, run: str, *, redact: bool = False, since: Sequence[str] = ()) -> Iterator[bytes]:
        """The evidence file of a run (a prefix of its id will do), line by line.

        ``since`` are earlier checkpoints (notes) that the file shall prove to be prefixes. Raises UnknownThing,
        BadInput for a checkpoint of another journal, and StoreFault where the store is not what the journal attests.
        """
        gathered = self.gather(self.traces.resolve(run), redact=redact, since=since)
        signer = self.signer()
        return write(gathered, VerifierKey.parse(signer.verifier_key), signer.sign)

    def gather(self, run: str, *, redact: bool = False, since: Sequence[str] = ()) -> Gathered:
        """Everything that goes into the file, gathered and held against the journal."""
        self.notary.seal(run)
        signed = self.keep()
        size = signed.checkpoint.size
        records = self.traces.records(run)
        runs = sorted({run, *(one.log for one in records)})
        kept = list(self.traces.kept(run))
        entries = self._entries(runs, size, [one.step for one in kept])
        prices, charges = self._charges(run, kept, entries)
        return Gathered(
            header={
                "format": FORMAT, "origin": signed.checkpoint.origin, "run": run, "runs": runs,
                "made": time_text(self.clock.now()), "by": self.by, "redacted": redact,
            },
            texts=self._texts(entries),
            entries=entries,
            openings=self.control.openings([one.seq for one in entries]),
            records=_record_lines(records, kept),
            size=size,
            inclusion=prove_many([one.seq - 1 for one in entries], size, self.control.nodes),
            checkpoint=signed.note,
            prices=prices,
            charges=charges,
            earlier=self._earlier(size, signed, since),
        )  # fmt: skip

    # ── entries ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _entries(self, runs: Sequence[str], size: int, steps: Sequence[Step]) -> list[Entry]:
        """The entries of the run, and those of nobody's run that they depend on, in order."""
        found = {one.seq: one for run in runs for one in self._all(run=run)}
        for one in self._depended_on(list(found.values()), _named(steps)):
            if one.run is None or one.run in runs:
                found[one.seq] = one
        return [found[seq] for seq in sorted(found) if seq <= size]

    def _depended_on(self, entries: Sequence[Entry], named: set[str]) -> Iterator[Entry]:
        firsts: dict[str, int] = {}
        for one in entries:
            if one.kind == "decision.made" and one.previous is None:
                firsts.setdefault(str(one.body["policy_digest"]), one.seq)
                named |= {f"{key}:{one.body[key]}" for key in ("agent", "tool")}
        for policies, first in firsts.items():
            yield from self._last_before(first, kind="policy.loaded", subject=policies)
        for subject in sorted(named):
            for kind in ("object.declared", "object.retired"):
                yield from self._all(kind=kind, subject=subject)
        holds = [one.body for one in entries if one.kind == "hold.taken"]
        scopes = {str(scope) for body in holds for scope in body["scopes"]}
        if scopes:
            yield from (
                one for one in self._all(kind="budget.set") if one.body["scope"] in {*scopes, _EVERY_RUN}
            )
        settled = {one.subject for one in entries if one.kind == "hold.settled"}
        for body in holds:
            if body["hold"] in settled:
                continue
            yield from (one for one in self._all(subject=body["hold"]) if one.kind == "hold.settled")
        if any(one.kind == "run.charged" for one in entries):
            cards = {one.body["card"] for one in entries if one.kind == "run.charged"}
            yield from (one for one in self._all(kind="rates.loaded") if one.body["card"] in cards)
        for kind in ("key.created", "key.retired", "journal.reopened"):
            yield from self._all(kind=kind)

    def _last_before(self, seq: int, *, kind: str, subject: str) -> Iterator[Entry]:
        """The last entry of a kind about a subject before another one."""
        last: Entry | None = None
        for one in self._all(kind=kind, subject=subject):
            if one.seq > seq:
                break
            last = one
        if last is not None:
            yield last

    def _all(
        self, *, kind: str | None = None, run: str | None = None, subject: str | None = None
    ) -> Iterator[Entry]:
        after = 0
        while page := self.control.entries(after=after, limit=_PAGE, kind=kind, run=run, subject=subject):
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].seq

    def _texts(self, entries: Iterable[Entry]) -> dict[str, str]:
        named: set[str] = set()
        for entry in entries:
            if entry.previous is not None:
                continue
            if entry.kind == "policy.loaded":
                named.update(file["text"] for file in entry.body["files"])
                named.add(entry.body["tools"])
            elif entry.kind == "decision.made":
                named.add(entry.body["declaration"])
        return {one: self.control.text(one) for one in named if one is not None}

    # ── charges ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _charges(
        self, run: str, kept: Sequence[Kept], entries: Sequence[Entry]
    ) -> tuple[list[Price], list[ChargeLine]]:
        """The charges of the run, and the rows of the rate card that they were made by."""
        card = next((one.body["card"] for one in reversed(entries) if one.kind == "run.charged"), None)
        rows = self.rates.rows()
        leaves = [leaf_hash(canonical_json(row)) for row in rows]
        ours = root_of(leaves).hex() == card
        places = {(row["provider"], row["model"]): at for at, row in enumerate(rows) if "model" in row}
        steps = {(one.step.trace, one.step.span): one for one in kept}
        prices, used = RowPrices(), set[int]()
        lines: list[ChargeLine] = []
        for charge in self.traces.account(run).charges:
            leaf = charge_leaf(charge.trace, charge.span, charge.nano, charge.gap)
            stored = steps.get((charge.trace, charge.span))
            found = None
            if ours and stored is not None and charge.nano is not None and not _named_by_sender(stored):
                step = stored.step
                priced_by = self.rates.find(step.provider, step.model)
                if priced_by is not None:
                    at = places[priced_by.provider, priced_by.model]
                    found = prices.priced(reading_of(step), step.started, rows[at])
                    if found is not None and round_pico(pico(*found)) != charge.nano:
                        found = None  # it was priced by an earlier card
            if found is None:
                lines.append(ChargeLine(leaf))
            else:
                used.add(at)
                lines.append(ChargeLine(leaf, found[1], found[0], at))
        nodes = _nodes_of(leaves)
        return [
            Price(str(card), at, len(rows), rows[at], prove_inclusion(at, len(rows), nodes))
            for at in sorted(used)
        ], lines

    # ── earlier checkpoints ─────────────────────────────────────────────────────────────────────────────────────

    def _earlier(self, size: int, signed: Signed, since: Sequence[str]) -> list[Earlier]:
        """Kept checkpoints before this one, ever sparser the older they are, and those that were asked for."""
        origin = signed.checkpoint.origin  # a key of another name signed for another log
        known = {
            one: note for one, note in self.control.checkpoints(limit=10_000) if read(note).origin == origin
        }
        notes = {one: known[one] for one in _sparse(sorted(one for one in known if 0 < one < size))}
        for text in since:
            asked = read(text)
            if asked.origin != origin:
                raise BadInput(f"the checkpoint given is of another journal, {asked.origin}")
            if asked.size > size:
                raise BadInput(
                    f"the checkpoint given has {asked.size} entries, and this journal has {size}",
                    hint="tally journal verify --checkpoint FILE",
                )
            if 0 < asked.size < size:
                notes[asked.size] = text
        return [
            Earlier(one, notes[one], prove_consistency(one, size, self.control.nodes))
            for one in sorted(notes)
        ]


def _named(steps: Iterable[Step]) -> set[str]:
    """Subjects under which the registry declares what took part in a run."""
    agents = {f"agent:{step.agent}" for step in steps if step.agent is not None}
    tools = {f"tool:{step.tool}" for step in steps if step.tool is not None}
    return agents | tools


def _sparse(sizes: Sequence[int]) -> list[int]:
    """The newest sizes, and of the others ever fewer the older they are."""
    chosen = list(sizes[-_NEWEST:])
    distance = _NEWEST * 2
    while len(chosen) < MOST_EARLIER and distance <= len(sizes):
        chosen.append(sizes[-distance])
        distance *= 2
    if sizes:
        chosen.append(sizes[0])
    return sorted(set(chosen))


class _Sources:
    """Digest and JSON of each source; spans of one sender share the object."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Source, str, Any]] = {}

    def of(self, source: Source) -> tuple[str, Any]:
        """The digest of a source, and the source as JSON."""
        known = self._known.get(id(source))
        if known is None:
            raw = source_bytes(source)
            known = self._known[id(source)] = (source, digest_bytes(raw), read_canonical(raw))
        return known[1:]


def _record_lines(records: Sequence[Record], kept: Sequence[Kept]) -> Iterator[RecordLine]:
    """Every record of the run as a line. Raises StoreFault for a step that is not what its record says."""
    live = {(one.record.log, one.record.n): one for one in kept if one.record is not None}
    sources = _Sources()
    for record in sorted(records, key=lambda one: (one.log, one.n)):
        stored = live.get((record.log, record.n))
        if stored is None:
            yield ReplacedRecord(record.log, record.n, record.hash, record.replaced_by, record.replaced_in)
        else:
            yield _record_line(record, stored, sources)


def _record_line(record: Record, stored: Kept, sources: _Sources) -> RecordLine:
    span = stored.span
    source, source_json = sources.of(span.source)
    value = content_of(span, source)
    content = canonical_json(value)
    if record.salt is not None:
        named = commitment(content, record.salt)
    else:
        named = (record.commitment or b"").hex()
    leaf = record_leaf(span, reading_of(stored.step), named)
    if record_hash(leaf) != record.hash:
        raise StoreFault(
            f"step {span.span} is not what was recorded of it: no evidence is made of a changed store",
            hint="tally journal verify", step=span.span,
        )  # fmt: skip
    if record.salt is None:
        return WithheldRecord(record.log, record.n, leaf, "erased")
    return OpenedRecord(record.log, record.n, leaf, record.salt, value, content, source_json)


def _named_by_sender(stored: Kept) -> bool:
    """Whether the span says what it cost, so that no rate card was asked."""
    return read_span(stored.span)[0][0].cost_nano is not None


def _nodes_of(leaves: Sequence[bytes]) -> Callable[[Sequence[Node]], list[bytes]]:
    """The complete subtrees of a small tree that is all in memory."""
    return lambda wanted: [root_of(leaves[at << level : (at + 1) << level]) for level, at in wanted]
