"""``tally policy backtest``: what policies would have said of recorded runs, before they are in force."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from tallystick.cli.asking import Asking
from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import Column
from tallystick.cli.wording import count, counted

_COLUMNS = (
    Column("would", "would", lambda row: (_would(row), "yellow" if row["would"] == "hold" else "red"), width=24),
    Column("was", "was", lambda row: (str(row["was"] or "not asked"), "")),
    Column("calls", "count", lambda row: (count(row["count"]), ""), right=True),
    Column("runs", "runs", lambda row: (count(row["runs"]), ""), right=True, spare=1),
    Column("agent", "agent", width=24),
    Column("tool", "tool", width=24),
    Column("because of", "reasons", lambda row: ("; ".join(row["reasons"]), ""), width=60),
    Column("first run", "first_run", lambda row: (str(row["first_run"])[:12], ""), spare=2),
)  # fmt: skip


def _would(row: Mapping[str, Any]) -> str:
    return f"hold({row['group']})" if row["group"] else str(row["would"])


@click.command(cls=Asking)
@click.argument("query", nargs=-1)
@click.option("--since", default="30d", show_default=True, metavar="AGE|DATE", help="From when on.")
@click.option(
    "--policies", type=click.Path(path_type=Path, file_okay=False, exists=True), metavar="DIR",
    help="Folder of the *.cedar files to try; the project's own where it is left out.",
)  # fmt: skip
@common
def backtest(call: Invocation, query: tuple[str, ...], since: str, policies: Path | None) -> None:
    """Decide recorded calls again under other policies: what would now be denied or held, by agent and rule.

    Runs that match QUERY are gone through (agent:refunds, workflow:desk, …). Calls whose arguments or labels were not
    kept are counted as unknown where the answer hangs on them.
    """
    with call.stores(create=False) as stores:
        answer = call.parts.backtest(
            stores,
            call.settings,
            " ".join(query),
            since=since,
            policies=policies.resolve() if policies else None,
        )
    if call.out.as_json:
        call.out.json(answer)
        return
    call.out.table(_COLUMNS, answer["changes"])
    _tell(call, answer)


def _tell(call: Invocation, answer: Mapping[str, Any]) -> None:
    rate = answer["approvals_per_100_runs"]
    call.out.say(
        f"{counted(answer['calls'], 'call')} of {counted(answer['runs'], 'run')}: {count(answer['same'])} as before"
    )
    if rate["was"] is not None:
        call.out.say(f"approvals in 100 runs: {rate['was']:g} before, {rate['would']:g} then")
    if answer["unguarded"]:
        call.out.say(
            f"{counted(answer['unguarded'], 'call')} had no guard: on whose word they stood is not recorded"
        )
    for row in answer["unknown"]:
        call.out.say(one_line(f"{counted(row['count'], 'call')} cannot be told: {row['why']}"))
    if answer["more"]:
        call.out.say("there are more runs than were gone through; say a shorter --since, or a query")


@click.command()
@click.option("--since", default="30d", show_default=True, metavar="AGE|DATE", help="From when on.")
@common
def report(call: Invocation, since: str) -> None:
    """What rules that are only reported (@report, policy_report_only) would have said of recorded calls."""
    with call.stores(create=False) as stores:
        answer = call.parts.policy_report(stores, since)
    if call.out.as_json:
        call.out.json(answer)
        return
    call.out.table(_COLUMNS, answer["changes"])
    call.out.say(f"of {counted(answer['decisions'], 'decision')} since {since}")
