"""The watch on one run's tool calls in this process: its loop detector, and what the journal keeps of it.

The journal keeps prints and the order in which the detector heard of calls, so that anybody can judge them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tallystick.cost.fingerprint import AnswerPrint, CallPrint, Prints
from tallystick.cost.loops import Asked, Ended, LoopDetector, LoopFinding, LoopLimits, Rung, is_quiet
from tallystick.model.errors import BadInput
from tallystick.model.step import Effect
from tallystick.ports import Ids


@dataclass(frozen=True, slots=True)
class Heard:
    """What the detector heard of a call and what it thought of it. ``record`` goes into the journal."""

    asked: Asked
    finding: LoopFinding
    record: Mapping[str, Any]


class LoopWatch:
    """One run's loop detector. Not safe to use from several threads: whoever asks holds the run's lock."""

    def __init__(self, limits: LoopLimits, ids: Ids) -> None:
        self._id = ids.new("ldt")
        self._prints = Prints(ids.salt())
        self._detector = LoopDetector(limits)
        self._turn = 0

    def asked(self, tool: str, arguments: Mapping[str, Any], *, at: int, effect: Effect | None) -> Heard:
        """Judge a call about to be made. One that is refused for looping counts as one more of the same."""
        event = Asked(self._prints.call(tool, arguments), at, is_quiet(effect))
        finding = self._detector.asked(event)
        record = self._record(event.call, event.quiet) | {
            "rule": finding.rule, "rung": finding.rung.name.lower(), "repeats": finding.repeats,
        }  # fmt: skip
        if self._turn == 1:
            record["limits"] = asdict(self._detector.limits)
        return Heard(event, finding, record)

    def ended(self, asked: Asked, *, at: int, result: Any, error: str | None) -> Mapping[str, Any]:
        """Tell what a call brought; returns what the journal keeps of it."""
        answer = self._prints.answer(result, error)
        self._detector.ended(Ended(asked.call, answer, at, asked.quiet))
        return self._record(asked.call, asked.quiet) | {
            "answer": answer.answer.hex(), "failed": answer.failed, "nothing": answer.nothing,
        }  # fmt: skip

    def _record(self, call: CallPrint, quiet: bool) -> dict[str, Any]:
        self._turn += 1
        page = None if call.page is None else [call.page[0].hex(), call.page[1]]
        return {
            "detector": self._id,
            "turn": self._turn,
            "call": call.call.hex(),
            "page": page,
            "quiet": quiet,
        }


@dataclass(frozen=True, slots=True)
class LoopRecord:
    """What an entry tells of a detector. ``finding`` None: the entry tells of a call that came back.

    ``finding`` is rung, rule and repeats as they were recorded; ``limits`` are told in the first turn.
    """

    detector: str
    turn: int
    event: Asked | Ended
    finding: tuple[Rung, str, int] | None
    limits: LoopLimits | None


def loop_record(body: Mapping[str, Any]) -> LoopRecord | None:
    """Read the loop part of a ``decision.made`` or ``effect.ended`` body back; None where it has none.

    Order the records of one detector by ``turn`` (1, 2, 3 … without gaps) and give their events to ``replay``. Raises
    BadInput for what the watch never writes.
    """
    kept = body.get("loop")
    if kept is None:
        return None
    try:
        page = None if kept["page"] is None else (bytes.fromhex(kept["page"][0]), int(kept["page"][1]))
        call = CallPrint(body["tool"], bytes.fromhex(kept["call"]), page)
        at, quiet = int(body["at"]), bool(kept["quiet"])
        if "answer" in kept:
            answer = AnswerPrint(bytes.fromhex(kept["answer"]), bool(kept["failed"]), bool(kept["nothing"]))
            return LoopRecord(kept["detector"], int(kept["turn"]), Ended(call, answer, at, quiet), None, None)
        finding = (Rung[kept["rung"].upper()], kept["rule"], int(kept["repeats"]))
        told = kept.get("limits")
        limits = None if told is None else _limits(told)
        return LoopRecord(kept["detector"], int(kept["turn"]), Asked(call, at, quiet), finding, limits)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise BadInput(f"this is no record of a loop detector: {error!r}") from error


def _limits(told: Mapping[str, Any]) -> LoopLimits:
    whole: dict[str, Any] = {
        name: None if value is None else int(value) for name, value in told.items()
    }  # fmt: skip
    return LoopLimits(**whole)
