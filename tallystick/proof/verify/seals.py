"""Seals: what the journal says of the whole run follows from its records, and no cost of them is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tallystick.model.journal import Entry
from tallystick.proof.report import Checklist
from tallystick.proof.verify.judge import Judge
from tallystick.proof.verify.seen import Seen, time_of

_COUNTED: Final = ("errors", "denials", "model_calls", "tool_calls")


@dataclass(slots=True)
class _Sums:
    """Spans that count for each figure of the seal."""

    steps: int = 0
    spans: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in _COUNTED})
    first: int = 0
    last: int = 0
    roots: int = 0
    stopped_by: Any = None


class Seals:
    """Counts the records that stand, and holds the last seal and the charges against them."""

    def __init__(self, told: Checklist, seen: Seen, judge: Judge | None) -> None:
        self._told = told
        self._seen = seen
        self._judge = judge
        self._sums = _Sums()
        self._sealed: tuple[int, Mapping[str, Any]] | None = None
        self._old = False
        self._costed: dict[tuple[str, str], None] = {}
        self._charged: set[tuple[str, str]] = set()

    def entry(self, entry: Entry) -> None:
        """Look at one entry."""
        if entry.kind == "run.sealed" and entry.body["run"] == self._seen.run:
            self._sealed = entry.seq, entry.body

    def old(self) -> None:
        """The run has entries of before version 2: some of its steps may have come before there were records."""
        self._old = True

    def record(self, leaf: Mapping[str, Any]) -> None:
        """Count one record that stands."""
        sums, step, span = self._sums, leaf["step"], leaf["span"]
        sums.steps += 1
        kind = step.get("kind")
        for name, counts in (
            ("errors", step.get("status") == "error"), ("denials", step.get("decision") == "deny"),
            ("model_calls", kind == "model"), ("tool_calls", kind == "tool"),
        ):  # fmt: skip
            if counts:
                sums.spans[name].append(span)
        first = time_of(leaf["started"])
        if first and (not sums.first or first < sums.first):
            sums.first = first
        sums.last = max(sums.last, first if leaf["ended"] is None else time_of(leaf["ended"]))
        facts = step.get("facts") or {}
        if facts.get("root") or facts.get("status") is not None or facts.get("steps") is not None:
            sums.roots += 1
            sums.stopped_by = facts.get("stopped_by")
        if step.get("cost_nano") is not None or step.get("cost_gap") is not None:
            self._costed[leaf["trace"], span] = None

    def charge(self, leaf: Mapping[str, Any]) -> None:
        """A step that is charged."""
        self._charged.add((leaf["trace"], leaf["span"]))

    def finish(self) -> None:
        """Hold seal and charges against the records."""
        repeated = self._judge.repeated(self._sums.steps) if self._judge is not None else None
        self._uncharged(repeated)
        if self._sealed is None or not self._sums.steps:
            return
        seq, body = self._sealed
        place = f"entry {seq}"
        if body["steps"] != self._sums.steps:
            text = f"the run was sealed with {body['steps']} steps, and {self._sums.steps} are here"
            (self._told.not_checked if self._old else self._told.finding)("records", place, text)
            return
        for name, spans in self._sums.spans.items():
            self._figure(place, name, body[name], spans, repeated)
        # A record that took another's place may have begun later or ended earlier than that one.
        late = self._sums.first and time_of(body["started"]) > self._sums.first
        early = body["ended"] is not None and time_of(body["ended"]) < self._sums.last
        if late or early:
            self._told.finding(
                "records", place, "the run was sealed with a shorter time than its records have"
            )
        if self._sums.roots == 1 and body["stopped_by"] != self._sums.stopped_by:
            self._told.finding("records", place, "the run was sealed with another end than its record says")

    def _figure(
        self, place: str, name: str, sealed: Any, spans: list[str], repeated: Mapping[str, str] | None
    ) -> None:
        most = len(spans)
        least = most if repeated is None else sum(span not in repeated for span in spans)
        if type(sealed) is int and sealed == least:
            return
        if repeated is None and type(sealed) is int and 0 <= sealed < most:
            self._told.not_checked(
                "records", place, "without all contents nobody sees which steps repeat another"
            )
        else:
            words = name.replace("_", " ")
            self._told.finding(
                "records", place, f"the run was sealed with {sealed} {words}, and {least} are here"
            )

    def _uncharged(self, repeated: Mapping[str, str] | None) -> None:
        """Every cost is charged, but for steps that repeat another one; and these are not."""
        for trace, span in self._costed:
            charged = (trace, span) in self._charged
            if repeated is None:
                if not charged:
                    self._told.not_checked(
                        "charges", f"step {span}",
                        "a cost is not charged, and without all contents nobody sees whether the step repeats another",
                    )  # fmt: skip
            elif charged and span in repeated:
                self._told.finding(
                    "charges", f"step {span}", "the step repeats another one and is charged too"
                )
            elif not charged and span not in repeated:
                self._told.finding("charges", f"step {span}", "the step has a cost and is not charged")
