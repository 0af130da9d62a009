"""The views of a control store in memory: what its journal's entries come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tallystick.adapters.memory.people_views import MemoryPeopleViews
from tallystick.adapters.projections import Hold
from tallystick.model.control import Approval, Budget, Deed, Switch, Vouched
from tallystick.model.journal import Entry


@dataclass(slots=True)
class MemoryViews(MemoryPeopleViews):
    """The views as dictionaries; see ``projections.Views``."""

    approvals: dict[str, Approval] = field(default_factory=dict)
    budgets: dict[str, Budget] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    stopped: dict[str, Entry] = field(default_factory=dict)
    attested: dict[str, int] = field(default_factory=dict)
    switches: dict[str, Switch] = field(default_factory=dict)
    vouched: dict[str, Vouched] = field(default_factory=dict)
    journal: list[Entry] = field(default_factory=list, compare=False, repr=False, metadata={"shared": True})
    effects: dict[str, Deed] = field(default_factory=dict)

    def put_approval(self, approval: Approval) -> None:
        """Add or replace one approval."""
        self.approvals[approval.id] = approval

    def get_approval(self, approval: str) -> Approval | None:
        """One approval by its whole id."""
        return self.approvals.get(approval)

    def put_vouched(self, vouched: Vouched) -> None:
        """Add or replace what somebody vouched for."""
        self.vouched[vouched.id] = vouched

    def get_vouched(self, vouched: str) -> Vouched | None:
        """What somebody vouched for, by its id."""
        return self.vouched.get(vouched)

    def time_before(self, seq: int) -> int:
        """When the newest entry before one was written; 0 without any."""
        before = min(seq - 1, len(self.journal))
        return self.journal[before - 1].at if before > 0 else 0

    def put_budget(self, budget: Budget) -> None:
        """Add or replace one budget by name."""
        self.budgets[budget.name] = budget

    def budgets_on(self, scope: str) -> Sequence[Budget]:
        """Budgets whose scope is exactly this one, by name."""
        return sorted((one for one in self.budgets.values() if one.scope == scope), key=lambda one: one.name)

    def put_hold(self, hold: Hold) -> None:
        """Add or replace one hold."""
        self.holds[hold.id] = hold

    def get_hold(self, hold: str) -> Hold | None:
        """One hold by id."""
        return self.holds.get(hold)

    def expired_holds(self, at: int) -> Sequence[Hold]:
        """Holds that nobody settled and whose time is up, oldest first."""
        found = [one for one in self.holds.values() if not one.settled and one.expires <= at]
        return sorted(found, key=lambda one: (one.expires, one.id))

    def put_stopped(self, run: str, entry: Entry) -> None:
        """Remember the entry that stopped a run; the first one stays."""
        self.stopped.setdefault(run, entry)

    def put_switch(self, switch: Switch) -> None:
        """Add or replace one switch."""
        self.switches[switch.scope] = switch

    def get_switch(self, scope: str) -> Switch | None:
        """The switch that is thrown for a scope."""
        return self.switches.get(scope)

    def drop_switch(self, scope: str) -> None:
        """Forget a switch."""
        del self.switches[scope]

    def put_effect(self, deed: Deed) -> None:
        """Add or replace one effect."""
        self.effects[deed.effect] = deed

    def get_effect(self, effect: str) -> Deed | None:
        """One effect by its whole id."""
        return self.effects.get(effect)

    def get_attested(self, run: str) -> int:
        """How many records of a run are in the journal."""
        return self.attested.get(run, 0)

    def put_attested(self, run: str, count: int) -> None:
        """Remember how many records of a run are in the journal."""
        self.attested[run] = count
