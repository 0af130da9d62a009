"""The fuse box, policies: tests of them, and what they would have said of what was recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallystick.config import Settings
from tallystick.config.place import find_store
from tallystick.model.errors import ConfigError, UnknownThing

if TYPE_CHECKING:
    from tallystick.govern.policy import PolicyFile
    from tallystick.model.guarding import ToolDeclaration
    from tallystick.wiring.stores import Stores


def try_policies(settings: Settings, paths: Sequence[Path], *, mutate: bool) -> Mapping[str, Any]:
    """Try the tests of a project's policies (``paths``; none: all ``*.test.toml`` in its policies folder).

    Raises ConfigError naming the first mistake in a policy or a test with file and line.
    """
    from tallystick.adapters.policy_files import case_paths, read_cases
    from tallystick.app.acting.policy_tests import tried_policies

    folder = settings.project or Path.cwd()
    found = list(paths) or case_paths(settings.policies)
    if not found:
        raise ConfigError(
            f"{settings.policies} has no tests", hint="write policies/NAME.test.toml; see docs/how-to/test-policies.md",
            file=str(settings.policies), line=1,
        )  # fmt: skip
    files, tools = own_policies(settings)
    return tried_policies(files, pack(settings), tools, read_cases(found, folder), mutate=mutate)


def try_pack(settings: Settings, *, mutate: bool) -> Mapping[str, Any]:
    """Try the tests of the policies that come with Tallystick, those that the settings switch on."""
    from tallystick.adapters.policy_files import shipped_cases, shipped_policies
    from tallystick.app.acting.policy_tests import tried_pack

    return tried_pack(
        shipped_policies(settings.policy_pack), shipped_cases(settings.policy_pack), mutate=mutate
    )


def pack(settings: Settings) -> tuple[PolicyFile, ...]:
    """The policies that come with Tallystick and are switched on."""
    from tallystick.adapters.policy_files import reported, shipped_policies

    return reported(shipped_policies(settings.policy_pack), settings.policy_report_only)


def own_policies(
    settings: Settings, policies: Path | None = None
) -> tuple[tuple[PolicyFile, ...], list[ToolDeclaration]]:
    """A project's policies (or those of another folder), and every tool that it or the registry declares."""
    from tallystick.adapters.policy_files import reported
    from tallystick.adapters.project import read_project
    from tallystick.app.registry.registrar import known_tools
    from tallystick.wiring.stores import open_stores

    project, place = settings.project or Path.cwd(), policies or settings.policies
    try:
        stores = open_stores(
            find_store(settings.store, project=settings.project), create=False, writing=False
        )
    except UnknownThing:  # there is no store yet
        found, known = read_project(project, policies=place), list[Any]()
    else:
        try:
            found = read_project(project, policies=place, known=stores.control.declared())
            known = list(known_tools(stores.control))
        finally:
            stores.close()
    tools = {one.name: one for one in [*known, *found.declarations]}
    return reported(found.policies or (), settings.policy_report_only), list(tools.values())


def backtest(
    stores: Stores, settings: Settings, query: str, *, since: str, policies: Path | None
) -> dict[str, Any]:
    """What another set of policies (``policies``: its folder) would have said of recorded runs.

    The pack, and policies pushed to groups of agents, count as they would. Raises ConfigError for policies that cannot
    be loaded, and BadInput for a query.
    """
    from tallystick.adapters.project import open_book
    from tallystick.app.acting.backtest import backtest as go_through
    from tallystick.app.acting.policies import check_policies
    from tallystick.app.registry.registrar import known_sources
    from tallystick.wiring.feed import store_feed
    from tallystick.wiring.machine import clock
    from tallystick.wiring.stores import adopt, reader

    adopt(stores)
    files, tools = own_policies(settings, policies)
    check_policies([*files, *pack(settings)], tools)
    heard = store_feed(stores).heard()
    book = open_book(
        settings.project or Path.cwd(), policies=policies or settings.policies, also=list(heard.tools.values()),
        sources=known_sources(stores.control), now=clock().now, pack=pack(settings),
        report_only=settings.policy_report_only,
    )  # fmt: skip
    book.heed(heard)
    return go_through(reader(stores), stores.control, book, query, since=since)


def load(stores: Stores, since: str) -> Mapping[str, Any]:
    """What each rule asked of people; ``since`` is an age or a date. Raises BadInput for any other."""
    from tallystick.app.acting.load import load_json
    from tallystick.model.query import moment
    from tallystick.wiring.machine import clock

    return load_json(stores.control, since=moment(since, now=clock().now()))
