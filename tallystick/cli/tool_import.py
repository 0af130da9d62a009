"""``tally tools import mcp``: pin the tools that an MCP server offers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.wording import short
from tallystick.model.errors import BadInput

QUARANTINED = 3
_WIDE = 200


@click.group("import")
def import_tools() -> None:
    """Import tools from elsewhere, each with the definition that it shows."""


@import_tools.command()
@click.argument("server", nargs=-1, required=True, metavar="URL | -- COMMAND…")
@click.option("--name", metavar="NAME", help="What the server is called here: its tools become NAME.TOOL.")
@click.option(
    "--env",
    "variables",
    multiple=True,
    metavar="VARIABLE",
    help="A variable that the started server gets; repeat it.",
)
@click.option(
    "--token-env", metavar="VARIABLE", help="The variable that holds the bearer token for an address."
)
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 600),
    default=30.0,
    show_default=True,
    help="Seconds for all of it.",
)
@click.option(
    "--write", is_flag=True, help="Write tools/NAME.TOOL.toml for tools without a file, for you to finish."
)
@click.option("--dry-run", is_flag=True, help="Say what would be imported and change nothing.")
@common
def mcp(
    call: Invocation, server: tuple[str, ...], name: str | None, variables: tuple[str, ...], token_env: str | None,
    timeout: float, write: bool, dry_run: bool,
) -> int:  # fmt: skip
    """Ask an MCP server for its tools, at an address or started by a command, and pin what it shows.

    New and changed tools are quarantined until somebody accepts them: exit 3 says that somebody is needed.
    """
    with call.stores(writing=True) as stores:
        by = call.parts.caller(stores).name
        answer = call.parts.import_tools(
            stores, server, name=name, env=_values(variables), token=_token(token_env, server), seconds=timeout,
            by=by, project=(call.settings.project or Path.cwd()) if write else None, dry_run=dry_run,
        )  # fmt: skip
    if call.out.as_json:
        call.out.json(dict(answer))
    else:
        _say(call, answer, dry_run=dry_run)
    return QUARANTINED if answer["quarantined"] else 0


def _say(call: Invocation, answer: Mapping[str, Any], *, dry_run: bool) -> None:
    for one in answer["tools"]:
        claim = f"\tclaims {one['claimed_effect']}" if one["claimed_effect"] else ""
        call.out.line(f"{one['state']}\t{one_line(one['tool'])}\t{short(one['definition'])}{claim}")
        for change in one["changes"]:
            for mark, side in (("-", change["before"]), ("+", change["after"])):
                if side is not None:
                    call.out.line(f"  {mark} {one_line(change['path'])}: {one_line(side, _WIDE)}")
        if one["file"]:
            call.out.say(f"wrote {one_line(one['file'])}")
    for one in answer["refused"]:
        call.out.line(f"refused\t{one_line(one['tool'])}\t{one_line(one['why'])}")
    counts = ", ".join(f"{count} {state}" for state, count in answer["counts"].items()) or "no tools"
    call.out.say(f"{answer['name']}: {counts}" + (" (nothing was written)" if dry_run else ""))
    if answer["quarantined"] and not dry_run:
        call.out.say("look at what waits: tally tools quarantine; accept one: tally tools accept TOOL")


def _values(names: Sequence[str]) -> dict[str, str]:
    missing = [name for name in names if name not in os.environ]
    if missing:
        raise BadInput(
            f"there is no variable {missing[0]!r} in the environment",
            hint="--env names variables, not values",
        )
    return {name: os.environ[name] for name in names}


def _token(name: str | None, server: Sequence[str]) -> str | None:
    if name is None:
        return None
    if len(server) != 1 or "://" not in server[0]:
        raise BadInput("--token-env is for an address", hint="a started server gets variables by --env")
    token = os.environ.get(name, "").strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise BadInput(f"the variable {name!r} holds no token", hint="export it before the command")
    return token
