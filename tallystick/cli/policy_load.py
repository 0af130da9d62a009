"""``tally policy load``: what each rule asks of people, beside the budget that it was given for that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import Column
from tallystick.cli.wording import count, counted

_MINUTE_NS = 60_000_000_000


def _time(value: int | None) -> str:
    if value is None:
        return "–"
    seconds = value // 1_000_000_000
    return f"{seconds} s" if value < _MINUTE_NS else f"{seconds // 60} min"


def _budget(row: Mapping[str, Any]) -> tuple[str, str]:
    if row["budget"] is None:
        return "–", ""
    return (f"{row['budget']}: over budget", "red") if row["over_budget"] else (str(row["budget"]), "")


_COLUMNS = (
    Column("rule", "rule", width=50),
    Column("asked", "asked", lambda row: (count(row["asked"]), ""), right=True),
    Column("per 100 runs", "per_100_runs", lambda row: (row["per_100_runs"] or "–", ""), right=True),
    Column("yes %", "yes_percent", lambda row: (row["yes_percent"] or "–", ""), right=True),
    Column("expired", "expired", lambda row: (count(row["expired"]), ""), right=True),
    Column("median", "median_answer_ns", lambda row: (_time(row["median_answer_ns"]), ""), right=True),
    Column("p90", "p90_answer_ns", lambda row: (_time(row["p90_answer_ns"]), ""), right=True, spare=1),
    Column("budget", "budget", _budget),
)


@click.command()
@click.option("--since", default="30d", show_default=True, metavar="AGE|DATE", help="From when on.")
@common
def load(call: Invocation, since: str) -> None:
    """What each rule asked of people: how often, how long the answer took, how often it was yes.

    A rule says with @budget("5 per 100") how many approvals in 100 runs it may ask for. The rate of yes tells whether
    anybody still looks: a rule to which all say yes protects nothing.
    """
    from tallystick.wiring import policing

    with call.stores(create=False) as stores:
        answer = policing.load(stores, since)
    if call.out.as_json:
        call.out.json(answer)
        return
    call.out.table(_COLUMNS, answer["rules"])
    if not answer["rules"]:
        call.out.say("no rule asked anybody")
    call.out.say(f"in {counted(answer['runs'], 'run')} in which something was decided")
    if answer["cut"]:
        call.out.say("there was more than was looked at; say a shorter --since")
