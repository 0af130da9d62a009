"""Loops: a run that repeats itself and learns nothing is warned, then refused, then stopped.

A call is judged with its result. Asking again is no loop while the answers change (polling, paging, edit and
test); it is one when the same calls keep bringing the same answers. The ladder has four rungs: the repeat is marked
(its cost is waste), the model is warned in the tool's result, the call is refused, the run is stopped.

=====  ==========================================================  =========================================
rule   what repeats                                                warned, refused, stopped at
=====  ==========================================================  =========================================
R1     one call with one result                                    3rd, 4th, 5th call
R2     a cycle of 2 to 8 calls with their results                  end of the 3rd round, next call, one more
R1/R2  the same, but patiently (a round takes 2 s or more, the     20th, 40th, 41st round
       effects are none or read, at most 2 calls a round)
R3     one tool with one empty or failing result, any arguments    5th, 6th, 7th call; pages: 20th, 24th, 25th
R6     number of tool calls in the run                             stopped at the cap, where one is set
=====  ==========================================================  =========================================

Rule numbers leave room for stagnation, cost velocity and retry budgets. Pure: times come in as arguments, calls and
answers as prints, so ``replay`` finds the same from what the journal kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from tallystick.cost.fingerprint import AnswerPrint, CallPrint
from tallystick.model.step import Effect


class Rung(IntEnum):
    """How far up the ladder a call is."""

    CLEAR = 0
    MARKED = 1
    WARNED = 2
    REFUSED = 3
    STOPPED = 4


_KNOWN: Final = 20_000  # call and answer pairs kept in mind; a longer run is judged by its newest dead ends


@dataclass(frozen=True, slots=True)
class LoopLimits:
    """Where each rung stands. Counts are calls (R1, R3), rounds (R2, patient), or calls of the run (R6)."""

    rounds: int = 3
    longest_cycle: int = 8
    patient_gap_ns: int = 2_000_000_000
    patient_warn: int = 20
    patient_refuse: int = 40
    fruitless: int = 6
    pages: int = 24
    calls: int | None = None  # long runs are no loops: a cap is somebody's wish, not a default


@dataclass(frozen=True, slots=True)
class LoopFinding:
    """What the detector thinks of a call about to be made; ``repeats`` counts calls or rounds, this one included."""

    rung: Rung
    rule: str = ""
    repeats: int = 0
    reason: str = ""


CLEAR: Final = LoopFinding(Rung.CLEAR)


@dataclass(frozen=True, slots=True)
class Asked:
    """A call came. ``at`` is nanoseconds since the epoch; ``quiet``: its effect is none or read."""

    call: CallPrint
    at: int
    quiet: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that ran came back. ``at`` is nanoseconds since the epoch."""

    call: CallPrint
    answer: AnswerPrint
    at: int
    quiet: bool


def is_quiet(effect: Effect | None) -> bool:
    """Whether a call of that effect changes nothing, so that waiting for something by repeating it makes sense."""
    return effect is Effect.NONE or effect is Effect.READ


@dataclass(slots=True)
class _Seen:
    tool: str
    call: bytes
    result: bytes
    at: int
    quiet: bool  # the effect is none or read
    refused: bool = False


