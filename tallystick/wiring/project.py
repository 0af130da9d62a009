"""The fuse box, a project's folder: what it declares, and its policies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tallystick.config import Settings
from tallystick.config.place import find_store
from tallystick.model.errors import ConfigError, Conflict, UnknownThing
from tallystick.wiring.machine import clock, say

if TYPE_CHECKING:
    from tallystick.adapters.project import Project
    from tallystick.app.registry.push import PolicyDesk
    from tallystick.govern.policy import PolicyFile
    from tallystick.registry.plan import Plan
    from tallystick.registry.sketch import Sketch
    from tallystick.wiring.stores import Stores

_TRIES: Final = 20


def plan(stores: Stores, settings: Settings, *, prune: bool = False) -> Plan:
    """What applying the project of these settings would change, and where what was observed differs.

    Raises ConfigError with file and line.
    """
    from tallystick.app.registry.observing import observed_rows
    from tallystick.registry.plan import Action
    from tallystick.wiring.stores import catalog

    made = _plan(stores, settings, prune=prune)
    fresh = [(one.type, one.name) for one in made.of(Action.ADD)]
    return replace(made, observed=tuple(observed_rows(catalog(stores), fresh)))


def _plan(stores: Stores, settings: Settings, *, prune: bool) -> Plan:
    from tallystick.adapters.project import read_project
    from tallystick.app.registry import registrar

    project = settings.project or Path.cwd()
    found = read_project(project, policies=elsewhere(settings), known=stores.control.declared())
    if found.policies:
        _judge(found, stores)
    return registrar.plan(stores.control, found.found, prune=prune)


def _judge(found: Project, stores: Stores | None) -> Mapping[str, Any]:
    """Check policies against the project's tools and the registry's, which every process knows. Raises ConfigError."""
    from tallystick.app.acting.policies import check_policies as check
    from tallystick.app.registry.registrar import known_tools

    tools = {} if stores is None else {one.name: one for one in known_tools(stores.control)}
    return check(found.policies or (), {**tools, **{one.name: one for one in found.declarations}}.values())


def apply(
    stores: Stores, settings: Settings, *, actor: str, prune: bool = False, because: str | None = None
) -> Mapping[str, Any]:
    """Make the registry what the project of these settings declares. Raises ConfigError, and Conflict."""
    from tallystick.app.registry import registrar

    made = _plan(stores, settings, prune=prune)
    entries = registrar.carry_out(stores.control, made, actor=actor, because=because)
    return {**registrar.applied(made), "entries": len(entries)}


def declare_at_start(stores: Stores, project: Path, settings: Settings) -> None:
    """Declare a project when a process of it starts: it retires nothing and brings nothing back.

    What is refused is said on standard error, and the rest is declared. Raises ConfigError with file and line, and
    Conflict where others change the registry all the time.
    """
    from tallystick.adapters.project import read_project

    found = read_project(project, policies=elsewhere(settings), known=stores.control.declared())
    for attempt in range(
        _TRIES
    ):  # many processes may start at once, and a person may change something meanwhile
        try:
            _declare(stores, found)
            return
        except Conflict:
            if attempt + 1 == _TRIES:
                raise


def _declare(stores: Stores, found: Project) -> None:
    from tallystick.app.registry import registrar

    declared = found.found
    made = registrar.plan(stores.control, declared, revive=False)
    if any(one.type == "policy" for one in made.changing):
        try:
            _judge(found, stores)
        except ConfigError as error:  # this process says so with each decision; others must not load it
            say(f"tallystick: {error.message}" + (f" ({error.hint})" if error.hint else ""))
            others = tuple(one for one in declared.texts if one.type != "policy")
            made = registrar.plan(stores.control, replace(declared, texts=others), revive=False)
    registrar.carry_out(stores.control, made, actor="tallystick.init", partly=True)
    for one in made.refused:
        say(f"tallystick: {one.why}" + (f" ({one.hint})" if one.hint else ""))


def elsewhere(settings: Settings) -> Path | None:
    """The policies folder where somebody said that it is not the project's own; None where it is, or is not there."""
    return (
        settings.policies
        if settings.origins["policies"] != "default" and settings.policies.is_dir()
        else None
    )


def sketch(stores: Stores, folder: Path) -> tuple[bool, Sketch]:
    """Whether anything was observed, and files for what was and is declared neither in the registry nor in a folder."""
    from tallystick.adapters.project import around
    from tallystick.app.registry.sketching import observed
    from tallystick.app.registry.uses import UseLister
    from tallystick.registry.sketch import sketch as drawn
    from tallystick.wiring.stores import adopt

    adopt(stores)
    UseLister(stores.traces, stores.control, clock()).list_due()
    agents, tools = observed(stores.traces, stores.control)
    return bool(agents or tools), drawn(agents, tools, around(folder, stores.control.declared(retired=True)))


def check_policies(settings: Settings) -> Mapping[str, Any]:
    """Check a project's policies against its tools and the registry's. Raises ConfigError naming the first mistake."""
    from tallystick.adapters.project import read_project
    from tallystick.wiring.stores import open_stores

    project = settings.project or Path.cwd()
    try:
        stores = open_stores(
            find_store(settings.store, project=settings.project), create=False, writing=False
        )
    except UnknownThing:  # there is no store yet
        return _judge(read_project(project, policies=settings.policies), None)
    try:
        known = stores.control.declared()
        return _judge(read_project(project, policies=settings.policies, known=known), stores)
    finally:
        stores.close()


def policy_file(path: Path) -> PolicyFile:
    """A policy file, wherever it is. Raises ConfigError for one that cannot be read."""
    from tallystick.adapters.project_disk import read_text
    from tallystick.govern.policy import PolicyFile

    return PolicyFile(path.as_posix(), read_text(path, path.resolve().parent))


def policy_desk(stores: Stores) -> PolicyDesk:
    """The policies of the registry of open stores, as it stands."""
    from tallystick.app.registry.push import PolicyDesk
    from tallystick.wiring.stores import catalog

    return PolicyDesk(stores.control, catalog(stores).graph(), clock())
