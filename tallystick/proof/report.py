"""What a verifier found: check by check, with the place, and the two lamps that sum it up.

A check *holds*, has a *finding*, or was *not checked*; the third is never shown as the first. One finding makes the
answer no.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from tallystick.model.errors import AnswerIsNo

# The checks in the order in which they are told, with what each of them means when it holds.
CHECKS: Final[Mapping[str, str]] = {
    "format": "every line is whole, canonical and in order, and the trailer counts them all",
    "signature": "signed by the key that was given",
    "inclusion": "every entry is in the journal that the checkpoint signs",
    "consistency": "earlier checkpoints are prefixes of this journal",
    "sequence": "no entry of the run was left out of the middle",
    "openings": "what was opened is what was committed to",
    "records": "the run's records are those that the journal attests",
    "conduct": "what ran was allowed first, and ran once",
    "decisions": "each decision, made again from its inputs, gives the recorded answer",
    "versions": "what was decided on is what the registry declared",
    "loops": "the loop rules, applied again, give the recorded answers",
    "budgets": "each hold fitted its budgets and was settled once at most",
    "charges": "each charge follows from its usage and price, and they add up",
    "readings": "each opened span reads as recorded",
}
PROVES_NOT: Final = (
    "that a tool's far end did what it reported",
    "that an agent outside Tallystick did not act",
    "that the model's words were its own",
    "that the machine's clock was right",
    "that the policies, limits and prices in force were the right ones",
    "that nothing ran of which neither journal nor records have a word",
    "that the operator did not keep a second journal: a witness, or an earlier checkpoint in other hands, shows that",
)
_OF_INTEGRITY: Final = ("format", "signature", "inclusion", "openings", "records", "charges", "readings")
_OF_COMPLETENESS: Final = ("consistency", "sequence", "records")
_MOST_TOLD: Final = 100


class State(StrEnum):
    """How a check ended."""

    HOLDS = "holds"
    FINDING = "finding"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check has to say. ``place`` is where ("line 12", "entry 7"), ``count`` how often it was met."""

    check: str
    state: State
    place: str
    text: str
    count: int = 1


@dataclass(slots=True)
class _Ledger:
    held: int = 0
    found: list[Finding] = field(default_factory=list)
    more: int = 0
    passed: dict[str, Finding] = field(default_factory=dict)  # text -> what was not checked, counted


class Checklist:
    """Where the checks write down what they saw while a file goes by."""

    def __init__(self) -> None:
        self._ledgers = {check: _Ledger() for check in CHECKS}
        self.outside = (
            False  # somebody outside vouches for the checkpoint: a witness, or an earlier checkpoint
        )

    def holds(self, check: str, count: int = 1) -> None:
        """Something was checked and is as it should be."""
        self._ledgers[check].held += count

    def finding(self, check: str, place: str, text: str) -> None:
        """Something is not as it should be; the first hundred of each check are told."""
        ledger = self._ledgers[check]
        if len(ledger.found) < _MOST_TOLD:
            ledger.found.append(Finding(check, State.FINDING, place, text))
        else:
            ledger.more += 1

    def not_checked(self, check: str, place: str, text: str) -> None:
        """Something could not be checked; the same reason is told once, with how often it was met."""
        passed = self._ledgers[check].passed
        known = passed.get(text)
        if known is None and len(passed) >= _MOST_TOLD:
            text, known = "other reasons", passed.get("other reasons")
        passed[text] = Finding(
            check,
            State.NOT_CHECKED,
            known.place if known else place,
            text,
            1 if known is None else known.count + 1,
        )

    def found(self, check: str | None = None) -> bool:
        """Whether there is a finding already."""
        ledgers = self._ledgers.values() if check is None else (self._ledgers[check],)
        return any(ledger.found for ledger in ledgers)

    def report(self, *, run: str | None = None, origin: str | None = None, made: str | None = None,
               size: int | None = None, redacted: bool = False) -> Report:  # fmt: skip
        """The report on everything that was written down."""
        told = tuple(self._told(check, ledger) for check, ledger in self._ledgers.items())
        return Report(told, self.outside, run, origin, made, size, redacted)

    @staticmethod
    def _told(check: str, ledger: _Ledger) -> Checked:
        found = list(ledger.found)
        if ledger.more:
            found.append(Finding(check, State.FINDING, "", f"and {ledger.more} more", ledger.more))
        if found:
            state = State.FINDING
        else:
            state = State.HOLDS if ledger.held else State.NOT_CHECKED
        return Checked(check, state, ledger.held, tuple(found), tuple(ledger.passed.values()))


@dataclass(frozen=True, slots=True)
class Checked:
    """How one check ended: ``count`` things hold, ``findings`` do not, ``not_checked`` says what was passed by."""

    check: str
    state: State
    count: int
    findings: tuple[Finding, ...] = ()
    not_checked: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What the verifier of one evidence file says. ``size`` is the number of entries that the checkpoint signs."""

    checks: tuple[Checked, ...]
    outside: bool
    run: str | None = None
    origin: str | None = None
    made: str | None = None
    size: int | None = None
    redacted: bool = False

    @property
    def ok(self) -> bool:
        """True when no check has a finding."""
        return not any(one.findings for one in self.checks)

    @property
    def exit_code(self) -> int:
        """0, or 3 when the answer is no."""
        return 0 if self.ok else AnswerIsNo.exit_code

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding, in the order of the checks."""
        return tuple(finding for one in self.checks for finding in one.findings)

    def state(self, check: str) -> State:
        """How one check ended."""
        return next(one.state for one in self.checks if one.check == check)

    @property
    def integrity(self) -> str:
        """``broken``, ``unchecked`` (no key was given) or ``holds``: is this what was written?"""
        if any(self.state(check) is State.FINDING for check in _OF_INTEGRITY):
            return "broken"
        return "holds" if self.state("signature") is State.HOLDS else "unchecked"

    @property
    def completeness(self) -> str:
        """``red``, ``grey`` or ``green``: is this all there is? Green needs somebody outside to vouch for it."""
        if self.integrity == "broken" or any(
            self.state(check) is State.FINDING for check in _OF_COMPLETENESS
        ):
            return "red"
        return "green" if self.outside and self.integrity == "holds" else "grey"

    @property
    def why(self) -> str:
        """The lamps in a sentence."""
        if self.completeness == "red":
            return "something was changed or left out: see the findings"
        if self.completeness == "green":
            return "a witness, or an earlier checkpoint that you hold, knows this journal"
        if self.integrity == "unchecked":
            return "no key was given, so anybody could have made this file"
        return "nobody outside vouches for this journal: its operator could keep a second one"

    def as_json(self) -> dict[str, Any]:
        """``{"ok", "run", "origin", "made", "size", "redacted", "checks", "lamps", "proves_not"}``."""
        return {
            "ok": self.ok,
            "run": self.run,
            "origin": self.origin,
            "made": self.made,
            "size": self.size,
            "redacted": self.redacted,
            "checks": [_checked_json(one) for one in self.checks],
            "lamps": {"integrity": self.integrity, "completeness": self.completeness, "why": self.why},
            "proves_not": list(PROVES_NOT),
        }


def _checked_json(one: Checked) -> dict[str, Any]:
    return {
        "check": one.check,
        "state": one.state.value,
        "count": one.count,
        "findings": [{"place": item.place, "text": item.text, "count": item.count} for item in one.findings],
        "not_checked": [
            {"place": item.place, "text": item.text, "count": item.count} for item in one.not_checked
        ],
    }
