"""A call so strange that nobody can judge it gets past no rule: a read is refused too, where rules are enforced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from guard_house import House
from sdk_kit import installed

from tallystick.sdk.tools import tool
from tallystick.sdk.toolstep import REFUSED

FORBID = "forbid (principal, action, resource);"
DEEP: list[Any] = []
for _ in range(100):
    DEEP = [DEEP]


@pytest.mark.parametrize("effect", ["none", "read", "write"])
@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("look", [0] * 300_000),
        ("look", DEEP),
        ("lo\nok", "1"),
        ("l" * 300, "1"),
        ("", "1"),
    ],
    ids=["wide", "deep", "newline", "long", "empty"],
)
def test_what_nobody_can_judge_is_refused_where_rules_are_enforced(
    tmp_path: Path, effect: str, name: str, given: Any
) -> None:
    for house, closed in ((House(FORBID, asks=True), True), (House(None, asks=True), effect == "write")):
        with installed(tmp_path / f"spool{closed}", guard=house.guard, agent="desk"):  # type: ignore[arg-type]

            @tool(effect=effect, name=name or " ")
            def look(id: Any) -> str:
                return "ran"

            assert look(given) == (REFUSED if closed else "ran")


def test_a_pushed_policy_counts_as_a_rule() -> None:
    from test_guard_groups import FREEZE, house_of, push

    house = house_of(None)
    assert not house.guard.enforces()
    push(house, FREEZE, "touches:customer_pii")
    assert house.guard.enforces()
    assert not house_of(permissive=True).guard.enforces()
