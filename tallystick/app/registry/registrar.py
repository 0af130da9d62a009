"""Registrar: what a project declares, planned against the registry and written into the journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tallystick.model.errors import Conflict, UnknownThing
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.journal import Entry
from tallystick.ports import ControlStore
from tallystick.registry.declarations import (
    AgentDeclaration,
    Declarations,
    ToolFile,
    classes_by_source,
    tool_of,
)
from tallystick.registry.plan import Action, Item, Plan, Standing, in_doubt, make_plan


def plan(control: ControlStore, found: Declarations, *, prune: bool = False, revive: bool = True) -> Plan:
    """What has to be written so that the registry has what is declared; see registry/plan.py."""
    revision = control.registry_revision()
    objects = control.declared(retired=True)
    versions = {key: control.versions(*key) for key in in_doubt(found.wanted(), objects)}

    def text(digest: str) -> str | None:
        try:
            return control.text(digest)
        except UnknownThing:  # an old journal may lack it: then there is nothing to compare line by line
            return None

    standing = Standing(objects, versions, control.budgets(), revision, text)
    return make_plan(found, standing, prune=prune, revive=revive)


def carry_out(
    control: ControlStore, made: Plan, *, actor: str, because: str | None = None, partly: bool = False
) -> tuple[Entry, ...]:
    """Write exactly what a plan says, in one transaction; returns the entries (none where nothing changes).

    Raises Conflict where an item is refused (with ``partly`` the others are written), and where somebody wrote to
    the registry since the plan was made.
    """
    if made.refused and not partly:
        raise refusal(made.refused)
    drafts = made.drafts(actor=actor, because=because)
    if not drafts:
        return ()
    try:
        return control.append(drafts, expecting=made.revision)
    except Conflict as error:
        if "expected" not in error.detail:
            raise
        raise Conflict(
            "somebody changed the registry since this was planned", hint="tally plan, and then apply again",
            **error.detail,
        ) from error  # fmt: skip


def refusal(items: Sequence[Item]) -> Conflict:
    """What is refused, as one error: the first item's message, and all of them in its detail ``problems``."""
    problems = [
        {"message": one.why, "hint": one.hint, "file": one.file, "line": one.line if one.file else None}
        for one in items
    ]
    first = items[0]
    detail = {"file": first.file, "line": first.line} if first.file else {}
    return Conflict(str(first.why), hint=first.hint, problems=problems, **detail)


def declare(
    control: ControlStore, agents: Sequence[AgentDeclaration], tools: Sequence[ToolFile], *, actor: str,
    dry_run: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Declare agents, tools, and the models and workflows that agents name; what is declared so already is left alone.

    Returns ``applied``. An agent's budget is set with it. Raises Conflict for a version that would be overwritten.
    """
    made = plan(control, Declarations(tuple(agents), tuple(tools)))
    if made.refused:
        raise refusal(made.refused)
    if not dry_run:
        carry_out(control, made, actor=actor)
    return applied(made)


def applied(made: Plan) -> dict[str, Any]:
    """What a plan did: ``{"declared": [{"type", "name", "digest", "version", "action"}], "retired": [{"type", "name"}],
    "budgets": [{"scope", "limit_nano_usd"}], "refused": [planned], "unchanged": n}``."""
    declared = [one for one in made.changing if one.declare and one.wanted is not None]
    return {
        "declared": [
            {
                "type": one.type, "name": one.name, "digest": one.wanted.digest, "version": one.wanted.version,
                "action": one.action.value,
            }
            for one in declared if one.wanted is not None
        ],
        "retired": [{"type": one.type, "name": one.name} for one in made.changing if one.retire],
        "budgets": [
            {"scope": one.name, "limit_nano_usd": one.limit_nano}
            for one in made.changing if one.limit_nano is not None
        ],
        "refused": [one.as_json() for one in made.refused],
        "unchanged": len([one for one in made.of(Action.UNCHANGED) if one.type != "budget"]),
    }  # fmt: skip


def known_tools(control: ControlStore) -> list[ToolDeclaration]:
    """The tools that the registry knows, as the guard needs them: with the classes of their data sources.

    Raises BadInput for one that cannot be read, or that reaches a data source which nobody declared.
    """
    sources = known_sources(control)
    return [tool_of(one, sources) for one in control.declared("tool")]


def known_sources(control: ControlStore) -> dict[str, tuple[str, ...]]:
    """Data source -> classes, as the registry knows them; a retired one is still what its tools reach."""
    return classes_by_source(control.declared("data", retired=True))
