"""Audit: whether every stored step is still what the journal attests, and everything said of runs follows from them.

For each step the span is read from the store, hashed with its salt and compared with its record; the record with the
segment's root in the journal; how the step reads with what its span says. For each run repeats, summary, seal and
charges are made again. What the store's own tables hold besides is the store's part (``RecordLog.flaws``). Memory is
bounded by the longest run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from tallystick.app.prove.notary import charged_body, sealed_body
from tallystick.model.attributes import BLOBS
from tallystick.model.blob import named_by
from tallystick.model.canonical import canonical_json
from tallystick.model.commitment import commitment
from tallystick.model.errors import BadInput, StoreFault, UnknownThing
from tallystick.model.journal import Entry
from tallystick.model.query import EVERYTHING
from tallystick.model.span import Source, Span
from tallystick.model.step import Step
from tallystick.observe.normalise import read_span
from tallystick.observe.repeats import repeats
from tallystick.observe.summary import Tally, count_all, order_of, run_of
from tallystick.ports import Clock, ControlStore, Flaw, Kept, Record, Traces
from tallystick.proof.merkle import CompactRange
from tallystick.proof.records import (
    RECORD_VERSION,
    content_bytes,
    reading_of,
    record_hash,
    record_leaf,
    source_digest,
)

_PAGE: Final = 500
_ALL: Final = 2**31
_ENTRIES: Final = 1_000
_GIVEN: Final = frozenset(
    {"run", "same_as", "links", "ties", "cost_nano", "cost_gap"}
)  # not read from the span alone
_COUNTED: Final = frozenset({"steps", "errors", "denials", "model_calls", "tool_calls", "started"})
_FIELDS: Final = tuple(field.name for field in fields(Step) if field.name not in _GIVEN)


@dataclass(frozen=True, slots=True)
class Audited:
    """What was found in one run (``run`` None: in the store as a whole).

    ``records`` were compared with the journal, ``waiting`` are not attested yet; ``uncovered`` steps came before there
    were records.
    """

    run: str | None
    steps: int = 0
    records: int = 0
    waiting: int = 0
    uncovered: int = 0
    flaws: tuple[Flaw, ...] = ()


def audit(traces: Traces, control: ControlStore, clock: Clock) -> Iterator[Audited]:
    """Look at every run, newest first, then at the store as a whole. Changes nothing; a finding is an answer."""
    before: str | None = None
    more = True
    due: set[str] = set()
    while more:
        try:
            if before is None:
                due = {run for run, _ in traces.unsealed(now=clock.now(), limit=_ALL)}
            page = traces.runs(EVERYTHING, now=clock.now(), limit=_PAGE, before=before)
        except StoreFault as error:
            yield Audited(None, flaws=(Flaw(f"the runs cannot be listed: {error.message}"),))
            break
        for run in page.runs:
            yield audit_run(traces, control, run.run, due=run.run in due)
        more = len(page.runs) == _PAGE
        before = page.runs[-1].run if page.runs else before
    yield Audited(None, flaws=(*traces.flaws(), *_strangers(traces, control)))
    yield Audited(None, flaws=tuple(traces.blob_flaws(whole=True, now=clock.now())))


def audit_run(traces: Traces, control: ControlStore, run: str, *, due: bool = False) -> Audited:
    """Look at one run. What cannot be read is a finding too. ``due``: it changed since it was sealed; steps may have
    left it for another run, so its last seal says how it stood then."""
    look = _Run(traces, control, run, due)
    try:
        look.steps()
        look.segments()
        look.sums()
    except (StoreFault, UnknownThing) as error:
        look.found(f"the run cannot be read: {error.message}")
    return Audited(run, len(look.kept), look.records, look.waiting, look.uncovered, tuple(look.flaws))


def _strangers(traces: Traces, control: ControlStore) -> Iterator[Flaw]:
    """Runs whose records the journal holds and the store does not know."""
    known = traces.logs()
    told: set[str] = set()
    for entry in _every(control, "records.accepted", None):
        name = str(entry.body.get("run"))
        if name not in known and name not in told:
            told.add(name)
            yield Flaw(f"the journal (entry {entry.seq}) attests a run that the store does not have", name)


def _every(control: ControlStore, kind: str, run: str | None) -> Iterator[Entry]:
    after = 0
    while True:
        found = control.entries(after=after, limit=_ENTRIES, kind=kind, run=run)
        yield from found
        if len(found) < _ENTRIES:
            return
        after = found[-1].seq


class _Run:
    """One run under audit; ``kept`` holds its steps without their spans."""

    def __init__(self, traces: Traces, control: ControlStore, run: str, due: bool) -> None:
        self._traces = traces
        self._control = control
        self._run = run
        self._due = due
        self._sources: dict[int, tuple[Source, str]] = {}
        self.kept: list[Step] = []
        self.flaws: list[Flaw] = []
        self.records = self.waiting = self.uncovered = 0

    def found(self, text: str, step: str | None = None) -> None:
        """Note a finding."""
        self.flaws.append(Flaw(text, self._run, step))

    # ── steps ───────────────────────────────────────────────────────────────────────────────────────────────────

    def steps(self) -> None:
        """Each step against its record, and against what its span says."""
        named: set[str] = set()
        for one in self._traces.kept(self._run):
            self.kept.append(one.step)
            if BLOBS in one.span.attributes:
                named |= {blob.sha256 for blob in named_by(one.span)}
            if one.record is None:
                self.uncovered += 1
                continue
            try:
                version = self._version(one, one.record)
            except BadInput as error:
                self.found(f"the span cannot be read: {error.message}", one.step.span)
                continue
            if version is None:
                self.found("the step or its span was changed after it was recorded", one.step.span)
            elif version == RECORD_VERSION and one.record.salt is not None:
                self._reading(one.step, one.span)
        if named:
            for digest in sorted(named - {blob.sha256 for blob in self._traces.blobs(self._run)}):
                self.found(f"a step names blob {digest}, and the store would let it go")

    def _version(self, one: Kept, record: Record) -> int | None:
        """The version of record that step and span make the hash of; None when they make it in no version."""
        if record.salt is None and record.commitment is None:
            return None
        held = record.commitment.hex() if record.commitment else None
        if held is None:
            assert record.salt is not None
            held = commitment(content_bytes(one.span, self._source(one.span.source)), record.salt)
        reading = reading_of(one.step)
        for version in range(RECORD_VERSION, 0, -1):
            if record_hash(record_leaf(one.span, reading, held, version)) == record.hash:
                return version
        return None

    def _source(self, source: Source) -> str:
        known = self._sources.get(id(source))
        if known is None or known[0] is not source:
            if len(self._sources) > _PAGE:
                self._sources.clear()
            known = self._sources[id(source)] = (source, source_digest(source))
        return known[1]

    def _reading(self, step: Step, span: Span) -> None:
        again = read_span(span)[0][0]
        for name in _FIELDS:
            if getattr(again, name) != getattr(step, name):
                self.found(f"the step's {name} is not what its span says", step.span)
        if again.cost_nano is not None and (again.cost_nano, again.cost_gap) != (
            step.cost_nano,
            step.cost_gap,
        ):
            self.found("the step's cost is not what its span says", step.span)
        # Before there were ties, a tool server inside the agent's process was linked to its caller by a trace key.
        if any(not link.startswith("trace:") for link in set(again.links) ^ set(step.links)):
            self.found("the step's links are not what its span says", step.span)
        if again.run is not None and again.run != self._run:
            self.found(f"the step was sent for run {again.run[:80]} and stands in another", step.span)

    # ── segments ────────────────────────────────────────────────────────────────────────────────────────────────

    def segments(self) -> None:
        """Each log of the run against the roots that the journal holds."""
        logs: dict[str, list[Record]] = {self._run: []}
        for record in self._traces.records(self._run):
            logs.setdefault(record.log, []).append(record)
        marks = self._traces.logs(logs)
        for name, records in logs.items():
            self._log(name, records, marks.get(name, (0, 0)))

    def _log(self, name: str, records: Sequence[Record], marks: tuple[int, int]) -> None:
        if [one.n for one in records] != list(range(len(records))) or len(records) != marks[0]:
            self.found(f"the log of {name[:80]} counts {marks[0]} records, and {len(records)} are there")
        end = 0
        for entry in _every(self._control, "records.accepted", name):
            first, count, root = _segment(entry)
            if first != end:
                self.found(f"journal entry {entry.seq} attests records from {first}, and {end} was the next")
            end = first + count
            edge = CompactRange()
            for one in records[first:end]:
                edge.append(one.hash)
            if edge.size != count:
                self.found(
                    f"journal entry {entry.seq} attests {count} records from {first}, and {edge.size} are there"
                )
            elif edge.root().hex() != root:
                self.found(
                    f"records {first} to {end - 1} of {name[:80]} are not what journal entry {entry.seq} attests"
                )
        self.records += min(end, len(records))
        self.waiting += max(0, len(records) - end)
        if marks[1] > end:
            self.found(
                f"the store counts {marks[1]} records of {name[:80]} as attested, and the journal holds {end}"
            )

    # ── sums ────────────────────────────────────────────────────────────────────────────────────────────────────

    def sums(self) -> None:
        """Repeats, summary, seal and charges, made again from the steps."""
        same_as = repeats(sorted(self.kept, key=lambda step: order_of(step)[:2]))
        for step in self.kept:
            if same_as.get(step.span) != step.same_as:
                self.found("the step's mark as a repeat of another is not true", step.span)
        account = self._traces.account(self._run)
        stated = account.run
        tally, _ = count_all(self.kept, Tally())
        again = run_of(stated.run, tally, stated.completeness, stated.status, stated.missing)
        if replace(again, seen=stated.seen, archived=stated.archived, erased=stated.erased) != stated:
            self.found("the run's summary does not follow from its steps")
        if sum(one.nano or 0 for one in account.charges) != stated.cost_nano:
            self.found("the charges of the run's steps do not add up to its cost")
        bodies = {"run.sealed": sealed_body(account), "run.charged": charged_body(account, None)}
        last = {
            kind: self._control.entries(kind=kind, subject=self._run, newest=True, limit=1) for kind in bodies
        }
        for kind, entries in last.items():
            for entry in entries:
                self._seal(entry, bodies[kind], last["run.sealed"])

    def _seal(self, entry: Entry, body: Mapping[str, Any], seals: Sequence[Entry]) -> None:
        """Compare the last seal with the run, unless the run went on after it."""
        if not seals or self._due:
            return
        sealed, known = seals[0].body.get("records"), self.records + self.waiting
        if type(sealed) is not int or sealed > known:
            self.found(f"journal entry {seals[0].seq} seals {sealed} records, and {known} are there")
            return
        if sealed < known:
            return
        # While a run is open, time alone may change how it stands; what its steps did stays.
        still_open = seals[0].body.get("completeness") == "open"
        for name, value in body.items():
            told = name in _COUNTED or not still_open
            if name != "card" and told and canonical_json(entry.body.get(name)) != canonical_json(value):
                self.found(f"{entry.kind} (journal entry {entry.seq}) says another {name} than the store")


def _segment(entry: Entry) -> tuple[int, int, str]:
    body = entry.body
    first, count, root = body.get("first"), body.get("count"), body.get("root")
    if type(first) is not int or type(count) is not int or count < 1 or first < 0:
        raise StoreFault(f"journal entry {entry.seq} is no segment of records", seq=entry.seq)
    return first, count, str(root)
