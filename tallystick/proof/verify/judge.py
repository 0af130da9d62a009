"""What a verifier asks of the other rooms: would the rules that Tallystick has give these answers again?

The proof room knows no policy engine, no loop rules, no dialects and no rate card. Whoever has them implements
``Judge`` (app/prove/verification.py does); without one these checks end as *not checked*.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tallystick.proof.report import State


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a judge says: it holds, it does not (``text`` says how), or it could not be judged (``text`` says why)."""

    state: State
    text: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A decision to be made again.

    ``body`` is that of decision.made; ``opened`` gives (True, value) for a commitment, or (False, why not); ``text``
    gives a recorded text by digest, or None; ``policy`` is the body of the policy.loaded entry that it names, or None.
    """

    body: Mapping[str, Any]
    opened: Callable[[str], tuple[bool, Any]]
    text: Callable[[str], str | None]
    policy: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class LoopEvent:
    """One turn of a loop detector: ``kind`` is decision.made or effect.ended, ``body`` that entry's body."""

    seq: int
    kind: str
    body: Mapping[str, Any]


class Judge(Protocol):
    """Answers questions about rules. It never raises: what it cannot answer it says."""

    def decision(self, asked: Asked) -> Opinion:
        """Does this decision, made again, give the recorded answer, reasons, sentence and group?"""
        ...

    def loops(self, events: Sequence[LoopEvent]) -> Sequence[tuple[int, Opinion]]:
        """What each decision of one detector (by entry number) should have found, held against what it says."""
        ...

    def repeated(self, records: int) -> Mapping[str, str] | None:
        """Which of the spans read so far repeat which other one; None unless all ``records`` of the file were read."""
        ...

    def reading(self, leaf: Mapping[str, Any], content: bytes, source: Any) -> Opinion:
        """Does the opened span read as the ``step`` of its record?"""
        ...

    def charge(
        self, leaf: Mapping[str, Any], buckets: Mapping[str, Any], rates: Mapping[str, Any], row: Mapping[str, Any]
    ) -> Opinion:  # fmt: skip
        """Do buckets and rates follow from the record's usage and from this row of the rate card?"""
        ...


HOLDS = Opinion(State.HOLDS)
