"""The fuse box, a project's folder: what it declares, and its policies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallystick.config import Settings

if TYPE_CHECKING:
    from tallystick.registry.plan import Plan
    from tallystick.wiring.stores import Stores


def plan(stores: Stores, project: Path, *, prune: bool = False) -> Plan:
    """What applying a project would change. Raises ConfigError with file and line."""
    from tallystick.adapters.project import read_project
    from tallystick.app import registrar

    found = read_project(project, known=stores.control.declared())
    return registrar.plan(stores.control, found.found, prune=prune)


def apply(
    stores: Stores, project: Path, *, actor: str, prune: bool = False, because: str | None = None
) -> Mapping[str, Any]:
    """Make the registry what a project declares. Raises ConfigError with file and line, and Conflict."""
    from tallystick.app import registrar

    made = plan(stores, project, prune=prune)
    entries = registrar.carry_out(stores.control, made, actor=actor, because=because)
    return {**registrar.applied(made), "entries": len(entries)}


def declare_at_start(stores: Stores, project: Path) -> list[str]:
    """Declare a project when a process of it starts: it retires nothing and brings nothing back.

    Returns a sentence for each object that is refused; the others are declared. Raises ConfigError.
    """
    from tallystick.adapters.project import read_project
    from tallystick.app import registrar

    found = read_project(project, known=stores.control.declared())
    made = registrar.plan(stores.control, found.found, revive=False)
    registrar.carry_out(stores.control, made, actor="tallystick.init", partly=True)
    return [f"{one.why}" + (f" ({one.hint})" if one.hint else "") for one in made.refused]


def check_policies(settings: Settings) -> Mapping[str, Any]:
    """Check a project's policies against its tools. Raises ConfigError naming the first mistake."""
    from tallystick.adapters.project import read_project
    from tallystick.app.policies import check_policies as check

    found = read_project(settings.project or Path.cwd(), policies=settings.policies)
    return check(found.policies or (), found.declarations)
