"""One walk through an evidence file: each line goes to the checks that it concerns, and nothing is read twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from tallystick.model.canonical import canonical_json
from tallystick.model.errors import BadInput, TooLarge
from tallystick.model.journal import LONGEST_LEAF
from tallystick.proof.lines import FORMAT, RANKS, Line, LineReader, Readable
from tallystick.proof.merkle import leaf_hash
from tallystick.proof.report import Checklist, Report
from tallystick.proof.verify.budgets import Budgets
from tallystick.proof.verify.charges import Charges
from tallystick.proof.verify.conduct import Conduct
from tallystick.proof.verify.decisions import Decisions, Loops
from tallystick.proof.verify.deeds import Deeds
from tallystick.proof.verify.inclusion import Inclusion, Trust
from tallystick.proof.verify.judge import Judge
from tallystick.proof.verify.openings import Openings
from tallystick.proof.verify.others import Others
from tallystick.proof.verify.records import Records
from tallystick.proof.verify.rulings import Rulings
from tallystick.proof.verify.seals import Seals
from tallystick.proof.verify.seen import Seen, entry_of
from tallystick.proof.verify.sequence import Sequence
from tallystick.proof.verify.signatures import Signatures
from tallystick.proof.verify.versions import Versions

_BEFORE_LEAF: Final = len('{"leaf":')
_AFTER_LEAF: Final = -len(',"line":"entry"}')
_LONGEST_LEAF: Final = 65_535  # bytes
_ONCE: Final = ("header", "inclusion", "checkpoint", "trailer")
# What hostile fields of the wrong shape raise, wherever they are looked at.
_MISSHAPEN: Final = (
    KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError, BadInput,
)  # fmt: skip


class Walk:
    """All checks over one file, fed line by line."""

    def __init__(self, trust: Trust, judge: Judge | None) -> None:
        self.told = Checklist()
        self.seen = Seen()
        self._openings = Openings(self.told, self.seen)
        self._inclusion = Inclusion(self.told, self.seen, trust)
        self._signatures = Signatures(self.told, self.seen, trust)
        self._others = Others(self.told, self.seen)
        self._sequence = Sequence(self.told, self.seen)
        self._conduct = Conduct(self.told, self.seen)
        self._decisions = Decisions(self.told, self.seen, judge)
        self._versions = Versions(self.told, self.seen)
        self._loops = Loops(self.told, self.seen, judge)
        self._budgets = Budgets(self.told, self.seen)
        self._rulings = Rulings(self.told)
        self._deeds = Deeds(self.told, self.seen)
        self._seals = Seals(self.told, self.seen, judge)
        self._records = Records(self.told, self.seen, self._seals, self._deeds, judge)
        self._charges = Charges(self.told, self.seen, self._records, self._seals, judge)
        self._counts: dict[str, int] = {}
        self._rank = 0
        self._pending: Callable[[], None] | None = None  # the entry whose openings are still coming
        self._lines: dict[str, Callable[[Line], None]] = {
            "header": self._header,
            "text": self._openings.text,
            "price": self._charges.price,
            "entry": self._entry,
            "opening": self._openings.opening,
            "withheld": self._openings.withheld,
            "payload": self._records.payload,
            "source": self._records.source,
            "record": self._record,
            "charge": self._charges.charge,
            "inclusion": self._inclusion.inclusion,
            "consistency": self._inclusion.consistency,
            "checkpoint": self._inclusion.head,
            "statement": self._signatures.statement,
        }

    def lines(self, reader: LineReader, *, first: bool = False) -> None:
        """Take a whole file, or with ``first`` as much as it takes to find something.

        Raises BadInput for what is no evidence file, or a newer one, and TooLarge.
        """
        for line in reader:
            if first and self.told.found():
                return
            if line.number == 1:
                _must_be_evidence(line)
            if self._counts.get("trailer"):
                self.told.finding("format", line.place, "it stands behind the trailer")
                return
            if line.flaw is not None:
                self.told.finding("format", line.place, line.flaw)
                if not line.value:
                    continue
            else:
                self.told.holds("format")
            self._line(line, reader)
        if not reader.count:
            raise BadInput("the file is empty")

    def _line(self, line: Line, reader: LineReader) -> None:
        kind = line.kind
        if kind not in RANKS:
            return
        if kind not in ("opening", "withheld"):
            self._settle()
        rank = RANKS[kind]
        if rank < self._rank:
            self.told.finding("format", line.place, f"a {kind} line does not stand in its place")
        self._rank = max(rank, self._rank)
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if kind in _ONCE and self._counts[kind] > 1:
            self.told.finding("format", line.place, f"there is a second {kind} line")
            return
        if kind == "trailer":
            self._guarded("format", line.place, lambda: self._signatures.trailer(line, reader.digest()))
        else:
            self._guarded("format", line.place, lambda: self._lines[kind](line))

    def _header(self, line: Line) -> None:
        value = line.value
        runs = value["runs"]
        if (
            line.number != 1
            or not all(type(value[key]) is str for key in ("origin", "run", "made", "by"))
            or not isinstance(runs, list) or not all(type(one) is str for one in runs) or value["run"] not in runs
            or type(value["redacted"]) is not bool
        ):  # fmt: skip
            raise TypeError("it does not have the fields of a header")
        self.seen.header = value
        self.seen.run, self.seen.runs = value["run"], frozenset(runs)

    def _entry(self, line: Line) -> None:
        leaf = line.value["leaf"]
        # A line that is canonical holds the leaf's bytes as they are.
        hashed = leaf_hash(line.raw[_BEFORE_LEAF:_AFTER_LEAF] if line.flaw is None else canonical_json(leaf))
        entry = entry_of(leaf, hashed.hex())
        self.seen.keep(len(line.raw))
        if entry.previous is None and len(line.raw) + _AFTER_LEAF - _BEFORE_LEAF > _LONGEST_LEAF:
            self.told.finding("format", line.place, f"a journal entry has at most {_LONGEST_LEAF} bytes")
        self._inclusion.leaf(entry.seq, hashed)
        place = f"entry {entry.seq}"
        self._guarded("sequence", place, lambda: self._sequence.entry(entry))
        self._guarded("openings", place, lambda: self._openings.entry(entry))
        self._guarded("signature", place, lambda: self._signatures.entry(entry, leaf, hashed))
        self._guarded("format", place, lambda: self._others.entry(entry))
        if entry.previous is not None:
            self._seals.old()
            self.told.not_checked("conduct", place, "written before version 2: it does not say enough")
            return
        if len(line.raw) - _BEFORE_LEAF + _AFTER_LEAF > LONGEST_LEAF:
            self.told.finding("format", place, f"a leaf has at most {LONGEST_LEAF} bytes")
        self._guarded("conduct", place, lambda: self._conduct.entry(entry))
        self._guarded("conduct", place, lambda: self._rulings.entry(entry))
        self._guarded("conduct", place, lambda: self._deeds.entry(entry))
        self._guarded("records", place, lambda: self._seals.entry(entry))
        self._guarded("versions", place, lambda: self._versions.entry(entry))
        self._guarded("loops", place, lambda: self._loops.entry(entry))
        self._guarded("budgets", place, lambda: self._budgets.entry(entry))
        self._guarded("records", place, lambda: self._records.entry(entry))
        self._guarded("charges", place, lambda: self._charges.entry(entry))
        self._pending = lambda: self._guarded("decisions", place, lambda: self._decisions.entry(entry))

    def _record(self, line: Line) -> None:
        self._records.record(line)
        self._others.took_part(line.value.get("leaf", {}).get("step", {}))

    def _settle(self) -> None:
        """The openings of the entry before are all here."""
        self._openings.settled()
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending()

    def _guarded(self, check: str, place: str, look: Callable[[], None]) -> None:
        """Look at something that strangers wrote: what has not the right shape is a finding."""
        try:
            look()
        except TooLarge:
            raise
        except _MISSHAPEN as error:
            self.told.finding(check, place, f"it is not what such a line or entry holds: {_told(error)}")

    def finish(self) -> Report:
        """What can only be said at the end, and the report."""
        self._settle()
        for kind in _ONCE:
            if not self._counts.get(kind):
                what = "the file ends too early" if kind == "trailer" else f"there is no {kind} line"
                self.told.finding("format", "the end", what)
        for check, look in (
            ("inclusion", self._inclusion.finish),
            ("sequence", self._sequence.finish),
            ("openings", self._openings.finish),
            ("conduct", self._conduct.finish),
            ("conduct", self._rulings.finish),
            ("conduct", self._deeds.finish),
            ("loops", self._loops.finish),
            ("budgets", self._budgets.finish),
            ("records", self._records.finish),
            ("charges", self._charges.finish),
            ("records", self._seals.finish),
            ("format", self._signatures.finish),
            ("format", self._others.finish),
        ):
            self._guarded(check, "the end", look)
        header, head = self.seen.header, self._inclusion.checkpoint
        return self.told.report(
            run=header.get("run"), origin=header.get("origin"), made=header.get("made"),
            size=head.size if head is not None else None, redacted=bool(header.get("redacted")),
        )  # fmt: skip


def _told(error: Exception) -> str:
    text = error.message if isinstance(error, BadInput) else str(error)
    return f"{text[:160]} is missing" if isinstance(error, KeyError) else text[:160]


def _must_be_evidence(line: Line) -> None:
    """The first line says what the file is; without it nothing can be said about the rest."""
    named = line.value.get("format")
    if line.kind != "header" or not isinstance(named, str):
        raise BadInput(
            "this is not an evidence file", hint="evidence is made with: tally evidence RUN", line=line.number
        )
    if named != FORMAT:
        raise BadInput(
            f"this file was made by a newer format ({named[:60]}), and {FORMAT} is known here"
            if named.startswith("tallystick.evidence/")
            else "this is not an evidence file",
            hint="upgrade Tallystick",
        )


def verify(
    source: Readable | Iterable[bytes], trust: Trust | None = None, judge: Judge | None = None, *, first: bool = False
) -> Report:  # fmt: skip
    """Check an evidence file, given as a file opened for bytes or as chunks of them.

    ``trust`` is what the reader brings along; without a key signatures are not checked. Without a ``judge``, decisions,
    loops and readings are not. ``first`` stops at the first line that has a finding.

    Raises BadInput for what is no evidence file or one of a newer format, and TooLarge for one that would take too much
    memory; everything else that can be wrong is a finding.
    """
    walk = Walk(trust or Trust(), judge)
    walk.lines(LineReader(source), first=first)
    return walk.finish()
