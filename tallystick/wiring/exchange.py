"""The fuse box, exchange with the world: tools of MCP servers, agent cards, bills of materials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tallystick.wiring.machine import clock
from tallystick.wiring.stores import Stores, catalog


def import_tools(
    stores: Stores, target: Sequence[str], *, name: str | None, env: Mapping[str, str], token: str | None,
    seconds: float, by: str, project: Path | None = None, dry_run: bool = False,
) -> Mapping[str, Any]:  # fmt: skip
    """Import the tools of the MCP server at an address, or of the one that a command starts.

    ``project``: write tools/NAME.toml there for tools that have none. Raises BadInput, Unreachable, TooLarge.
    """
    from tallystick.adapters.mcp_client import Limits, Server, list_tools
    from tallystick.adapters.tool_files import write_tool_files
    from tallystick.app.registry.import_tools import Source
    from tallystick.app.registry.import_tools import import_tools as take
    from tallystick.registry import servers

    url = target[0] if len(target) == 1 and "://" in target[0] else None
    server = Server(() if url else tuple(target), url, env, token)
    source = Source(
        name or (servers.name_from_url(url) if url else servers.name_from_command(target)),
        servers.url_identity(url) if url else servers.command_identity(target),
        partial(list_tools, server, Limits(seconds=seconds)),
    )
    found = take(stores.control, source, by=by, dry_run=dry_run)
    files: Mapping[str, str] = {}
    if project is not None and not dry_run:
        tools = {one.tool: one.definition for one in found.findings if one.definition is not None}
        files = write_tool_files(project, tools)
    return found.as_json(files)


def export_card(stores: Stores, agent: str, **options: Any) -> Mapping[str, Any]:
    """The card of a declared agent; options as of ``app.registry.cards.export_card``."""
    from tallystick.app.registry.cards import export_card as export

    return export(catalog(stores), stores.control, agent, **options)


def bill(stores: Stores, what: str) -> str:
    """The bill of materials of agents, as CycloneDX JSON. Raises BadInput without the extra."""
    from tallystick.adapters.bom import render
    from tallystick.app.registry.bill import gather

    return render(gather(catalog(stores), what, now=clock().now()))
