"""The declarations that the bench of the compromised agent runs with: they can be read, and the rules fit them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallystick.adapters.project import read_project
from tallystick.app.acting.policies import check_policies
from tallystick.model.labels import Role
from tallystick.model.step import Effect

PROJECTS = Path(__file__).resolve().parents[2] / "bench" / "agentdojo" / "project"
RULES = (PROJECTS / "effects.cedar").read_text("utf-8")


@pytest.mark.parametrize("suite", ["banking", "workspace"])
def test_the_declarations_of_a_suite_can_be_read(suite: str) -> None:
    found = read_project(PROJECTS / suite)
    assert check_policies(found.policies or (), found.declarations)
    assert [one.text for one in found.policies or ()] == [RULES]
    for tool in found.declarations:
        assert set(tool.roles) == set(tool.arguments), tool.name
        if tool.effect is Effect.READ:
            assert all(role is Role.SELECTOR for role in tool.roles.values()), tool.name
