"""Deferring: a guard for enforcement points elsewhere, which cannot be kept waiting.

A held call comes back at once with the id of its approval; whoever asked evaluates it again once somebody answered.
What tools really are, only the process that runs them sees: here a tool is known by its name, and by the digest of its
definition where that is told.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from tallystick.app.acting.act import Act, Clean
from tallystick.app.acting.decided import Asked, bound_to
from tallystick.app.acting.feed import Feed, Heard
from tallystick.app.acting.guard import DENIED, GuardSettings, RunGuard
from tallystick.app.acting.holding import Holding
from tallystick.app.acting.identity import Identities
from tallystick.app.acting.memory import RunMemory
from tallystick.app.acting.pins import Pins, quarantined
from tallystick.app.acting.policies import PolicyBook
from tallystick.app.acting.waiting import expire
from tallystick.cost.rates import RateCard
from tallystick.govern.pinning import CHANGED, NEW, accepted
from tallystick.model.canonical import digest
from tallystick.model.control import Answer, Approval, ApprovalState, Decision, PolicyState, ToolCall
from tallystick.model.errors import UnknownThing
from tallystick.model.guarding import ToolDeclaration, Verdict
from tallystick.model.journal import Draft
from tallystick.model.labels import Integrity
from tallystick.model.masking import mask
from tallystick.model.step import Effect
from tallystick.ports import Clock, ControlStore, Ids

_REMEMBERED: Final = 4_096  # held calls
_MOST_WORDS: Final = 1_000  # texts that the user said in one run


@dataclass(frozen=True, slots=True)
class Pending:
    """A held call that somebody was asked about."""

    act: Act
    asked: Asked
    bound: str
    key: str
    decision: Decision


class Deferred(Holding):
    """Held calls that nobody waits for: whoever asked comes again."""

    def __init__(self, guard: DeferringGuard, *parts: Any) -> None:
        super().__init__(guard, *parts)
        self._pending: OrderedDict[str, Pending] = OrderedDict()
        self._waits: dict[str, str] = {}  # what was asked -> the approval that waits

    def held(self, act: Act, memory: RunMemory, edits: int = 0) -> Verdict:
        """Ask, and say so."""
        del memory, edits
        assert act.ruling is not None
        assert act.policies is not None
        asked = self._asked(act)
        bound = bound_to(act, asked)
        approval = self._ask(act, asked, bound)
        ruling, policies = act.ruling, act.policies
        decision = Decision(
            self._control.approval(approval).decision, Answer.HOLD, policies.digest, policies.state, ruling.reasons,
            ruling.because, asked.group, approval,
        )  # fmt: skip
        pending = Pending(act, asked, bound, _key(act.call), decision)
        self._pending[approval] = pending
        self._waits[pending.key] = approval
        while len(self._pending) > _REMEMBERED:
            self.forget(next(iter(self._pending)))
        return _held(pending)

    def pending(self, approval: str) -> Pending | None:
        """The call that waits for an approval, where it is remembered."""
        return self._pending.get(approval)

    def waiting(self, key: str) -> Verdict | None:
        """The verdict on a call that somebody was asked about already and has not answered."""
        approval = self._waits.get(key)
        pending = self._pending.get(approval) if approval is not None else None
        if pending is None or approval is None or self._clock.now() >= pending.asked.expires:
            return None
        waits = self._control.approval(approval).state is ApprovalState.WAITING
        return _held(pending) if waits else None

    def use(self, act: Act, memory: RunMemory, pending: Pending) -> Verdict:
        """Decide a call again that was approved, and use the approval up."""
        return self._use(act, memory, pending.asked, pending.bound)

    def forget(self, approval: str) -> None:
        """The approval is of no use any more."""
        pending = self._pending.pop(approval, None)
        if pending is not None and self._waits.get(pending.key) == approval:
            del self._waits[pending.key]


class NamedPins(Pins):
    """Pins for tools that are known by name: nothing is shown here, and what was shown elsewhere counts."""

    def _judge(
        self, given: ToolDeclaration, heard: Heard, actor: str, together: list[Draft] | None
    ) -> str | None:
        del actor, together
        rows = heard.shown.get(given.name, ())
        if not rows:
            unknown = self._book.declared(given.name) is None and self._closed(heard)
            return quarantined(given.name, NEW, ()) if unknown else None
        newest = max(rows, key=lambda row: row.first)
        good = any(row.definition == newest.definition for row in accepted(rows))
        return None if good else quarantined(given.name, newest.why, newest.differs)

    def changed(self, tool: str, definition: str) -> str | None:
        """Why a definition that an enforcement point names is not one that was accepted; None where it is."""
        rows = self._feed.heard().shown.get(tool, ())
        if not rows or any(row.definition == definition for row in accepted(rows)):
            return None
        return quarantined(tool, CHANGED, ())


class DeferringGuard(RunGuard):
    """The decision path for calls that run elsewhere. Safe to use from several threads."""

    def __init__(
        self, control: ControlStore, clock: Clock, ids: Ids, book: PolicyBook, rates: RateCard, *,
        settings: GuardSettings | None = None, feed: Feed | None = None, clean: Clean = mask,
        identities: Identities | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            control, clock, ids, book, rates, waiter=_never, settings=settings, feed=feed, clean=clean,
            identities=identities,
        )  # fmt: skip
        self._named = NamedPins(control, feed, book) if feed is not None else None
        self._house = replace(self._house, pins=self._named)
        self._deferred = Deferred(
            self, control, clock, ids, self._outbox, _never, (settings or GuardSettings()).asking
        )
        self._holding = self._deferred

    # -- what a run has heard and read --------------------------------------------------------------------------

    def hear(self, run: str, words: str) -> None:
        """The user said something. A run that nobody here remembers, and that is in the journal, stays distrusted."""
        fresh = self._runs.known(run) is None and not self._control.entries(run=run, limit=1)
        if fresh:
            self.open_run(run)
        memory = self._memory(run)
        with memory.lock:
            known = memory.labels.words
            if words not in known and len(known) < _MOST_WORDS:
                memory.labels.hear(words)

    def lower(
        self, run: str, watermark: Integrity, classes: Iterable[str] = (), signs: Iterable[str] = ()
    ) -> None:  # fmt: skip
        """The run has read this as well: trust can only fall by it."""
        memory = self._memory(run)
        with memory.lock:
            memory.labels.inherit(watermark, classes, signs)

    def effect_of(self, tool: str) -> Effect | None:
        """The effect that a tool is known to have; None where nobody declared it."""
        return self._house.book.effect_of(tool)

    def expires(self, approval: str) -> int:
        """Until when an approval can be answered, in nanoseconds since the epoch."""
        pending = self._deferred.pending(approval)
        return pending.asked.expires if pending is not None else self._control.approval(approval).expires

    # -- deciding -----------------------------------------------------------------------------------------------

    def decide(self, call: ToolCall, *, known: bool = True) -> Verdict:
        """Decide a call. Where a person is asked, the verdict says no and its decision names the approval.

        ``call.tool_digest`` is the digest of the tool's definition as the enforcement point has it, where it tells.
        The same call is asked about once, as long as its approval waits; not where ``known`` is false. Raises Stopped,
        OverBudget, BadInput and the store's faults.
        """
        waiting = self._deferred.waiting(_key(call)) if known else None
        if waiting is not None:
            return waiting
        return self.before_tool(call, _by_name(call.tool))

    def decide_again(self, call: ToolCall, approval: str) -> Verdict:
        """Decide a call with the answer to its approval, which is used up where it lets the call through.

        Raises UnknownThing for an approval of a call that is not remembered, and what ``decide`` raises.
        """
        pending = self._deferred.pending(approval)
        if pending is None:
            raise UnknownThing(
                f"no call here waits for the approval {approval[:80]!r}",
                hint="evaluate the call again without context.approval",
            )
        found = self._control.approval(approval)
        if found.state is ApprovalState.WAITING and self._clock.now() >= found.expires:
            found = expire(self._control, found)
        if found.state is ApprovalState.WAITING:
            return _held(pending)
        asked = replace(call, step=pending.act.call.step)
        yes = found.state is ApprovalState.APPROVED
        act = Act(
            asked, _by_name(call.tool), self._clock.now(), pending.act.salt,
            pending.asked.all if yes else frozenset(), approval if yes else None,
            word=pending.act.word, clean=self._clean,
        )  # fmt: skip
        memory = self._memory(call.run)
        if yes:
            verdict = self._deferred.use(act, memory, pending)
        else:
            self.judge(act, memory)
            verdict = self.deny(act.refused("approval", (_word(found),)), memory)
        if self._control.approval(approval).state is not ApprovalState.APPROVED:
            self._deferred.forget(approval)
        return verdict

    def judge(self, act: Act, memory: RunMemory) -> None:
        """Take a call through the stages; a definition that was told and not accepted settles it too."""
        super().judge(act, memory)
        pins, told = self._named, act.call.tool_digest
        if pins is None or not told or not self._settings.tool_pins or act.switch is not None:
            return
        refused = pins.changed(act.call.tool, told)
        if refused is not None and act.policies is not None and act.policies.state is PolicyState.ENFORCED:
            act.refused("pin", (refused,))
            act.settled = True


def _held(pending: Pending) -> Verdict:
    because = pending.decision.because
    return Verdict(False, pending.decision, f"{DENIED} {because}" if because else DENIED)


def _word(found: Approval) -> str:
    if found.state is ApprovalState.EXPIRED:
        return "nobody answered in time"
    return f"the approval is {found.state.value}" + (f" by {found.by}" if found.by else "")


def _key(call: ToolCall) -> str:
    """What makes two calls the same question. Raises BadInput for arguments that cannot be written down."""
    named: Mapping[str, Any] = {
        "run": call.run, "agent": call.agent, "workflow": call.workflow, "tool": call.tool,
        "arguments": dict(call.arguments), "definition": call.tool_digest,
    }  # fmt: skip
    return digest(named)


@lru_cache(maxsize=4_096)
def _by_name(tool: str) -> ToolDeclaration:
    """A tool as it is known here; the same object for the same tool, so that what was found out of it is found."""
    return ToolDeclaration(tool)


def _never(nanoseconds: int) -> None:
    """Nobody waits in this guard."""
    raise AssertionError(f"waiting {nanoseconds} ns in a guard that never waits")
