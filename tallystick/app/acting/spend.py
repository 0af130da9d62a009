"""Spend: money is held before a model or a priced tool is called, and settled once afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tallystick.app.acting.outbox import Outbox
from tallystick.app.recording.pricing import CardNotice
from tallystick.cost.budget import Reservation, Short, reserve, scopes
from tallystick.cost.estimate import Bound, bound
from tallystick.cost.rates import RateCard
from tallystick.model.control import Budget
from tallystick.model.errors import OverBudget
from tallystick.model.guarding import ModelCall, Permit
from tallystick.model.journal import Draft
from tallystick.model.money import usd_text
from tallystick.model.usage import Usage
from tallystick.ports import Clock, ControlStore, Ids

_LEASE_NS: Final = 3_600_000_000_000  # a hold whose taker died is given up after an hour
_TRIES: Final = 4
EVERY_RUN: Final = "run:*"


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a call really cost: ``basis`` is reported, assumed (unknown, so what was held) or released."""

    spent_nano: int
    basis: str


class Purse:
    """Holds and settles against the budgets of the control store."""

    def __init__(
        self, control: ControlStore, outbox: Outbox, rates: RateCard, clock: Clock, ids: Ids
    ) -> None:
        self._control = control
        self._outbox = outbox
        self._rates = rates
        self._clock = clock
        self._ids = ids
        self._notice = CardNotice(control, rates)
        self._limited: set[str] = set()

    def budgets(self, named: Sequence[str]) -> list[Budget]:
        """The budgets that limit any of these scopes; one that holds for every run counts as this run's, unspent."""
        found: list[Budget] = []
        for scope in named:
            exact = [one for one in self._control.budgets(scope) if one.scope == scope]
            found.extend(exact)
            if scope.startswith("run:") and not exact:
                found.extend(one for one in self._control.budgets(EVERY_RUN) if one.scope == EVERY_RUN)
        return found

    def set_run_budget(self, run: str, limit_nano: int, *, actor: str = "tallystick") -> None:
        """Give one run a hard budget of its own."""
        body = {"budget": f"run:{run}", "scope": f"run:{run}", "limit_nano": limit_nano, "mode": "hard"}
        self._outbox.write([Draft("budget.set", f"run:{run}", body, run=run, actor=actor)])

    def limit(self, scope: str, limit_nano: int) -> None:
        """Give a scope a hard budget, unless it has one."""
        if scope in self._limited:
            return
        if not self.budgets([scope]):
            body = {"budget": scope, "scope": scope, "limit_nano": limit_nano, "mode": "hard"}
            self._outbox.write([Draft("budget.set", scope, body)])
        self._limited.add(scope)

    def has_run_budget(self, run: str) -> bool:
        """Whether any budget limits this run as a run."""
        return bool(self.budgets([f"run:{run}"]))

    def before(self, call: ModelCall) -> Permit:
        """Hold the worst case of a model call in every scope. Raises OverBudget; then nothing is held."""
        named = scopes(run=call.run, agent=call.agent, workflow=call.workflow)
        limit = bound(call.request)
        refusal: OverBudget | None = None
        for _ in range(_TRIES):
            budgets = self.budgets(named)
            if not budgets:
                return Permit(None)
            hard = [one for one in budgets if one.mode == "hard"]
            wanted = self._reservation(call, limit, hard)
            if wanted is None:
                return Permit(None)
            self._notice.give()
            hold = self._ids.new("hld")
            try:
                self._outbox.write([self.taken(hold, wanted.nano, named, run=call.run, what="model")])
            except OverBudget as error:
                refusal = error  # somebody else was faster: look again at what is left
                continue
            return Permit(hold, wanted.nano, wanted.max_tokens if hard else None)
        assert refusal is not None
        raise refusal

    def _reservation(self, call: ModelCall, limit: Bound, hard: list[Budget]) -> Reservation | None:
        """What to hold; None when nothing can be held and no hard budget minds. Raises OverBudget."""
        rates = self._rates.rates(
            call.provider, call.model, at=self._clock.now(), input_tokens=limit.input_tokens or 0
        )
        if rates is None or limit.input_tokens is None:
            if not hard:
                return None
            reason = (
                limit.why if limit.input_tokens is None else f"model {call.model or 'unknown'} has no price"
            )
            raise OverBudget(
                f"the call cannot be priced, and budget {hard[0].name} is hard: {reason}",
                hint="use a model of the rate card, or a soft budget", scope=hard[0].scope, reason=reason,
                limit_nano=hard[0].limit_nano, needed_nano=None,
            )  # fmt: skip
        if not hard:
            wanted = reserve(limit, rates, call.model, headroom_nano=2**62)
            assert isinstance(wanted, Reservation)
            return wanted
        tightest = self._tightest(hard)
        answer = reserve(limit, rates, call.model, headroom_nano=_available(tightest))
        if isinstance(answer, Short):
            raise self._over(tightest, answer.needed_nano)
        return answer

    @staticmethod
    def _tightest(budgets: list[Budget]) -> Budget:
        return min(budgets, key=_available)

    @staticmethod
    def _over(budget: Budget, needed_nano: int) -> OverBudget:
        left = _available(budget)
        return OverBudget(
            f"budget {budget.name} has {usd_text(left)} left of {usd_text(budget.limit_nano)}, "
            f"and the call may cost {usd_text(needed_nano)}",
            hint="raise the budget, or ask for less output", scope=budget.scope, limit_nano=budget.limit_nano,
            needed_nano=needed_nano, spent_nano=budget.spent_nano, held_nano=budget.held_nano,
        )  # fmt: skip

    def after(
        self, call: ModelCall, permit: Permit, usage: Usage | None, *, model: str | None
    ) -> Settlement | None:
        """Settle the hold of a model call once; None when nothing was held. Raises Conflict when it was settled."""
        if permit.hold is None:
            return None
        settlement = Settlement(permit.held_nano, "assumed")
        if usage is not None:
            nano, _gap = self._rates.price(call.provider, model or call.model, usage, at=self._clock.now())
            if nano is None and model is not None:
                nano, _gap = self._rates.price(call.provider, call.model, usage, at=self._clock.now())
            if nano is not None:
                settlement = Settlement(nano, "reported")
        self._outbox.write([self.settled(permit.hold, settlement, run=call.run)])
        return settlement

    def taken(self, hold: str, nano: int, named: Sequence[str], *, run: str, what: str) -> Draft:
        """The entry that takes a hold."""
        body = {
            "hold": hold, "amount_nano": nano, "scopes": list(named), "run": run, "for": what,
            "expires_ns": self._clock.now() + _LEASE_NS,
        }  # fmt: skip
        return Draft("hold.taken", hold, body, run=run)

    @staticmethod
    def settled(hold: str, settlement: Settlement, *, run: str) -> Draft:
        """The entry that settles a hold."""
        body = {"hold": hold, "spent_nano": settlement.spent_nano, "basis": settlement.basis}
        return Draft("hold.settled", hold, body, run=run)


def _available(budget: Budget) -> int:
    return budget.limit_nano - budget.spent_nano - budget.held_nano
