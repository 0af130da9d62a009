"""Holding: a call that a rule holds waits for people, and is decided again with what they said.

Only an approval of exactly this call, under exactly these rules, lets it through. Arguments that a person changed are
another call: it goes through every stage like any other, and may be held again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from tallystick.app.acting.act import Act, Word
from tallystick.app.acting.decided import Asked, bound_to, decision_entry, requested, taken
from tallystick.app.acting.memory import RunMemory
from tallystick.app.acting.outbox import Outbox
from tallystick.app.acting.resuming import Earlier, earlier
from tallystick.app.acting.vouching import NO_WORD, endorsed_by
from tallystick.app.acting.waiting import Waiter, expire, wait_for
from tallystick.cost.loops import Rung
from tallystick.govern.approvals import USER
from tallystick.model.control import Answer, Approval, ApprovalState, Decision
from tallystick.model.errors import Conflict, Held
from tallystick.model.guarding import Verdict
from tallystick.ports import Clock, ControlStore, Ids

_MOST_EDITS: Final = 5  # of one call, each of which may be held again


class Path(Protocol):
    """What a guard does with one call; holding takes a call through it once more."""

    def judge(self, act: Act, memory: RunMemory) -> None:
        """Take a call through the stages."""
        ...

    def admit(self, act: Act, memory: RunMemory, bound: str | None = None) -> Verdict:
        """Write what must stand before the call runs, then let it run."""
        ...

    def deny(self, act: Act, memory: RunMemory) -> Verdict:
        """Say no, and count it."""
        ...

    def refuse_loop(self, act: Act) -> Verdict:
        """Say that the run repeats itself."""
        ...

    def must_not_be_stopped(self, run: str) -> None:
        """Raises Stopped for a run that is over."""
        ...

    def decision(self, act: Act) -> Decision:
        """The decision about a call as it stands."""
        ...


@dataclass(frozen=True, slots=True)
class Asking:
    """How people are asked. ``timeout_ns`` is how long; ``started_by`` the operating system's user of this process.

    ``suspend``: a held call does not wait: ``Held`` is raised, and the same call made again uses the answer.
    ``separate``: who started the run, and who declared the agent or a policy that holds the call, may not approve it.
    """

    timeout_ns: int = 300_000_000_000
    separate: bool = False
    started_by: str | None = None
    suspend: bool = False


class Holding:
    """The calls of one guard that people are asked about."""

    def __init__(
        self, path: Path, control: ControlStore, clock: Clock, ids: Ids, outbox: Outbox, waiter: Waiter,
        asking: Asking,
    ) -> None:  # fmt: skip
        self._path = path
        self._control = control
        self._clock = clock
        self._ids = ids
        self._outbox = outbox
        self._waiter = waiter
        self._asking = asking

    def met(self, act: Act, memory: RunMemory) -> Verdict | None:
        """What becomes of a call that was held before, where calls do not wait; None where it is another call.

        Nothing of it was decided yet. Raises Held while nobody answered.
        """
        before = earlier(self._control, act) if self._asking.suspend else None
        return None if before is None else self.resume(before, memory)

    def held(self, act: Act, memory: RunMemory, edits: int = 0) -> Verdict:
        """Ask and wait, then decide again; or suspend: raises Held."""
        asked = self._asked(act)
        bound = bound_to(act, asked)
        approval = self._ask(act, asked, bound)
        if self._asking.suspend:
            raise _suspended(approval, act, asked)
        found = wait_for(self._control, self._clock, self._waiter, approval)
        if found.state is not ApprovalState.APPROVED:
            return self._without(act, memory, found, edits)
        again = Act(
            act.call, act.given, self._clock.now(), act.salt, asked.all, approval, word=act.word,
            edit=act.edit, clean=act.clean,
        )  # fmt: skip
        return self._use(again, memory, asked, bound)

    def resume(self, before: Earlier, memory: RunMemory) -> Verdict:
        """The same call again: what its answer makes of it. Raises Held where it still waits."""
        found, act = before.found, before.act
        if found.state is ApprovalState.WAITING:
            if self._clock.now() < found.expires:
                raise _suspended(found.id, act, before.asked)
            found = expire(self._control, found)
        act.at, act.approval = self._clock.now(), found.id
        if found.state is ApprovalState.APPROVED:
            act.approved = frozenset(found.asked)
            verdict = self._use(act, memory, before.asked, found.binding)
        elif found.state is ApprovalState.EDITED:
            verdict = self._edited(act, memory, found, 0)
        else:
            self._path.judge(act, memory)
            if not (act.settled and act.ruling is not None and act.ruling.answer is Answer.HOLD):
                return self._path.deny(
                    act.refused("binding", ("the rules are not those under which it was held",)), memory
                )
            verdict = self._without(act, memory, found, 0)
        if act.edit is None or verdict.arguments is not None:
            return verdict
        edit = self._control.approval(act.edit)
        return _told(verdict, act.call.arguments, edit.edits or {})

    def _without(self, act: Act, memory: RunMemory, found: Approval, edits: int) -> Verdict:
        """What becomes of a call that was not approved: it was changed, or it is refused."""
        assert act.ruling is not None
        if found.state is ApprovalState.EDITED:
            return self._edited(act, memory, found, edits)
        expired = found.state is ApprovalState.EXPIRED
        word = "nobody answered in time" if expired else f"{found.state.value} by {found.by}"
        reasons = (*act.ruling.reasons, word)
        return self._path.deny(
            act.refused("approval", reasons, self._clock.now(), act.ruling.because), memory
        )

    def _use(self, again: Act, memory: RunMemory, asked: Asked, bound: str) -> Verdict:
        """Decide a call again that was approved, and use the approval up."""
        self._path.must_not_be_stopped(again.call.run)
        self._path.judge(again, memory)
        assert again.ruling is not None
        if again.looping is Rung.REFUSED:
            return self._path.refuse_loop(again)
        if again.switch is not None:
            return self._path.deny(again, memory)
        if bound_to(again, asked) != bound:
            reasons = ("the call or the rules are not those that were approved",)
            return self._path.deny(again.refused("binding", reasons), memory)
        if again.settled and again.ruling.answer is Answer.HOLD:
            return self._path.deny(again.refused("approval", again.ruling.reasons), memory)
        if again.settled:
            return self._path.deny(again, memory)
        try:
            return self._path.admit(again, memory, bound)
        except Conflict as error:
            reasons = (f"the approval could not be used: {error.message}",)
            return self._path.deny(again.refused("approval", reasons), memory)

    def _edited(self, act: Act, memory: RunMemory, found: Approval, edits: int) -> Verdict:
        """Decide the call that a person proposed instead, once. What they wrote stands on their word."""
        self._path.must_not_be_stopped(act.call.run)
        changes = found.edits or {}
        why = self._not_taken(act, found, changes, edits)
        if why is not None:
            if act.ruling is None:
                self._path.judge(act, memory)
            assert act.ruling is not None
            reasons = (*act.ruling.reasons, f"edited by {found.by}, and {why}")
            return self._path.deny(act.refused("approval", reasons, self._clock.now()), memory)
        call = replace(act.call, arguments={**act.arguments, **changes})
        before = act.word or NO_WORD
        word = Word(before.endorsed | endorsed_by(call.tool, changes), before.released)
        again = Act(
            call, act.given, self._clock.now(), self._ids.salt(), word=word, edit=found.id, clean=act.clean
        )
        self._path.judge(again, memory)
        assert again.ruling is not None
        if again.looping is Rung.REFUSED:
            return self._path.refuse_loop(again)
        if again.settled and again.ruling.answer is Answer.HOLD:
            verdict = self.held(again, memory, edits + 1)
        elif again.settled:
            return self._path.deny(again, memory)
        else:
            verdict = self._path.admit(again, memory)
        return verdict if verdict.arguments is not None else _told(verdict, call.arguments, changes)

    def _not_taken(self, act: Act, found: Approval, changes: Mapping[str, Any], edits: int) -> str | None:
        """Why an edit cannot be made here; None once it is taken up, which happens once."""
        if not act.call.editable or edits >= _MOST_EDITS or any(value is None for value in changes.values()):
            return "the change cannot be made here"
        try:
            self._outbox.write([taken(act, found)])
        except Conflict as error:
            return error.message
        return None

    # -- asking -------------------------------------------------------------------------------------------------

    def _asked(self, act: Act) -> Asked:
        assert act.ruling is not None
        return Asked(
            act.ruling.group or "", self._clock.now() + self._asking.timeout_ns, act.ruling.quorum,
            self._apart(act), act.ruling.asks, act.ruling.groups,
        )  # fmt: skip

    def _apart(self, act: Act) -> tuple[str, ...]:
        """Who had a part in what asks, where that is known."""
        if not self._asking.separate or not self._control.people_revision():
            return ()  # one who is alone at a machine has nobody else to ask
        assert act.ruling is not None
        apart = {USER + self._asking.started_by} if self._asking.started_by else set()
        apart |= {one.by for one in self._control.declared("agent") if one.name == act.call.agent}
        files = {place.partition("/")[2].rpartition(".cedar")[0] for place in act.ruling.rules}
        apart |= {one.by for one in self._control.declared("policy") if one.name in files}
        return tuple(sorted(one for one in apart if one and one != "tallystick"))

    def _ask(self, act: Act, asked: Asked, bound: str) -> str:
        """Write the decision to hold and the question to the group, together; the id of the approval asked for."""
        decision = self._path.decision(act)
        held = decision_entry(act, decision)
        approval = self._ids.new("apr")
        self._outbox.write([held, requested(act, decision, approval, bound, asked)])
        act.approval, act.loop = approval, None  # what the loop rules said is told once
        return approval


def _suspended(approval: str, act: Act, asked: Asked) -> Held:
    return Held(
        f"the call of {act.call.tool} waits for {asked.group}: {approval}",
        hint=f"make the same call again in the same run once it is answered: tally approvals show {approval}",
        approval=approval, run=act.call.run, tool=act.call.tool, group=asked.group, expires_ns=str(asked.expires),
    )  # fmt: skip


def _told(verdict: Verdict, arguments: Mapping[str, Any], changes: Mapping[str, Any]) -> Verdict:
    """The verdict on a call that a person changed: with what it is run, and what the model reads of it."""
    if not verdict.allowed:
        return verdict
    note = "Note: a person changed this call before it ran: " + ", ".join(sorted(changes))
    warning = note if verdict.warning is None else f"{note}. {verdict.warning}"
    return replace(verdict, arguments=arguments, changed=tuple(sorted(changes)), warning=warning)
