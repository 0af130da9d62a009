"""Contracts: a result is held against what its tool declares, and what follows a broken one is done here.

The first half is asked before the result is recorded, the second after the journal has it: an effect that has happened
is never left unsaid while somebody thinks about its result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tallystick.app.acting.act import Act
from tallystick.app.acting.decided import Asked, bound_to, consumed, decision_entry, requested
from tallystick.app.acting.memory import Runs
from tallystick.app.acting.outbox import Outbox
from tallystick.app.acting.waiting import Waiter, wait_for
from tallystick.govern.contracts.answer import Answered, judge_answer
from tallystick.govern.contracts.results import PERSONAL, SECRETS, Finds, result_differences
from tallystick.govern.decide import Ruling
from tallystick.govern.labels.said import said
from tallystick.model.commitment import Content
from tallystick.model.contract import RETRIED, Broken, Difference, OnBroken, broken_by, what_follows
from tallystick.model.control import Answer, ApprovalState, Decision, ToolCall
from tallystick.model.errors import Stopped
from tallystick.model.guarding import ToolDeclaration, Verdict
from tallystick.model.step import Effect
from tallystick.ports import Clock, ControlStore, Ids

STAGE: Final = "contract"
GROUP: Final = "contract"  # who is asked whether a run may go on with a result that breaks its contract
WHAT: Final = "what differs"


@dataclass(frozen=True, slots=True)
class ContractSettings:
    """``wanted``: what results may not hold ("secrets", "personal"), found by ``finds``. ``timeout_ns``: of a question.

    ``must_cite``: whether an answer with a value that nobody gave breaks a contract.
    """

    wanted: tuple[str, ...] = ()
    finds: Finds | None = None
    timeout_ns: int = 300_000_000_000
    must_cite: bool = False


def wanted_checks(kinds: Sequence[str]) -> tuple[str, ...]:
    """The contracts that the setting ``result_checks`` asks for."""
    named = [SECRETS] if SECRETS in kinds else []
    return (*named, PERSONAL) if any(kind not in (SECRETS, "none") for kind in kinds) else tuple(named)


@dataclass(frozen=True, slots=True)
class Contracts:
    """Holds results and answers of one guard's runs against their contracts. Safe to use from several threads."""

    control: ControlStore
    clock: Clock
    ids: Ids
    outbox: Outbox
    waiter: Waiter
    runs: Runs
    stop: Callable[[str, str, str, dict[str, Any]], None]  # run, by, reason, detail
    declared: Callable[[str], ToolDeclaration | None]
    settings: ContractSettings

    def check(
        self, call: ToolCall, verdict: Verdict, result: Any, found: tuple[Difference, ...]
    ) -> Broken | None:
        """The contract that a JSON-ready result breaks; ``found`` is what the code that ran the tool found itself."""
        running = self._running(call, verdict)
        tool = running.tool if running is not None else self.declared(call.tool)
        if tool is None:
            return broken_by(found, what_follows("", None))
        wanted = self.settings.wanted
        if tool.output is not None or wanted:
            found = (*result_differences(tool, result, self.settings.finds, wanted), *found)
        if not found:
            return None
        then = what_follows(tool.on_broken, tool.effect)
        if then is OnBroken.RETRY and not _may_repeat(tool):
            then = OnBroken.STOP
        return broken_by(found, then)

    def follow(self, call: ToolCall, verdict: Verdict, broken: Broken) -> None:
        """What follows a broken contract that the journal has. Raises Stopped where the run must not go on."""
        if broken.then is OnBroken.RECORD:
            return
        if broken.then is OnBroken.ASK and self._a_person_agrees(call, verdict, broken):
            return
        detail = {"tool": call.tool, "contract": broken.contract, "decision": verdict.decision.id}
        reason = f"the result of {call.tool} breaks its contract {broken.contract}"
        self.stop(call.run, STAGE, reason, detail)
        raise Stopped(f"the run was stopped: {reason}", by=STAGE, run=call.run, **detail)

    def answered(self, run: str, text: str) -> tuple[Answered, Broken | None]:
        """What is known of a final answer, and the contract that it breaks."""
        memory = self.runs.known(run)
        if memory is None:
            return Answered((), (), whole=False), None
        with memory.lock:
            words, seen = said(memory.labels.words), memory.labels.seen
            found = judge_answer(text, words, seen)
            whole = found.whole and not seen.full
        answered = replace(found, whole=whole)
        if not self.settings.must_cite or not answered.ungrounded or not whole:
            return answered, None
        named = tuple(
            Difference.of("must-cite", f"nobody gave {value[:80]!r}") for value in answered.ungrounded
        )
        return answered, broken_by(named, OnBroken.RECORD)

    def _running(self, call: ToolCall, verdict: Verdict) -> Any:
        memory = self.runs.known(call.run)
        if memory is None:
            return None
        with memory.lock:
            return memory.running.get(verdict.decision.id)

    def _a_person_agrees(self, call: ToolCall, verdict: Verdict, broken: Broken) -> bool:
        """Ask whether the run may go on with this result. Nobody's answer is no."""
        memory = self.runs.known(call.run)
        act: Act | None = None
        if memory is not None:
            with memory.lock:
                act = memory.asking.pop(verdict.decision.id, None)
        if act is None or act.exact is None or act.policies is None:
            return False
        because = f"the result of {call.tool} breaks its contract {broken.contract}"
        expires = self.clock.now() + self.settings.timeout_ns
        act.stage, act.ruling = STAGE, Ruling(Answer.HOLD, (because,), because, GROUP)
        act.loop, act.approval, act.hold, act.at = None, None, None, self.clock.now()
        decision = Decision(
            self.ids.new("dec"),
            Answer.HOLD,
            act.policies.digest,
            act.policies.state,
            (because,),
            because,
            GROUP,
        )
        people = Asked(GROUP, expires)
        bound, approval = bound_to(act, people), self.ids.new("apr")
        asked = requested(act, decision, approval, bound, people)
        shown = {**asked.body["shown"], WHAT: Content(act.clean("; ".join(broken.differs)), self.ids.salt())}
        self.outbox.write(
            [
                decision_entry(act, decision),
                replace(asked, body={**asked.body, "shown": shown, "editable": False}),
            ]
        )
        found = wait_for(self.control, self.clock, self.waiter, approval)
        if found.state is not ApprovalState.APPROVED:
            return False
        self.outbox.write([consumed(act, approval, bound)])
        return True


def _may_repeat(tool: ToolDeclaration) -> bool:
    return tool.effect in (Effect.NONE, Effect.READ) or tool.recovery in RETRIED
