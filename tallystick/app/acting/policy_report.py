"""Policy report: what rules that are only reported would have said of calls that were decided without them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tallystick.app.acting.backtest import change_json
from tallystick.govern.backtest import Change, Past
from tallystick.model.control import ToolCall
from tallystick.model.guarding import ToolDeclaration
from tallystick.ports import ControlStore

_PAGE: Final = 1_000
_MOST: Final = 200_000  # decisions


def policy_report(control: ControlStore, *, since: int) -> Mapping[str, Any]:
    """``{"decisions", "more", "changes": [change]}``: decisions from ``since`` (nanoseconds) on, the first 200,000.

    The changes are those that reported rules would have made, most frequent first.
    """
    decisions, after, changes = 0, 0, dict[tuple[Any, ...], Change]()
    while True:
        page = control.entries(kind="decision.made", after=after, limit=_PAGE)
        for entry in page:
            if entry.at < since:
                continue
            decisions += 1
            body, other = entry.body, entry.body.get("would")
            if other is None:
                continue
            key = (
                body["agent"], body["tool"], body["policy_answer"], other["answer"], other["group"],
                tuple(other["reasons"]),
            )  # fmt: skip
            call = ToolCall(body["run"], body["step"], body["agent"], body["tool"], "", {}, body["workflow"])
            changes.setdefault(key, Change(*key)).add(
                Past(call, ToolDeclaration(body["tool"]), body["policy_answer"], int(body["at"]))
            )
        if len(page) < _PAGE or decisions >= _MOST:
            break
        after = page[-1].seq
    rows = sorted(changes.values(), key=lambda one: (-one.count, one.agent, one.tool, one.reasons))
    return {
        "decisions": decisions, "more": decisions >= _MOST, "changes": [change_json(one) for one in rows],
    }  # fmt: skip
