"""``tally runs completeness``: how many runs were recorded whole, by agent or by day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import Column
from tallystick.cli.runs import join
from tallystick.cli.wording import count

BY = ("agent", "day")


def _count(name: str, style: str = "") -> Column:
    return Column(name, name, lambda row: (count(row.get(name)), style if row.get(name) else ""), right=True)


def _missing(row: Mapping[str, Any]) -> tuple[str, str]:
    known, unknown = row["missing"], row["missing_unknown"]
    told = count(known) if known or not unknown else "?"
    return f"{told} and more" if known and unknown else told, "yellow" if known or unknown else ""


COLUMNS = (
    Column("", "key", width=48),
    _count("runs"),
    _count("complete"),
    _count("lossy", "yellow"),
    _count("open"),
    _count("crashed", "red"),
    Column("steps missing", "missing", _missing, right=True),
)
_PIPE = (*COLUMNS[:6], Column("", "missing"), Column("", "missing_unknown"))


@click.command()
@click.argument("query", nargs=-1)
@click.option("--by", type=click.Choice(BY), default="agent", show_default=True, help="What to count by.")
@common
def completeness(call: Invocation, query: tuple[str, ...], by: str) -> None:
    """How many runs were recorded whole; QUERY narrows it to matching runs (one agent over time: agent:NAME --by day).

    A day is that of the run's start, in UTC.
    """
    with call.reader() as reader:
        answer = reader.completeness(by, join(query))
    if call.out.as_json:
        call.out.json(answer)
        return
    rows = answer["rows"]
    call.out.table(COLUMNS if call.out.pretty else _PIPE, rows)
    if not rows:
        call.out.say("no run matches" if query else "no runs yet")
    elif any(row["lossy"] or row["crashed"] for row in rows):
        call.out.say("which they are: tally runs ls completeness:lossy, and completeness:crashed")
