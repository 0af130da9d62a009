"""The guard: decides tool calls, holds money for model calls, and keeps the journal true about both.

It implements ``sdk.runtime.Guard`` by shape. The last act before an effect runs is one transaction: consume the
approval, take the hold, write the decision and the start of the effect. If that fails, the effect does not run.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final, NoReturn

from tallystick.app.authorize import EFFECTS, Act, Authority, arguments_digest, authorize, binding
from tallystick.app.outbox import Outbox
from tallystick.app.policies import PolicyBook
from tallystick.app.spend import Purse, Settlement
from tallystick.app.waiting import Waiter, wait_for
from tallystick.cost.loops import LoopDetector, LoopLimits, Rung
from tallystick.cost.rates import RateCard
from tallystick.govern.decide import Ruling
from tallystick.model.canonical import digest
from tallystick.model.control import Answer, ApprovalState, Decision, ToolCall
from tallystick.model.errors import BadInput, Conflict, OverBudget, Stopped
from tallystick.model.guarding import ModelCall, Permit, ToolDeclaration, Verdict
from tallystick.model.journal import Draft
from tallystick.model.masking import mask
from tallystick.model.step import Effect, EffectOutcome
from tallystick.model.usage import Usage
from tallystick.ports import Clock, ControlStore, Ids

DENIED: Final = "This action was not allowed."
LOOPING: Final = (
    "This call was not made: it repeats what was already done, with the same result. "
    "Use the result you have, try something else, or say that it cannot be done."
)
_REMEMBERED_RUNS: Final = 1_000


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """How the guard behaves: times in nanoseconds, money in nano-dollars; None is no limit."""

    run_budget_nano: int | None = None
    approval_timeout_ns: int = 300_000_000_000
    most_denials: int = 10
    loops: LoopLimits = field(default_factory=LoopLimits)


@dataclass(slots=True)
class _RunMemory:
    """What the guard remembers of a run in this process."""

    loops: LoopDetector
    lock: threading.Lock = field(default_factory=threading.Lock)
    denials: int = 0
    stopped: bool = False


class RunGuard:
    """The decision path of one process. Blocking; safe to use from several threads."""

    def __init__(
        self, control: ControlStore, clock: Clock, ids: Ids, book: PolicyBook, rates: RateCard, *,
        waiter: Waiter, settings: GuardSettings | None = None,
    ) -> None:  # fmt: skip
        self._control = control
        self._clock = clock
        self._ids = ids
        self._waiter = waiter
        self._settings = settings or GuardSettings()
        self._outbox = Outbox(control, clock)
        self._purse = Purse(control, self._outbox, rates, clock, ids)
        self._house = Authority(book, self._purse, self._outbox, clock, ids)
        self._runs: OrderedDict[str, _RunMemory] = OrderedDict()
        self._lock = threading.Lock()

    # -- runs ---------------------------------------------------------------------------------------------------

    def open_run(
        self, run: str, *, agent: str | None = None, workflow: str | None = None, budget_nano: int | None = None
    ) -> None:  # fmt: skip
        """A run begins. ``budget_nano`` is its own hard budget; else the settings' default, if there is one."""
        del agent, workflow
        limit = budget_nano if budget_nano is not None else self._settings.run_budget_nano
        with self._lock:
            self._remember(run)
        if limit is not None and (budget_nano is not None or not self._purse.has_run_budget(run)):
            self._purse.set_run_budget(run, limit)

    def know(self, tools: Iterable[ToolDeclaration]) -> None:
        """Tools declared in code, so that rules about them are understood before their first call."""
        self._house.book.know(tools)

    def flush(self) -> None:
        """Write every decision that still waits for its group commit."""
        self._outbox.flush()

    def close(self) -> None:
        """Flush; the stores belong to whoever opened them."""
        self.flush()

    def _memory(self, run: str) -> _RunMemory:
        with self._lock:
            known = self._runs.get(run)
            if known is not None:
                self._runs.move_to_end(run)
                return known
        self.open_run(run)  # a run that nobody announced: it has the default budget all the same
        with self._lock:
            return self._remember(run)

    def _remember(self, run: str) -> _RunMemory:
        memory = self._runs.get(run)
        if memory is None:
            memory = self._runs[run] = _RunMemory(LoopDetector(self._settings.loops))
            while len(self._runs) > _REMEMBERED_RUNS:
                self._runs.popitem(last=False)
        return memory

    def _must_not_be_stopped(self, run: str) -> None:
        entry = self._control.stopped(run)
        if entry is not None:
            by = str(entry.body.get("by"))
            raise Stopped(f"the run was stopped: {entry.body.get('reason')}", by=by, run=run)

    # -- tools --------------------------------------------------------------------------------------------------

    def before_tool(self, call: ToolCall, declaration: ToolDeclaration) -> Verdict:
        """Decide one call, wait for an approval if it is held, and take what it may cost.

        Raises Stopped or OverBudget when the whole run must end, and the store's faults: then nothing may run.
        """
        memory = self._memory(call.run)
        if memory.stopped or self._house.book.pin(declaration).effect in EFFECTS:
            self._must_not_be_stopped(call.run)
        with memory.lock:
            act = authorize(Act(call, declaration), self._house, memory.loops)
            rung = act.loop.rung if act.loop is not None else Rung.CLEAR
            if rung is Rung.STOPPED:
                self._stop_for_loop(act)
            if rung is Rung.REFUSED:
                return self._refuse_loop(act, memory)
        assert act.ruling is not None
        if act.settled and act.ruling.answer is Answer.HOLD:
            return self._held(act, memory)
        if act.settled:
            return self._deny(act, memory)
        return self._admit(act)

    def _admit(self, act: Act, approval: str | None = None, bound: str | None = None) -> Verdict:
        """Write what must stand before the call runs, then let it run. Raises OverBudget or Conflict."""
        assert act.tool is not None
        decision = self._decision(act, approval=approval)
        drafts = [*act.entries]
        if approval is not None:
            drafts.insert(
                0, self._draft("approval.consumed", approval, act, {"approval": approval, "binding": bound})
            )
        drafts.append(self._decided(act, decision))
        risky = act.tool.effect in EFFECTS
        if risky:
            effect = _effect_id(decision.id)
            body = {
                "effect": effect, "decision": decision.id, "run": act.call.run, "tool": act.call.tool,
                "binding": bound or arguments_digest(act),
            }  # fmt: skip
            drafts.append(self._draft("effect.started", effect, act, body))
        try:
            if risky or act.hold is not None:
                self._outbox.write(drafts)
            else:
                self._outbox.later(drafts)
        except OverBudget as error:
            refusal = replace(
                decision, answer=Answer.DENY, reasons=(error.message,), approval=None, hold=None
            )
            self._outbox.later([self._decided(act, refusal)])
            self._stop_for_budget(act.call.run, error)
        looping = act.loop is not None and act.loop.rung >= Rung.MARKED
        warned = act.loop is not None and act.loop.rung is Rung.WARNED
        return Verdict(
            True, decision, price_nano=act.tool.price_nano, looping=looping,
            warning=f"Note: {act.loop.reason}. Asking again will not help." if warned and act.loop else None,
        )  # fmt: skip

    def _deny(self, act: Act, memory: _RunMemory) -> Verdict:
        """Say no in the one sentence, count it, and stop the run that was told no too often."""
        assert act.ruling is not None
        decision = replace(self._decision(act), answer=Answer.DENY, group=None)
        drafts = [self._decided(act, decision)]
        if act.tool is None or act.tool.effect in EFFECTS:
            self._outbox.write(drafts)
        else:
            self._outbox.later(drafts)
        with memory.lock:
            memory.denials += 1
            denials = memory.denials
        if denials >= self._settings.most_denials:
            reason = f"{denials} of its calls were not allowed"
            self._write_stop(act.call.run, "denials", reason, {"denials": denials, "last": decision.id})
            raise Stopped(f"the run was stopped: {reason}", by="denials", run=act.call.run)
        text = f"{DENIED} {decision.because}" if decision.because else DENIED
        return Verdict(False, decision, text)

    def _refuse_loop(self, act: Act, memory: _RunMemory) -> Verdict:
        assert act.loop is not None
        effect = act.tool.effect if act.tool is not None else None
        memory.loops.refused(act.call.tool, act.call.arguments, at=self._clock.now(), effect=effect)
        decision = self._decision(act)
        self._outbox.later([self._decided(act, decision)])
        return Verdict(False, decision, LOOPING, looping=True)

    # -- approvals ----------------------------------------------------------------------------------------------

    def _held(self, act: Act, memory: _RunMemory) -> Verdict:
        """Ask, wait, decide again. Only an approval of exactly this call under exactly these rules lets it through."""
        assert act.ruling is not None
        assert act.tool is not None
        assert act.policies is not None
        group = act.ruling.group or ""
        expires = self._clock.now() + self._settings.approval_timeout_ns
        bound = self._bind(act, group, expires)
        if bound is None:
            act.ruling = Ruling(
                Answer.DENY, (*act.ruling.reasons, "the arguments cannot be shown to anybody exactly")
            )
            return self._deny(act, memory)
        approval = self._ask(act, group, expires, bound)
        found = wait_for(self._control, self._clock, self._waiter, approval)
        if found.state is not ApprovalState.APPROVED:
            word = (
                "nobody answered in time"
                if found.state is ApprovalState.EXPIRED
                else f"{found.state.value} by {found.by}"
            )
            act.ruling = Ruling(Answer.DENY, (*act.ruling.reasons, word), act.ruling.because)
            return self._deny(act, memory)
        self._must_not_be_stopped(act.call.run)
        again = Act(act.call, act.given, frozenset({group}))
        with memory.lock:
            authorize(again, self._house, memory.loops)
        assert again.ruling is not None
        if again.settled:
            again.ruling = again.ruling.with_reason("it was approved, and decided anew")
            return self._deny(again, memory)
        if self._bind(again, group, expires) != bound:
            again.ruling = Ruling(Answer.DENY, ("the call or the rules are not those that were approved",))
            return self._deny(again, memory)
        try:
            return self._admit(again, approval, bound)
        except Conflict as error:
            again.ruling = Ruling(Answer.DENY, (f"the approval could not be used: {error.message}",))
            again.hold = None
            return self._deny(again, memory)

    def _ask(self, act: Act, group: str, expires: int, bound: str) -> str:
        assert act.ruling is not None
        decision = self._decision(act)
        approval = self._ids.new("apr")
        body = {
            "approval": approval, "decision": decision.id, "run": act.call.run, "agent": act.call.agent,
            "tool": act.call.tool, "arguments": mask(dict(act.call.arguments)), "binding": bound, "group": group,
            "because": act.ruling.because, "expires_ns": expires,
        }  # fmt: skip
        asked = self._draft("approval.requested", approval, act, body)
        self._outbox.write([self._decided(act, decision), asked])
        return approval

    @staticmethod
    def _bind(act: Act, group: str, expires: int) -> str | None:
        assert act.tool is not None
        assert act.policies is not None
        try:
            return binding(act.call, act.tool, act.policies, group=group, expires=expires)
        except BadInput:
            return None

    # -- after a tool -------------------------------------------------------------------------------------------

    def after_tool(
        self, call: ToolCall, verdict: Verdict, outcome: EffectOutcome, *, result: Any, error: str | None
    ) -> None:
        """Journal what became of the effect, settle the hold and feed the loop detector."""
        if not verdict.allowed:
            return
        memory = self._memory(call.run)
        tool = self._house.book.current().policies.tools.get(call.tool)
        effect = tool.effect if tool is not None else None
        with memory.lock:
            memory.loops.after(
                call.tool, call.arguments, at=self._clock.now(), effect=effect, result=result, error=error
            )
        drafts: list[Draft] = []
        if effect in EFFECTS:
            key = _effect_id(verdict.decision.id)
            body = {
                "effect": key,
                "outcome": outcome.value,
                "error": mask(error),
                "result_digest": _digest(result),
            }
            drafts.append(Draft("effect.ended", key, body, run=call.run, actor=call.agent))
        if verdict.decision.hold is not None:
            settlement = _tool_settlement(verdict.price_nano or 0, outcome, effect)
            drafts.append(self._purse.settled(verdict.decision.hold, settlement, run=call.run))
        if drafts:
            self._outbox.write(drafts)

    # -- models -------------------------------------------------------------------------------------------------

    def before_model(self, call: ModelCall) -> Permit:
        """Hold the worst case of a model call. Raises OverBudget or Stopped, before anything is sent."""
        self._memory(call.run)
        self._must_not_be_stopped(call.run)
        try:
            return self._purse.before(call)
        except OverBudget as error:
            self._stop_for_budget(call.run, error)

    def after_model(self, call: ModelCall, permit: Permit, usage: Usage | None, *, model: str | None) -> None:
        """Settle once; unknown usage settles at the held amount."""
        self._purse.after(call, permit, usage, model=model)

    # -- stopping -----------------------------------------------------------------------------------------------

    def _stop_for_loop(self, act: Act) -> NoReturn:
        assert act.loop is not None
        detail: dict[str, Any] = {"rule": act.loop.rule, "repeats": act.loop.repeats, "tool": act.call.tool}
        decision = self._decision(act)
        self._outbox.later([self._decided(act, decision)])
        self._write_stop(act.call.run, "loop", act.loop.reason, detail)
        raise Stopped(f"the run was stopped: {act.loop.reason}", by="loop", run=act.call.run, **detail)

    def _stop_for_budget(self, run: str, error: OverBudget) -> NoReturn:
        self._write_stop(run, "budget", error.message, dict(error.detail))
        error.detail.setdefault("by", "budget")
        raise error

    def _write_stop(self, run: str, by: str, reason: str, detail: dict[str, Any]) -> None:
        body = {"run": run, "by": by, "reason": reason, "detail": detail}
        self._outbox.write([Draft("run.stopped", run, body, run=run)])
        with self._lock:
            self._remember(run).stopped = True

    # -- entries ------------------------------------------------------------------------------------------------

    def _decision(self, act: Act, approval: str | None = None) -> Decision:
        assert act.ruling is not None
        assert act.policies is not None
        ruling = act.ruling
        return Decision(
            self._ids.new("dec"), ruling.answer, act.policies.digest, act.policies.state, ruling.reasons,
            ruling.because, ruling.group, approval, act.hold,
        )  # fmt: skip

    def _decided(self, act: Act, decision: Decision) -> Draft:
        body = {
            "decision": decision.id, "run": act.call.run, "step": act.call.step, "agent": act.call.agent,
            "tool": act.call.tool, "tool_digest": act.call.tool_digest,
            "arguments_digest": arguments_digest(act), "answer": decision.answer.value,
            "reasons": list(decision.reasons), "policy_digest": decision.policy_digest,
            "policy_state": decision.policy_state.value, "approval": decision.approval, "hold": decision.hold,
        }  # fmt: skip
        return self._draft("decision.made", decision.id, act, body)

    @staticmethod
    def _draft(kind: str, subject: str, act: Act, body: dict[str, Any]) -> Draft:
        return Draft(kind, subject, body, run=act.call.run, actor=act.call.agent or "tallystick")


def _effect_id(decision: str) -> str:
    """The id of a decision's one effect."""
    return "eff_" + decision.partition("_")[2]


def _digest(result: Any) -> str | None:
    try:
        return digest(result)
    except (BadInput, RecursionError):
        return None


def _tool_settlement(price_nano: int, outcome: EffectOutcome, effect: Effect | None) -> Settlement:
    """A tool is paid when it ran, or may have run; an effect that surely did not happen costs nothing."""
    if outcome is EffectOutcome.DID_NOT_HAPPEN and effect in EFFECTS:
        return Settlement(0, "released")
    return Settlement(price_nano, "reported" if outcome is EffectOutcome.LANDED else "assumed")
