"""What each journal entry does to the views, and what must hold before it may be written.

One small function per entry kind, the same for every control store and for append and rebuild alike; a store only
supplies ``Views`` to read and write rows. A function raises before it changes anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from tallystick.adapters.people_projections import PEOPLE_KINDS, PeopleViews, check_answerer
from tallystick.adapters.registry_projections import REGISTRY_KINDS, RegistryViews, check_name
from tallystick.adapters.sealing import open_body
from tallystick.model.commitment import Opening
from tallystick.model.control import Approval, ApprovalState, Budget, Switch, switch_scope
from tallystick.model.errors import BadInput, Conflict, OverBudget, UnknownThing
from tallystick.model.journal import Draft, Entry, commitments_of
from tallystick.model.money import usd_text

MODES: Final = ("hard", "soft", "observe")
EVERY_RUN: Final = "run:*"
_CONTENTS: Final[dict[str, tuple[str, ...] | None]] = {  # fields that may hold contents; None: any
    "approval.requested": ("arguments", "shown"),
    "approval.answered": ("note",),
    "run.stopped": None,
    "content.erased": ("subject",),  # whose contents they were is known by who asked, and is not kept
}
_ANSWERS: Final = (ApprovalState.APPROVED.value, ApprovalState.REJECTED.value)


@dataclass(frozen=True, slots=True)
class Hold:
    """Money reserved in some scopes; ``settled`` once it was paid or given back."""

    id: str
    amount_nano: int
    scopes: tuple[str, ...]  # those that had a budget when it was taken
    expires: int
    settled: bool = False
    budgets: tuple[str, ...] = ()  # names of the budgets that hold the money: only these give it back


class Views(RegistryViews, PeopleViews, Protocol):
    """The rows that entries change, keyed as their names say. ``get`` methods return None for what is not there."""

    def put_approval(self, approval: Approval) -> None:
        """Add or replace one approval."""
        ...

    def get_approval(self, approval: str) -> Approval | None:
        """One approval by its whole id."""
        ...

    def put_budget(self, budget: Budget) -> None:
        """Add or replace one budget by name."""
        ...

    def budgets_on(self, scope: str) -> Sequence[Budget]:
        """Budgets whose scope is exactly this one, by name."""
        ...

    def put_hold(self, hold: Hold) -> None:
        """Add or replace one hold."""
        ...

    def get_hold(self, hold: str) -> Hold | None:
        """One hold by id."""
        ...

    def expired_holds(self, at: int) -> Sequence[Hold]:
        """Holds that nobody settled and whose time is up, oldest first."""
        ...

    def put_stopped(self, run: str, entry: Entry) -> None:
        """Remember the entry that stopped a run; the first one stays."""
        ...

    def put_switch(self, switch: Switch) -> None:
        """Add or replace one switch."""
        ...

    def get_switch(self, scope: str) -> Switch | None:
        """The switch that is thrown for a scope."""
        ...

    def drop_switch(self, scope: str) -> None:
        """Forget a switch."""
        ...

    def get_attested(self, run: str) -> int:
        """How many records of a run are in the journal."""
        ...

    def put_attested(self, run: str, count: int) -> None:
        """Remember how many records of a run are in the journal."""
        ...


def apply(views: Views, entry: Entry, openings: Sequence[Opening]) -> None:
    """Check one entry against the views and apply it; contents that ``openings`` do not give count as None.

    Raises OverBudget, Conflict, UnknownThing or BadInput.
    """
    function = _KINDS.get(entry.kind)
    if function is not None:
        try:
            if openings:
                _check_contents(entry)
            function(views, entry, open_body(entry, openings))
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(f"a {entry.kind} entry is not complete: {error!r}") from error
    elif entry.kind not in _KINDS:
        raise BadInput(f"the journal has no entry kind {entry.kind!r}")


def concerns_views(kind: str) -> bool:
    """Whether entries of a kind change any view."""
    return _KINDS.get(kind) is not None


def _check_contents(entry: Entry) -> None:
    """A content may be erased, so a view must be able to do without it."""
    allowed = _CONTENTS.get(entry.kind, ())
    if allowed is not None:
        for name, value in entry.body.items():
            if name not in allowed and commitments_of(value):
                raise BadInput(f"{name!r} of a {entry.kind} entry cannot be a content that may be erased")


def forget(views: Views, entry: Entry, openings: Sequence[Opening]) -> None:
    """Take out of the views what came from contents of an entry that are erased now."""
    body = open_body(entry, openings)
    if entry.kind in ("approval.requested", "approval.answered"):
        found = views.get_approval(body["approval"])
        if found is not None and entry.kind == "approval.requested":
            views.put_approval(replace(found, arguments=_arguments_shown(body)))
        elif found is not None:
            views.put_approval(replace(found, note=body["note"]))


def lapsed(views: Views, drafts: Sequence[Draft], at: int) -> list[Draft]:
    """Settlements of holds whose time is up, to be written before new money is held: worst case, they were spent."""
    if not any(draft.kind == "hold.taken" for draft in drafts):
        return []
    return [
        Draft("hold.settled", hold.id, {"hold": hold.id, "spent_nano": hold.amount_nano, "basis": "assumed"})
        for hold in views.expired_holds(at)
    ]


def _approval_requested(views: Views, entry: Entry, body: Mapping[str, Any]) -> None:
    if views.get_approval(body["approval"]) is not None:
        raise Conflict(f"approval {body['approval']} was requested before")
    views.put_approval(
        Approval(
            body["approval"], ApprovalState.WAITING, body["decision"], body["run"], body["agent"], body["tool"],
            _arguments_shown(body), body["binding"], body["group"], body["because"], entry.at,
            int(body["expires_ns"]),
        )
    )  # fmt: skip


def _arguments_shown(body: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a held call as people see them: what is not kept as it is stands there as ``shown``."""
    arguments = {**(body["arguments"] or {}), **(body.get("shown") or {})}
    whole = arguments.get("*")  # committed to as one, because an entry could not name them all
    return dict(whole) if len(arguments) == 1 and isinstance(whole, dict) else arguments


