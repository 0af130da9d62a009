"""``tally cost``: what was spent and on what. A sum with an unpriced part is never shown as if it were whole."""

from __future__ import annotations

import click

from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import Column
from tallystick.cli.runs import join
from tallystick.cli.wording import count, money

BY = ("agent", "tool", "workflow", "run", "model")
COLUMNS = (
    Column("", "key", width=48),
    Column("cost", "cost_nano_usd", lambda row: (
        money(row.get("cost_nano_usd"), row.get("cost_known_nano_usd"), row.get("gaps")),
        "yellow" if row.get("cost_nano_usd") is None else "",
    ), right=True),
    Column("runs", "runs", lambda row: (count(row.get("runs")), ""), right=True),
    Column("steps", "steps", lambda row: (count(row.get("steps")), ""), right=True),
    Column("input tokens", "input_tokens", lambda row: (count(row.get("input_tokens")), ""), right=True),
    Column("output tokens", "output_tokens", lambda row: (count(row.get("output_tokens")), ""), right=True),
)  # fmt: skip
_PIPE = (*COLUMNS[:2], Column("", "cost_known_nano_usd"), Column("", "gaps"), *COLUMNS[2:])


@click.command()
@click.argument("query", nargs=-1)
@click.option("--by", type=click.Choice(BY), default="agent", show_default=True, help="What to sum by.")
@common
def cost(call: Invocation, query: tuple[str, ...], by: str) -> None:
    """What was spent, by agent, tool, workflow, run or model; QUERY narrows it to matching runs."""
    with call.reader() as reader:
        answer = reader.cost(by, join(query))
    if call.out.as_json:
        call.out.json(answer)
        return
    call.out.table(COLUMNS if call.out.pretty else _PIPE, answer["rows"])
    total = money(answer["total_nano_usd"], answer["known_nano_usd"], answer["gaps"])
    call.out.say(f"total {total}")
    if answer["gaps"]:
        call.out.say(
            f"{count(answer['gaps'])} steps have no known cost; `tally doctor` names the models without a price"
        )
