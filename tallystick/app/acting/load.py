"""The load of approvals: what the rules of a store asked of people, beside the budgets that they were given."""

from __future__ import annotations

from typing import Any, Final

from tallystick.app.reading.shapes import time_text
from tallystick.govern.load import loads
from tallystick.govern.policy import PolicyFile, rules_in
from tallystick.ports import ControlStore

_SETS: Final = 50  # policy sets that are looked at for budgets
MOST: Final = 10_000  # questions, and decisions, that are looked at: the newest


def budgets_of(control: ControlStore) -> dict[str, str]:
    """The ``@budget`` of each rule in the policies that were loaded last, by the rule's label."""
    newest: dict[str, str] = {}
    for entry in control.entries(kind="policy.loaded", limit=_SETS, newest=True):
        for file in entry.body.get("files") or ():
            newest.setdefault(file["name"], file["text"])
    found: dict[str, str] = {}
    for name, digest in newest.items():
        for rule in rules_in(PolicyFile(name, control.text(digest))):
            if rule.budget is not None:
                found[rule.label] = rule.budget
    return found


def load_json(control: ControlStore, *, since: int = 0) -> dict[str, Any]:
    """``{"runs", "since", "cut", "rules": [load]}``: of the runs in which something was decided.

    ``since`` is nanoseconds since the epoch. ``cut``: there was more than is looked at, so the oldest are missing.
    """
    budgets = budgets_of(control)
    asked = [one for one in control.approvals(limit=MOST) if one.requested >= since]
    decided = [
        one for one in control.entries(kind="decision.made", limit=MOST, newest=True) if one.at >= since
    ]
    cut = len(asked) == MOST or len(decided) == MOST
    if cut:  # what is counted is counted over the same time
        since = max(
            since,
            decided[-1].at if len(decided) == MOST else 0,
            asked[-1].requested if len(asked) == MOST else 0,
        )
        asked = [one for one in asked if one.requested >= since]
        decided = [one for one in decided if one.at >= since]
    runs = len({one.run for one in decided if one.run is not None})
    return {
        "runs": runs, "since": time_text(since) if since else None, "cut": cut,
        "rules": [one.as_json(runs) for one in loads(asked, budgets)],
    }  # fmt: skip