def _waiting(views: Views, approval: str) -> Approval:
    found = views.get_approval(approval)
    if found is None:
        raise UnknownThing(f"there is no approval {approval!r}", hint="tally approvals ls")
    if found.state is not ApprovalState.WAITING:
        who = f" by {found.by}" if found.by else ""
        raise Conflict(f"approval {found.id} is {found.state.value}{who}", hint="tally approvals ls")
    return found


def _approval_answered(views: Views, entry: Entry, body: Mapping[str, Any]) -> None:
    if body["answer"] not in _ANSWERS:
        raise BadInput(f"{body['answer']!r} is no answer to an approval", hint="approved or rejected")
    if not isinstance(body["note"], str | None):
        raise BadInput("the note of an answer is a text")
    found = _waiting(views, body["approval"])
    if entry.at >= found.expires:
        raise Conflict(f"approval {found.id} is past its time", hint="tally approvals ls")
    check_answerer(views, entry, body, found.group)
    views.put_approval(
        replace(
            found, state=ApprovalState(body["answer"]), answered=entry.at, by=body["by"], note=body["note"]
        )
    )


def _approval_expired(views: Views, _entry: Entry, body: Mapping[str, Any]) -> None:
    views.put_approval(replace(_waiting(views, body["approval"]), state=ApprovalState.EXPIRED))


def _approval_consumed(views: Views, entry: Entry, body: Mapping[str, Any]) -> None:
    found = views.get_approval(body["approval"])
    if found is None:
        raise UnknownThing(f"there is no approval {body['approval']!r}", hint="tally approvals ls")
    if found.state is not ApprovalState.APPROVED:
        raise Conflict(f"approval {found.id} is {found.state.value}, not approved")
    if found.binding != body["binding"]:
        raise Conflict(f"approval {found.id} was given for something else")
    if entry.at >= found.expires:
        raise Conflict(f"approval {found.id} is past its time")
    views.put_approval(replace(found, state=ApprovalState.CONSUMED))


def _budget_set(views: Views, _entry: Entry, body: Mapping[str, Any]) -> None:
    if body["mode"] not in MODES:
        raise BadInput(f"a budget has no mode {body['mode']!r}", hint="modes: " + ", ".join(MODES))
    known = [one for one in views.budgets_on(body["scope"]) if one.name == body["budget"]]
    base = known[0] if known else Budget(body["budget"], body["scope"], 0)
    views.put_budget(replace(base, limit_nano=int(body["limit_nano"]), mode=body["mode"]))


def _hold_taken(views: Views, _entry: Entry, body: Mapping[str, Any]) -> None:
    amount = int(body["amount_nano"])
    if amount < 0:
        raise BadInput("a hold cannot be negative")
    if views.get_hold(body["hold"]) is not None:
        raise Conflict(f"hold {body['hold']} was taken before")
    touched = [one for scope in dict.fromkeys(body["scopes"]) for one in budgets_for(views, scope)]
    for one in touched:
        if one.mode == "hard" and one.spent_nano + one.held_nano + amount > one.limit_nano:
            raise _over(one, amount)
    for one in touched:
        views.put_budget(replace(one, held_nano=one.held_nano + amount))
    scopes = tuple(dict.fromkeys(one.scope for one in touched))
    names = tuple(one.name for one in touched)
    views.put_hold(Hold(body["hold"], amount, scopes, int(body["expires_ns"]), budgets=names))


