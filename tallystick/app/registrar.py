"""Registrar: what a project declares, written into the journal once per version."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from tallystick.model.guarding import ToolDeclaration
from tallystick.model.journal import Draft
from tallystick.model.registry import Declared
from tallystick.ports import ControlStore
from tallystick.registry.declarations import (
    AgentDeclaration,
    DeclarationFile,
    ToolFile,
    agent_from,
    implied,
    tool_from,
    tool_of,
    unique,
)


def read_agents(files: Sequence[DeclarationFile]) -> list[AgentDeclaration]:
    """Agents from their files. Raises ConfigError with file and line."""
    found = [agent_from(file) for file in files]
    unique(files, [one.name for one in found])
    return found


def read_tools(files: Sequence[DeclarationFile]) -> list[ToolFile]:
    """Tools from their files. Raises ConfigError with file and line."""
    found = [tool_from(file) for file in files]
    unique(files, [one.tool.name for one in found])
    return found


def declare(
    control: ControlStore, agents: Sequence[AgentDeclaration], tools: Sequence[ToolFile], *, actor: str,
    dry_run: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Declare agents, tools, and the models and workflows that agents name; what is declared so already is left alone.

    Returns ``{"declared": [{"type", "name", "digest", "version"}], "unchanged": n}``. An agent's budget is set with it.
    """
    wanted = [one.declared() for one in agents] + [one.declared() for one in tools] + implied(agents)
    standing = {(one.type, one.name): one.digest for one in control.declared()}
    fresh = [one for one in wanted if standing.get((one.type, one.name)) != one.digest]
    drafts = [_draft(one, actor) for one in fresh] + _budgets(control, agents, actor)
    if drafts and not dry_run:
        control.append(drafts)
    return {
        "declared": [
            {"type": one.type, "name": one.name, "digest": one.digest, "version": one.version}
            for one in fresh
        ],
        "unchanged": len(wanted) - len(fresh),
    }


def check_grants(
    agents: Sequence[AgentDeclaration], tools: Sequence[ToolFile], files: Sequence[DeclarationFile]
) -> None:
    """Raises ConfigError for an agent that is granted a tool which nobody declares; ``files`` are the agents' own."""

    known = [one.tool.name for one in tools]
    for agent, file in zip(agents, files, strict=True):
        for name in agent.tools:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1, 0.5)
                hint = f"did you mean {near[0]!r}?" if near else f"declare it in tools/{name}.toml"
                raise file.error(
                    "tools", f"agent {agent.name} names tool {name!r}, which nobody declares", hint
                )


def known_tools(control: ControlStore) -> list[ToolDeclaration]:
    """The tools that the registry knows, as the guard needs them. Raises BadInput for one that cannot be read."""
    return [tool_of(one) for one in control.declared("tool")]


def _draft(one: Declared, actor: str) -> Draft:
    body = {
        "type": one.type, "name": one.name, "digest": one.digest, "version": one.version, "body": dict(one.body),
    }  # fmt: skip
    return Draft("object.declared", f"{one.type}:{one.name}", body, actor=actor)


def _budgets(control: ControlStore, agents: Sequence[AgentDeclaration], actor: str) -> list[Draft]:
    standing = {one.name: one for one in control.budgets()}
    drafts = []
    for agent in agents:
        if agent.budget_nano is None:
            continue
        scope = f"agent:{agent.name}"
        known = standing.get(scope)
        if known is None or known.limit_nano != agent.budget_nano or known.mode != "hard":
            body = {"budget": scope, "scope": scope, "limit_nano": agent.budget_nano, "mode": "hard"}
            drafts.append(Draft("budget.set", scope, body, actor=actor))
    return drafts
