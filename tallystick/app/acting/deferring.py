"""Deferring: a guard for enforcement points elsewhere, which cannot be kept waiting.

A held call comes back at once with the id of its approval; whoever asked evaluates it again once somebody answered.
What was asked is in the journal, as with any call that does not wait (see holding.py), so a restart forgets nothing.
What tools really are, only the process that runs them sees: here a tool is known by its name, and by the digest of its
definition where that is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Final

from tallystick.app.acting.act import Act, Clean
from tallystick.app.acting.decided import Missing, inputs_of
from tallystick.app.acting.effects import effect_id
from tallystick.app.acting.feed import Feed, Heard
from tallystick.app.acting.guard import DENIED, GuardSettings, RunGuard
from tallystick.app.acting.identity import Identities
from tallystick.app.acting.memory import RunMemory
from tallystick.app.acting.pins import Pins, quarantined
from tallystick.app.acting.policies import PolicyBook
from tallystick.app.acting.resuming import asked_about
from tallystick.cost.rates import RateCard
from tallystick.govern.pinning import CHANGED, NEW, accepted
from tallystick.model.control import (
    Answer,
    Approval,
    ApprovalState,
    Decision,
    EffectState,
    PolicyState,
    ToolCall,
)
from tallystick.model.errors import Held, UnknownThing
from tallystick.model.guarding import ToolDeclaration, Verdict
from tallystick.model.journal import Draft
from tallystick.model.labels import Integrity
from tallystick.model.masking import mask
from tallystick.model.step import Effect
from tallystick.ports import Clock, ControlStore, Ids

NOT_ASKED: Final = "the approval is of another call"
_MOST_WORDS: Final = 1_000  # texts that the user said in one run


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
        settings = settings or GuardSettings()
        settings = replace(settings, asking=replace(settings.asking, suspend=True))
        super().__init__(
            control, clock, ids, book, rates, waiter=_never, settings=settings, feed=feed, clean=clean,
            identities=identities,
        )  # fmt: skip
        self._named = NamedPins(control, feed, book) if feed is not None else None
        self._house = replace(self._house, pins=self._named)

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
        return self._control.approval(approval).expires

    def unheard(self, decision: str) -> tuple[ToolCall, Verdict, int] | None:
        """An effect that was let through for an enforcement point and of which nothing was heard: the call, the verdict
        and when it began; None where there is none. What runs in a process of its own is told of by that process."""
        try:
            deed = self._control.effect(effect_id(decision))
        except UnknownThing:
            return None
        made = self._control.entries(kind="decision.made", subject=decision, limit=1)
        if not made or deed.decision != decision or deed.state is not EffectState.STARTED or deed.process:
            return None
        body = made[0].body
        openings = {one.commitment: one for one in self._control.openings([made[0].seq]).get(made[0].seq, ())}
        found = inputs_of(body, openings, {body["declaration"]: self._control.text(body["declaration"])})
        if isinstance(found, Missing):
            return None
        said = Decision(
            decision, Answer(body["answer"]), body["policy_digest"], PolicyState(body["policy_state"]),
            approval=body.get("approval"), hold=deed.hold,
        )  # fmt: skip
        return found.call, Verdict(True, said, price_nano=found.tool.price_nano), deed.started

    # -- deciding -----------------------------------------------------------------------------------------------

    def decide(self, call: ToolCall, *, known: bool = True) -> Verdict:
        """Decide a call. Where a person is asked, the verdict says no and its decision names the approval.

        ``call.tool_digest`` is the digest of the tool's definition as the enforcement point has it, where it tells.
        The same call is asked about once, and uses the answer to its question, whichever process asked it; not where
        ``known`` is false: then whoever asks may not speak for this run. Raises Stopped, OverBudget, BadInput and the
        store's faults.
        """
        try:
            act, memory = self._begin(call, _by_name(call.tool))
            met = self._holding.met(act, memory) if known else None
            return met if met is not None else self._decide(act, memory)
        except Held as held:
            return self._held(self._control.approval(held.approval))

    def decide_again(self, call: ToolCall, approval: str) -> Verdict:
        """Decide a call with the answer to its approval, which is used up where it lets the call through.

        Raises UnknownThing for an approval that nothing waits for any more, and what ``decide`` raises.
        """
        found = self._approval(approval)
        act, memory = self._begin(call, _by_name(call.tool))
        before = asked_about(self._control, act, found)
        try:
            if before is not None:
                return self._holding.resume(before, memory)
            self.judge(act, memory)
            if act.settled and act.ruling is not None and act.ruling.answer is not Answer.HOLD:
                return self.deny(act, memory)
            return self.deny(act.refused("binding", (NOT_ASKED,)), memory)
        except Held as held:
            return self._held(self._control.approval(held.approval))

    def _approval(self, approval: str) -> Approval:
        """One that is not used up, by its whole id. Raises UnknownThing."""
        try:
            found = self._control.approval(approval)
        except UnknownThing:
            found = None
        if found is None or found.id != approval or found.state is ApprovalState.CONSUMED:
            raise UnknownThing(
                f"no call here waits for the approval {approval[:80]!r}",
                hint="evaluate the call again without context.approval",
            )
        return found

    def _held(self, found: Approval) -> Verdict:
        """The decision to hold, as the journal has it."""
        made = self._control.entries(kind="decision.made", subject=found.decision, limit=1)[0].body
        decision = Decision(
            found.decision, Answer.HOLD, made["policy_digest"], PolicyState(made["policy_state"]),
            tuple(made["reasons"]), found.because, found.group, found.id,
        )  # fmt: skip
        return Verdict(False, decision, f"{DENIED} {found.because}" if found.because else DENIED)

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


@lru_cache(maxsize=4_096)
def _by_name(tool: str) -> ToolDeclaration:
    """A tool as it is known here; the same object for the same tool, so that what was found out of it is found."""
    return ToolDeclaration(tool)


def _never(nanoseconds: int) -> None:
    """Nobody waits in this guard."""
    raise AssertionError(f"waiting {nanoseconds} ns in a guard that never waits")
