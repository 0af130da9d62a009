"""The fuse box, a project's folder: what it declares, and its policies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallystick.config import Settings

if TYPE_CHECKING:
    from tallystick.wiring.stores import Stores


def apply(
    stores: Stores, project: Path, *, dry_run: bool = False, actor: str = "tally apply"
) -> Mapping[str, Any]:
    """Declare a project's agents and tools in the registry. Raises ConfigError with file and line."""
    from tallystick.adapters.project import read_project
    from tallystick.app.registrar import declare

    found = read_project(project)
    return declare(stores.control, found.agents, found.tools, actor=actor, dry_run=dry_run)


def check_policies(settings: Settings) -> Mapping[str, Any]:
    """Check a project's policies against its tools. Raises ConfigError naming the first mistake."""
    from tallystick.adapters.project import read_project
    from tallystick.app.policies import check_policies as check

    found = read_project(settings.project or Path.cwd(), policies=settings.policies)
    return check(found.policies or (), found.declarations)