@dataclass(slots=True)
class LoopDetector:
    """The memory of one run's tool calls. ``before`` judges a call, ``after`` tells what came of it.

    A call that was refused is told with ``refused``; calls made at the same time are judged one by one in the
    order in which they come. Memory is bounded: 3 rounds of the longest cycle, and digests of what was seen.
    """

    limits: LoopLimits = field(default_factory=LoopLimits)
    calls: int = 0
    _history: deque[_Seen] = field(default_factory=lambda: deque(maxlen=256))
    _known: set[bytes] = field(default_factory=set)
    _fruitless: set[bytes] = field(default_factory=set)  # the different calls that found nothing
    _fruitless_of: tuple[str, bytes, bool] | None = None  # tool, result, failed
    _page: tuple[bytes, int] | None = None
    _paging: bool = False

    def before(self, call: CallPrint, *, at: int, quiet: bool) -> LoopFinding:
        """Judge a call about to be made, without remembering it. ``at`` is nanoseconds since the epoch."""
        if self.limits.calls is not None and self.calls >= self.limits.calls:
            return LoopFinding(Rung.STOPPED, "R6", self.calls + 1, f"the run made {self.calls} tool calls")
        found = [self._cycle(call.call, at, quiet), self._dead_end(call)]
        return max(found, key=lambda one: one.rung)

    def after(self, call: CallPrint, answer: AnswerPrint, *, at: int, quiet: bool) -> None:
        """Remember a call that ran and what it brought."""
        self.calls += 1
        self._history.append(_Seen(call.tool, call.call, answer.answer, at, quiet))
        self._follow(call, answer)

    def refused(self, call: CallPrint, *, at: int, quiet: bool) -> None:
        """Remember a call that was refused because it loops: it counts as one more of the same."""
        self.calls += 1
        answer = next((one.result for one in reversed(self._history) if one.call == call.call), b"refused")
        self._history.append(_Seen(call.tool, call.call, answer, at, quiet, refused=True))
        if self._fruitless_of is not None and self._fruitless_of[0] == call.tool:
            self._fruitless.add(call.call)

    def asked(self, event: Asked) -> LoopFinding:
        """Judge a call, and remember it at once when it is refused for looping."""
        found = self.before(event.call, at=event.at, quiet=event.quiet)
        if found.rung is Rung.REFUSED:
            self.refused(event.call, at=event.at, quiet=event.quiet)
        return found

    def ended(self, event: Ended) -> None:
        """Remember a call that came back."""
        self.after(event.call, event.answer, at=event.at, quiet=event.quiet)

    def _cycle(self, call: bytes, at: int, quiet: bool) -> LoopFinding:
        """R1 and R2: the longest way in which this call carries on a cycle of the last ones."""
        best = CLEAR
        matched: list[tuple[int, int]] = []
        for period in range(1, min(self.limits.longest_cycle, len(self._history)) + 1):
            if self._history[-period].call != call:
                continue
            length, gap, all_quiet = self._run_of(period, at)
            if any(period % shorter == 0 and length <= reach for shorter, reach in matched):
                continue  # two rounds of a shorter cycle are no longer cycle
            matched.append((period, length))
            if period == 1 and self._answers_differ():
                continue
            patient = period <= 2 and quiet and all_quiet and gap >= self.limits.patient_gap_ns
            finding = self._on_ladder(period, length, patient)
            if finding.rung > best.rung:
                best = finding
        return best

    def _answers_differ(self) -> bool:
        """Whether the last call was a repeat that brought something new: asking again made sense."""
        if len(self._history) < 2:
            return False
        last, before = self._history[-1], self._history[-2]
        return last.call == before.call and last.result != before.result

    def _run_of(self, period: int, at: int) -> tuple[int, int, bool]:
        """Calls that repeat with a period (the coming one included), the shortest round in ns, and are all quiet."""
        history = self._history
        size = len(history)
        length, shortest, quiet = period + 1, at - history[-period].at, history[-1].quiet
        for index in range(size - 1, period - 1, -1):
            one, before = history[index], history[index - period]
            if one.call != before.call or one.result != before.result:
                break
            length += 1
            shortest = min(shortest, one.at - before.at)
            quiet = quiet and before.quiet
        return length, shortest, quiet

    def _on_ladder(self, period: int, length: int, patient: bool) -> LoopFinding:
        rule = "R1" if period == 1 else "R2"
        what = "this call" if period == 1 else f"these {period} calls"
        repeats = -(-length // period)
        if patient:
            rung = _rung(length, self.limits.patient_warn * period, self.limits.patient_refuse * period)
        else:
            full = self.limits.rounds * period
            rung = _rung(length, full, full + 1, mark=period + 1 if period == 1 else 2 * period + 1)
        reason = f"{what} came with the same result {max(repeats - 1, 1)} times"
        return LoopFinding(rung, rule, repeats, reason) if rung else CLEAR

    def _dead_end(self, call: CallPrint) -> LoopFinding:
        """R3: one tool goes on giving the same nothing, however it is asked (the same call again is R1's)."""
        tool = call.tool
        if self._fruitless_of is None or self._fruitless_of[0] != tool or call.call in self._fruitless:
            return CLEAR
        count = len(self._fruitless) + 1
        failed = self._fruitless_of[2]
        paging = not failed and self._paging and _turns_page(self._page, call.page)
        refuse = self.limits.pages if paging else self.limits.fruitless
        warn = refuse - 4 if paging else refuse - 1
        rung = _rung(count, warn, refuse, mark=max(warn - 1, 2))
        how = "failed in the same way" if failed else "found nothing"
        return LoopFinding(rung, "R3", count, f"{tool} {how} {count - 1} times") if rung else CLEAR

    def _follow(self, call: CallPrint, answer: AnswerPrint) -> None:
        """Keep count of R3: anything new that another tool, or this one, finds ends the dead end."""
        pair = call.call + answer.answer
        fresh = pair not in self._known
        if len(self._known) < _KNOWN:
            self._known.add(pair)
        if not answer.failed and not answer.nothing:
            if fresh:
                self._fruitless, self._fruitless_of = set(), None
            return
        kind = (call.tool, answer.answer, answer.failed)
        if self._fruitless_of == kind:
            if call.call in self._fruitless:
                return
            self._fruitless.add(call.call)
            self._paging = self._paging and _turns_page(self._page, call.page)
        elif self._fruitless_of is None or fresh:
            self._fruitless, self._fruitless_of, self._paging = {call.call}, kind, True
        self._page = call.page


def replay(events: Iterable[Asked | Ended], limits: LoopLimits) -> list[LoopFinding]:
    """Judge one detector's calls again: the finding of each call that was asked, in order.

    ``events`` are all that the detector heard, in the order in which it heard them.
    """
    detector = LoopDetector(limits)
    findings = []
    for event in events:
        if isinstance(event, Asked):
            findings.append(detector.asked(event))
        else:
            detector.ended(event)
    return findings


def _rung(count: int, warn: int, refuse: int, *, mark: int | None = None) -> Rung:
    if count > refuse:
        return Rung.STOPPED
    if count == refuse:
        return Rung.REFUSED
    if count >= warn:
        return Rung.WARNED
    return Rung.MARKED if mark is not None and count >= mark else Rung.CLEAR


def _turns_page(before: tuple[bytes, int] | None, now: tuple[bytes, int] | None) -> bool:
    """Whether only a page number or an offset grew from one call to the next."""
    return before is not None and now is not None and before[0] == now[0] and now[1] > before[1]
