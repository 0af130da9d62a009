"""The registry: files read with precise mistakes, declared once per version, and held against what was seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from control_double import Clock, Control

from tallystick.adapters.project import open_book, read_project
from tallystick.app.acting.policies import check_policies
from tallystick.app.registry.registrar import declare, known_tools
from tallystick.model.control import PolicyState
from tallystick.model.errors import BadInput, ConfigError
from tallystick.model.registry import Declared
from tallystick.model.step import Effect
from tallystick.registry.declarations import tool_of

AGENT = """name = "desk"
version = "1.0.0"
owner = "payments"
purpose = "Refunds."
workflow = "support"
models = ["gpt-4o-mini"]
tools = ["refund"]
budget_usd = "2.50"
"""
TOOL = """# a refund
name = "refund"
effect = "irreversible"
data = ["payment"]
authority = ["amount"]
price_usd = "0.01"

[arguments]
order_id = "string"
amount = "decimal"
note = "string?"
"""
RULE = 'permit (principal == Agent::"desk", action == Action::"refund", resource);'


def lay_out(folder: Path, *, agent: str = AGENT, tool: str = TOOL, rule: str | None = RULE) -> Path:
    for name in ("agents", "tools"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "agents" / "desk.toml").write_text(agent)
    (folder / "tools" / "refund.toml").write_text(tool)
    if rule is not None:
        (folder / "policies").mkdir(exist_ok=True)
        (folder / "policies" / "desk.cedar").write_text(rule)
    return folder


def test_a_project_is_read(tmp_path: Path) -> None:
    project = read_project(lay_out(tmp_path))
    agent, tool = project.agents[0], project.tools[0].tool
    assert (agent.name, agent.budget_nano, agent.models) == ("desk", 2_500_000_000, ("gpt-4o-mini",))
    assert (tool.effect, tool.price_nano, tool.recovery) == (Effect.IRREVERSIBLE, 10_000_000, "operator")
    assert dict(tool.arguments) == {"order_id": "string", "amount": "decimal", "note": "string?"}
    assert project.policies is not None
    assert [one.name for one in project.policies] == ["policies/desk.cedar"]
    assert check_policies(project.policies, project.declarations)["rules"] == 1


def test_an_empty_folder_is_a_project_without_anything(tmp_path: Path) -> None:
    project = read_project(tmp_path)
    assert (project.agents, project.tools, project.policies) == ((), (), None)


@pytest.mark.parametrize(
    ("agent", "tool", "file", "line", "message", "hint"),
    [
        (AGENT + 'onwer = "x"\n', TOOL, "agents/desk.toml", 9, "no key 'onwer'", "'owner'"),
        (AGENT.replace('name = "desk"\n', ""), TOOL, "agents/desk.toml", 1, "name is missing", "name ="),
        (AGENT.replace('"desk"', '"de sk"'), TOOL, "agents/desk.toml", 1, "not a name", "no spaces"),
        (AGENT.replace('["gpt-4o-mini"]', '"gpt-4o-mini"'), TOOL, "agents/desk.toml", 6, "list of texts", '["…"]'),
        (AGENT.replace('"2.50"', "2.50"), TOOL, "agents/desk.toml", 8, "written as text", '"2.5"'),
        (AGENT.replace('"2.50"', '"lots"'), TOOL, "agents/desk.toml", 8, "not an amount", "0.50"),
        (AGENT.replace('["refund"]', '["refnd"]'), TOOL, "agents/desk.toml", 7, "'refnd'", "'refund'"),
        (AGENT, TOOL.replace("irreversible", "irreversable"), "tools/refund.toml", 3, "not an effect", "irreversible"),
        (AGENT, TOOL.replace('effect = "irreversible"\n', ""), "tools/refund.toml", 2, "what effect", "read"),
        (AGENT, TOOL.replace('"decimal"', '"decimel"'), "tools/refund.toml", 10, "unknown type", "'decimal'"),
        (AGENT, TOOL.replace('["amount"]', '["amont"]'), "tools/refund.toml", 5, "'amont'", "'amount'"),
        (AGENT, TOOL.replace('"0.01"', '"-1"'), "tools/refund.toml", 6, "below zero", "0.50"),
        (AGENT, TOOL + 'x = = "y"\n', "tools/refund.toml", 12, "not TOML", "key ="),
        (AGENT, TOOL.replace('price_usd = "0.01"', 'recovery = "retri"'), "tools/refund.toml", 6, "recov", "retry"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_file_and_line(
    tmp_path: Path, agent: str, tool: str, file: str, line: int, message: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_project(lay_out(tmp_path, agent=agent, tool=tool))
    error = caught.value
    assert (error.detail["file"], error.detail["line"]) == (file, line)
    assert message in error.message
    assert hint in (error.hint or "")


def test_one_name_is_declared_once(tmp_path: Path) -> None:
    lay_out(tmp_path)
    (tmp_path / "tools" / "second.toml").write_text(TOOL)
    with pytest.raises(ConfigError, match=r"declared in tools/refund\.toml already"):
        read_project(tmp_path)


def test_what_is_not_text_is_named(tmp_path: Path) -> None:
    lay_out(tmp_path)
    (tmp_path / "policies" / "bad.cedar").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"policies/bad\.cedar is not UTF-8"):
        read_project(tmp_path)


def test_declaring_twice_changes_nothing(tmp_path: Path) -> None:
    control = Control(Clock())
    project = read_project(lay_out(tmp_path))
    dry = declare(control, project.agents, project.tools, actor="ada", dry_run=True)
    assert control.journal == []
    first = declare(control, project.agents, project.tools, actor="ada")
    assert dry == first
    assert [(one["type"], one["name"]) for one in first["declared"]] == [
        ("agent", "desk"), ("tool", "refund"), ("model", "gpt-4o-mini"), ("workflow", "support"),
    ]  # fmt: skip
    size = len(control.journal)
    assert control.budgets("agent:desk")[0].limit_nano == 2_500_000_000
    again = declare(control, project.agents, project.tools, actor="ada")
    assert again == {"declared": [], "retired": [], "budgets": [], "refused": [], "unchanged": 4}
    assert len(control.journal) == size
    changed = read_project(lay_out(tmp_path, tool=TOOL.replace("0.01", "0.02")))
    assert [
        one["name"] for one in declare(control, changed.agents, changed.tools, actor="ada")["declared"]
    ] == ["refund"]
    assert known_tools(control) == changed.declarations


def test_a_declaration_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        tool_of(Declared("tool", "x", "d", None, {"effect": "explode"}))


def test_a_project_with_a_mistake_gives_a_book_that_refuses_effects(tmp_path: Path) -> None:
    book = open_book(lay_out(tmp_path, tool=TOOL.replace("irreversible", "x")))
    policies = book.policies
    assert policies.state is PolicyState.LOAD_FAILED
    assert "tools/refund.toml:3" in str(policies.problem)
    assert open_book(lay_out(tmp_path)).policies.state is PolicyState.ENFORCED
    assert open_book(None).policies.state is PolicyState.UNCONFIGURED


def test_policies_may_lie_elsewhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "rules"
    elsewhere.mkdir()
    (elsewhere / "a.cedar").write_text(RULE)
    project = lay_out(tmp_path, rule=None)
    assert open_book(project, policies=elsewhere).policies.state is PolicyState.ENFORCED
    assert open_book(project).policies.state is PolicyState.UNCONFIGURED
    with pytest.raises(ConfigError):
        read_project(project, policies=elsewhere / "a.cedar")
