"""The guard: decides tool calls, holds money for model calls, and keeps the journal true about both.

It implements ``sdk.runtime.Guard`` by shape. One tool call goes through ``authorize`` (the stages), is written down
by ``decided`` and ``effects``, and reaches the journal through the ``outbox``. The last act before an effect runs is
one transaction: consume the approval, take the hold, write the decision and the start of the effect. If that fails,
the effect does not run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final, NoReturn

from tallystick.app.acting import effects
from tallystick.app.acting.act import EFFECTS, Act, Clean
from tallystick.app.acting.authorize import Authority, authorize
from tallystick.app.acting.contracts import Contracts, ContractSettings
from tallystick.app.acting.decided import consumed, decision_entry, must_be_nameable
from tallystick.app.acting.faults import FAULT
from tallystick.app.acting.feed import Feed
from tallystick.app.acting.handing import HandingOver
from tallystick.app.acting.holding import Asking, Holding
from tallystick.app.acting.identity import Identities
from tallystick.app.acting.landing import Landing
from tallystick.app.acting.memory import RunMemory, Runs
from tallystick.app.acting.outbox import Outbox
from tallystick.app.acting.pins import Pins
from tallystick.app.acting.policies import PolicyBook
from tallystick.app.acting.spend import Purse
from tallystick.app.acting.switches import stop_detail, thrown, told
from tallystick.app.acting.waiting import Waiter
from tallystick.app.acting.watch import LoopWatch
from tallystick.cost.loops import LoopLimits, Rung
from tallystick.cost.rates import RateCard
from tallystick.model.contract import Broken
from tallystick.model.control import Answer, Decision, Switch, ToolCall
from tallystick.model.errors import OverBudget, Stopped, StoreFault, StoreFull, Unreachable
from tallystick.model.guarding import ModelCall, Permit, ToolDeclaration, Verdict
from tallystick.model.journal import Draft
from tallystick.model.labels import Integrity
from tallystick.model.masking import mask
from tallystick.model.step import EffectOutcome
from tallystick.model.usage import Usage
from tallystick.ports import Clock, ControlStore, Ids

DENIED: Final = "This action was not allowed."
LOOPING: Final = (
    "This call was not made: it repeats what was already done, with the same result. "
    "Use the result you have, try something else, or say that it cannot be done."
)


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """How the guard behaves: times in nanoseconds, money in nano-dollars; None is no limit."""

    run_budget_nano: int | None = None
    asking: Asking = field(default_factory=Asking)
    most_denials: int = 10
    tool_pins: bool = True  # a tool whose definition nobody accepted is refused; else it is only shown
    loops: LoopLimits = field(default_factory=LoopLimits)
    contracts: ContractSettings = field(default_factory=ContractSettings)


class RunGuard:
    """The decision path of one process. Blocking; safe to use from several threads."""

    def __init__(
        self, control: ControlStore, clock: Clock, ids: Ids, book: PolicyBook, rates: RateCard, *,
        waiter: Waiter, settings: GuardSettings | None = None, feed: Feed | None = None, clean: Clean = mask,
        process: Callable[[], str] = str,
        identities: Identities | None = None,
    ) -> None:  # fmt: skip
        """``feed`` is where the registry's changes come from; without one no registry is asked.

        ``clean`` takes out of arguments and results what the journal may not keep; decisions see them as they are.
        ``process`` names the process that runs the tools.
        """
        self._control = control
        self._clock = clock
        self._ids = ids
        self._clean = clean
        self._settings = settings or GuardSettings()
        self._outbox = Outbox(control, clock)
        self._purse = Purse(control, self._outbox, rates, clock, ids)
        self._house = Authority(
            book, self._purse, self._outbox, clock, ids, feed,
            None if feed is None else Pins(control, feed, book), self._settings.tool_pins,
            identities,
        )  # fmt: skip
        self._holding = Holding(self, control, clock, ids, self._outbox, waiter, self._settings.asking)
        self._runs = Runs(lambda: RunMemory(LoopWatch(self._settings.loops, self._ids)))
        self._landing = Landing(self._runs, book, self._purse, self._outbox, clock, ids, clean, process)
        self.contracts = Contracts(
            control, clock, ids, self._outbox, waiter, self._runs, self._write_stop, book.declared,
            replace(self._settings.contracts, timeout_ns=self._settings.asking.timeout_ns),
        )  # fmt: skip
        self.handing = None if identities is None else HandingOver(identities, self._memory)

    # -- runs ---------------------------------------------------------------------------------------------------

    def open_run(
        self, run: str, *, agent: str | None = None, workflow: str | None = None, budget_nano: int | None = None,
        words: str | None = None,
    ) -> None:  # fmt: skip
        """A run begins. ``budget_nano`` is its own hard budget; else the settings' default, if there is one.

        ``words`` is what the user said: what it names may be acted upon.
        """
        del agent, workflow
        limit = budget_nano if budget_nano is not None else self._settings.run_budget_nano
        self._runs.remember(run)
        if words:
            self.heard(run, words)
        if limit is not None and (budget_nano is not None or not self._purse.has_run_budget(run)):
            self._purse.set_run_budget(run, limit)

    def heard(self, run: str, words: str) -> None:
        """The user said something in a run."""
        memory = self._memory(run)
        with memory.lock:
            memory.labels.hear(words)

    def know(self, tools: Iterable[ToolDeclaration]) -> None:
        """Tools declared in code, so that rules about them are understood before their first call, and pinned."""
        known, house = list(tools), self._house
        if house.feed is not None:
            house.book.heed(house.feed.heard())
        house.book.know(known)
        if house.pins is not None:
            house.pins.show(known)

    def enforces(self) -> bool:
        """Whether rules are enforced here, so that a call which nobody can judge must not run, whatever its effect."""
        house = self._house
        if house.feed is not None:
            house.book.heed(house.feed.heard())
        return house.book.enforced

    def flush(self) -> None:
        """Write every decision that still waits for its group commit."""
        self._outbox.flush()

    def close(self) -> None:
        """Flush; the stores belong to whoever opened them."""
        self.flush()

    def _memory(self, run: str) -> RunMemory:
        known = self._runs.known(run)
        if known is not None:
            return known
        self.open_run(run)  # a run that nobody announced: it has the default budget all the same
        memory = self._runs.remember(run)
        with memory.lock:  # what it read, here before it was forgotten or in another process, nobody knows
            memory.labels.inherit(Integrity.THIRD_PARTY)
        return memory

    def must_not_be_stopped(self, run: str) -> None:
        """Raises Stopped for a run that is over."""
        entry = self._control.stopped(run)
        if entry is not None:
            by = str(entry.body.get("by"))
            raise Stopped(f"the run was stopped: {entry.body.get('reason')}", by=by, run=run)

    # -- tools --------------------------------------------------------------------------------------------------

    def before_tool(self, call: ToolCall, declaration: ToolDeclaration) -> Verdict:
        """Decide one call, wait for an approval if it is held, and take what it may cost.

        Raises Stopped or OverBudget when the whole run must end, Held where calls do not wait for people, BadInput for
        a call that no entry could name, and the store's faults: then nothing may run.
        """
        act, memory = self._begin(call, declaration)
        met = self._holding.met(act, memory)
        return met if met is not None else self._decide(act, memory)

    def _begin(self, call: ToolCall, declaration: ToolDeclaration) -> tuple[Act, RunMemory]:
        must_be_nameable(call)
        memory = self._memory(call.run)
        if memory.stopped or self._house.book.pin(declaration).tool.effect in EFFECTS:
            self.must_not_be_stopped(call.run)
        return Act(call, declaration, self._clock.now(), self._ids.salt(), clean=self._clean), memory

    def _decide(self, act: Act, memory: RunMemory) -> Verdict:
        """Take a call of which nothing was asked before through the stages, and do what they say."""
        self.judge(act, memory)
        assert act.ruling is not None
        if act.looping is Rung.REFUSED:
            return self.refuse_loop(act)
        if act.settled and act.ruling.answer is Answer.HOLD:
            return self._holding.held(act, memory)
        if act.settled:
            return self.deny(act, memory)
        return self.admit(act, memory)

    def judge(self, act: Act, memory: RunMemory) -> None:
        """Take a call through the stages. Raises Stopped where the loop rules end the run."""
        with memory.lock:
            authorize(act, self._house, memory)
        if act.looping is Rung.STOPPED:
            self._stop_for_loop(act)
        if act.stage == "switch" and act.switch is not None and act.switch.ends_runs:
            decision = self.decision(act)
            self._outbox.later([decision_entry(act, decision)])
            self._stop_by_switch(act.call.run, act.switch, decision.id)

    def admit(self, act: Act, memory: RunMemory, bound: str | None = None) -> Verdict:
        """Write what must stand before the call runs, then let it run. Raises OverBudget or Conflict.

        ``bound`` is the binding of the approval that is used up with it.
        """
        assert act.tool is not None
        assert act.loop is not None
        decision = self.decision(act)
        drafts = [*act.entries, decision_entry(act, decision)]
        if act.approval is not None:
            drafts.insert(0, consumed(act, act.approval, bound))
        risky, key = act.tool.effect in EFFECTS, None
        if risky:
            key = self._landing.key_for(act, effects.effect_id(decision.id))
            drafts.append(effects.started(act, decision, bound, self._landing.process(), key))
        try:
            if risky or act.hold is not None:
                self._outbox.write(drafts)
            else:
                self._outbox.later(drafts)
        except OverBudget as error:
            self._refuse_spend(act, decision, error)
        except (StoreFault, StoreFull, Unreachable) as fault:
            if not risky:
                raise
            return self.deny(act.refused(FAULT, (f"the journal cannot be written: {fault.message}",)), memory)
        with memory.lock:
            memory.let_through(decision.id, act)
        finding = act.loop.finding
        warned = finding.rung is Rung.WARNED
        return Verdict(
            True, decision, price_nano=act.tool.price_nano, looping=finding.rung >= Rung.MARKED,
            key=None if key is None else (act.tool.key, key), reconcile=act.tool.reconcile,
            redact=act.ruling.redact if act.ruling is not None else (),
            warning=f"Note: {finding.reason}. Asking again will not help." if warned else None,
        )  # fmt: skip

    def deny(self, act: Act, memory: RunMemory) -> Verdict:
        """Say no in the one sentence, count it, and stop the run that was told no too often."""
        decision = self.decision(act)
        drafts = [*(act.entries if act.stage == FAULT else ()), decision_entry(act, decision)]
        if (act.tool is None or act.tool.effect in EFFECTS) and act.stage != FAULT:
            self._outbox.write(drafts)
        else:  # what a fault refused is written as soon as it can be
            self._outbox.later(drafts)
        with memory.lock:
            memory.denials += 1
            denials = memory.denials
        if denials >= self._settings.most_denials:
            reason = f"{denials} of its calls were not allowed"
            self._write_stop(act.call.run, "denials", reason, {"denials": denials, "decision": decision.id})
            raise Stopped(f"the run was stopped: {reason}", by="denials", run=act.call.run)
        text = f"{DENIED} {decision.because}" if decision.because else DENIED
        return Verdict(False, decision, text)

    def refuse_loop(self, act: Act) -> Verdict:
        """Say that the run repeats itself."""
        decision = self.decision(act)
        self._outbox.later([decision_entry(act, decision)])
        return Verdict(False, decision, LOOPING, looping=True)

    def _refuse_spend(self, act: Act, decision: Decision, error: OverBudget) -> NoReturn:
        """Nothing of what was to be written stands: write the refusal in its place, and stop the run."""
        act.stage, act.approval = "budget", None
        refusal = replace(
            decision, answer=Answer.DENY, reasons=(error.message,), because=None, approval=None, hold=None
        )
        self._outbox.later([decision_entry(act, refusal)])
        self._stop_for_budget(act.call.run, error)

    # -- after a tool -------------------------------------------------------------------------------------------

    def after_tool(
        self, call: ToolCall, verdict: Verdict, outcome: EffectOutcome, *, result: Any, error: str | None,
        broken: Broken | None = None,
    ) -> None:  # fmt: skip
        """Journal what became of the call, settle its hold and feed the loop detector."""
        if verdict.allowed:
            self._memory(call.run)
            self._landing.came_back(call, verdict, outcome, result=result, error=error, broken=broken)

    # -- models -------------------------------------------------------------------------------------------------

    def before_model(self, call: ModelCall) -> Permit:
        """Hold the worst case of a model call. Raises OverBudget or Stopped, before anything is sent."""
        self._memory(call.run)
        self.must_not_be_stopped(call.run)
        if self._house.feed is not None:
            switch = thrown(self._house.feed.heard(), agent=call.agent, workflow=call.workflow)
            if switch is not None:
                self._stop_by_switch(call.run, switch)
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
        finding = act.loop.finding
        decision = self.decision(act)
        detail: dict[str, Any] = {
            "rule": finding.rule, "repeats": finding.repeats, "tool": act.call.tool, "decision": decision.id,
        }  # fmt: skip
        self._outbox.later([decision_entry(act, decision)])
        self._write_stop(act.call.run, "loop", finding.reason, detail)
        raise Stopped(f"the run was stopped: {finding.reason}", by="loop", run=act.call.run, **detail)

    def _stop_for_budget(self, run: str, error: OverBudget) -> NoReturn:
        self._write_stop(run, "budget", error.message, dict(error.detail))
        error.detail.setdefault("by", "budget")
        raise error

    def _stop_by_switch(self, run: str, switch: Switch, decision: str | None = None) -> NoReturn:
        detail = stop_detail(switch, decision)
        self._write_stop(run, "operator", told(switch), detail)
        raise Stopped(f"the run was stopped: {told(switch)}", by="operator", run=run, **detail)

    def _write_stop(self, run: str, by: str, reason: str, detail: dict[str, Any]) -> None:
        body = {"run": run, "by": by, "reason": reason, "detail": detail}
        self._outbox.write([Draft("run.stopped", run, body, run=run)])
        self._runs.remember(run).stopped = True

    def decision(self, act: Act) -> Decision:
        """The decision about a call as it stands."""
        assert act.ruling is not None
        assert act.policies is not None
        ruling = act.ruling
        return Decision(
            self._ids.new("dec"), ruling.answer, act.policies.digest, act.policies.state, ruling.reasons,
            ruling.because, ruling.group if ruling.answer is Answer.HOLD else None, act.approval, act.hold,
        )  # fmt: skip