def budgets_for(views: Views, scope: str) -> list[Budget]:
    """The budgets that limit a scope. A budget for every run ("run:*") counts each run by itself."""
    found = list(views.budgets_on(scope))
    if found or not scope.startswith("run:") or scope == EVERY_RUN:
        return found
    return [
        Budget(f"{every.name} {scope}", scope, every.limit_nano, every.mode)
        for every in views.budgets_on(EVERY_RUN)
    ]


def _over(budget: Budget, amount: int) -> OverBudget:
    left = budget.limit_nano - budget.spent_nano - budget.held_nano
    return OverBudget(
        f"budget {budget.name} has {usd_text(max(left, 0))} left of {usd_text(budget.limit_nano)}, "
        f"and {usd_text(amount)} is needed",
        hint="raise the budget: tally budgets set", scope=budget.scope, limit_nano=budget.limit_nano,
        spent_nano=budget.spent_nano, held_nano=budget.held_nano, needed_nano=amount,
    )  # fmt: skip


def _hold_settled(views: Views, _entry: Entry, body: Mapping[str, Any]) -> None:
    found = views.get_hold(body["hold"])
    if found is None:
        raise UnknownThing(f"there is no hold {body['hold']!r}")
    if found.settled:
        raise Conflict(f"hold {found.id} was settled before")
    spent = int(body["spent_nano"])
    if spent < 0:
        raise BadInput("what was spent cannot be negative")
    for scope in found.scopes:
        for one in views.budgets_on(scope):
            held = one.held_nano
            if one.name in found.budgets:  # a budget set after the hold pays, but has nothing to give back
                held = max(held - found.amount_nano, 0)
            views.put_budget(replace(one, held_nano=held, spent_nano=one.spent_nano + spent))
    views.put_hold(replace(found, settled=True))


def _run_stopped(views: Views, entry: Entry, body: Mapping[str, Any]) -> None:
    views.put_stopped(body["run"], entry)


def _switch_thrown(views: Views, entry: Entry, body: Mapping[str, Any]) -> None:
    scope = switch_scope(body["scope"])
    check_name("a switch", scope)
    for key in ("because", "by"):
        if not isinstance(body[key], str) or not body[key].strip():
            raise BadInput(f"{key!r} of a switch is a text that is not empty")
    if (
        views.get_switch(scope) is None
    ):  # thrown again, it stays as it was: nobody may be too late to stop something
        views.put_switch(Switch(scope, body["because"], body["by"], entry.at, entry.seq))


def _switch_released(views: Views, _entry: Entry, body: Mapping[str, Any]) -> None:
    if views.get_switch(body["scope"]) is None:
        raise Conflict(f"{body['scope']} is not stopped", hint="tally policy stops")
    views.drop_switch(body["scope"])


SWITCH_KINDS: Final[dict[str, Callable[[Views, Entry, Mapping[str, Any]], None]]] = {
    "switch.thrown": _switch_thrown,
    "switch.released": _switch_released,
}
HEARD_KINDS: Final = (
    *REGISTRY_KINDS,
    *SWITCH_KINDS,
    "identity.revoked",
    "key.retired",
)  # what guards must hear of


def _records_accepted(views: Views, _entry: Entry, body: Mapping[str, Any]) -> None:
    run, first, count = body["run"], int(body["first"]), int(body["count"])
    known = views.get_attested(run)
    if first != known:
        raise Conflict(
            f"{known} records of run {run} are in the journal, and these begin at {first}", known=known
        )
    if count < 1:
        raise BadInput("a segment has at least one record")
    views.put_attested(run, first + count)


_KINDS: Final[dict[str, Callable[[Views, Entry, Mapping[str, Any]], None] | None]] = {
    **REGISTRY_KINDS,
    **SWITCH_KINDS,
    **PEOPLE_KINDS,
    "policy.loaded": None,
    "decision.made": None,
    "approval.requested": _approval_requested,
    "approval.answered": _approval_answered,
    "approval.expired": _approval_expired,
    "approval.consumed": _approval_consumed,
    "effect.started": None,
    "effect.ended": None,
    "budget.set": _budget_set,
    "hold.taken": _hold_taken,
    "hold.settled": _hold_settled,
    "run.stopped": _run_stopped,
    "rates.loaded": None,
    "records.accepted": _records_accepted,
    "run.sealed": None,
    "run.charged": None,
    "key.created": None,
    "identity.issued": None,
    "identity.revoked": None,
    "key.retired": None,
    "journal.reopened": None,
    "content.erased": None,
    "runs.deleted": None,
    "signin.refused": None,
}


def the_one(found: Sequence[Approval], prefix: str) -> Approval:
    """The single approval that a prefix means. Raises UnknownThing."""
    if len(found) != 1:
        count = "no approval" if not found else "several approvals"
        raise UnknownThing(
            f"{count} {'starts' if not found else 'start'} with {prefix!r}", hint="tally approvals ls"
        )
    return found[0]
