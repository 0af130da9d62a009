"""Who can read what and did they, and grants that nobody uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import Column
from tallystick.cli.wording import UNKNOWN, count, counted, moment
from tallystick.model.errors import BadInput

SINCE: Final = click.option(
    "--since", default="30d", show_default=True, metavar="AGE|DATE", help="From when on."
)
_STYLES: Final = {"may": "", "after approval": "yellow", "no policy": "yellow", "not permitted": "dim"}


def _chain(row: Mapping[str, Any]) -> tuple[str, str]:
    return " → ".join(map(str, row["chain"])), ""


def _tool(row: Mapping[str, Any]) -> tuple[str, str]:
    if row["tool"] is None:
        return "! by something undeclared", "yellow"
    return str(row["tool"]) + ("" if row["granted"] else " (not granted)"), "" if row["granted"] else "yellow"


def _policies(row: Mapping[str, Any]) -> tuple[str, str]:
    return ", ".join(f"{one['policy']}: {one['says']}" for one in row["policies"]) or UNKNOWN, ""


def _used(row: Mapping[str, Any]) -> tuple[str, str]:
    return moment(row["used"]) if row["used"] else "no", "" if row["used"] else "dim"


def _last_used(row: Mapping[str, Any]) -> tuple[str, str]:
    used = moment(row["last_used"]) if row["last_used"] else "never"
    return (f"{used} (claimed {moment(row['claimed'])})", "yellow") if row["claimed"] else (used, "")


_ACCESS: Final = (
    Column("agent", "agent", _chain, width=40),
    Column("tool", "tool", _tool, width=40),
    Column("effect", "effect", spare=2),
    Column("under", "verdict", lambda row: (row["verdict"], _STYLES.get(row["verdict"], ""))),
    Column("policies", "policies", _policies, width=48, spare=1),
    Column("used", "used", _used),
)
_UNUSED: Final = (
    Column("agent", "agent", width=32),
    Column("grant", "tool", width=40),
    Column("", "type", spare=4),
    Column("effect", "effect", spare=1),
    Column("data", "classes", lambda row: (", ".join(map(str, row["classes"])), ""), width=48, spare=3),
    Column("granted", "granted_since", lambda row: (moment(row["granted_since"]), "")),
    Column("last used", "last_used", _last_used),
)  # fmt: skip


@click.command()
@click.argument("what")
@SINCE
@common
def access(call: Invocation, what: str, since: str) -> None:
    """Which agents reach WHAT (a class, a data source or a tool), by which tool, under which policy, and did they.

    "may" says that some rule permits it and none certainly forbids it: conditions (when, unless) depend on the call.
    """
    if not what.strip():
        raise BadInput(
            "nothing was asked for", hint="a class, a data source or a tool: tally data access customer_pii"
        )
    with call.catalog() as catalog:
        answer = catalog.access(what, since)
    rows = answer["rows"]
    for warning in answer["warnings"]:
        call.out.say(warning)
    if call.out.as_json:
        call.out.json(answer)
        return
    call.out.table(
        _ACCESS if call.out.pretty else (Column("", "agent"), Column("", "chain"), *_ACCESS[1:]), rows
    )
    used = len({row["agent"] for row in rows if row["used"]})
    call.out.say(
        f"{counted(answer['agents'], 'agent')} can reach {one_line(what, 80)}; {count(used)} did since {since}"
    )


@click.command("unused-grants")
@click.argument("agent", required=False)
@SINCE
@common
def unused_grants(call: Invocation, agent: str | None, since: str) -> None:
    """Tools and delegates that agents (or one AGENT) are declared with and were not seen using: grants to take away."""
    with call.catalog() as catalog:
        answer = catalog.unused(agent, since)
    if call.out.as_json:
        call.out.json(answer)
        return
    call.out.table(_UNUSED, answer["rows"])
    call.out.say(f"not used since {since}: {counted(len(answer['rows']), 'grant')}")
