"""``tally cost``: what was spent and on what. A sum with an unpriced part is never shown as if it were whole."""

from __future__ import annotations

import click

from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import Column
from tallystick.cli.runs import join
from tallystick.cli.wording import count, money

BY = ("agent", "tool", "workflow", "run", "model", "version", "subject", "conversation")
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
@click.option(
    "--limit", type=click.IntRange(1, 1_000), default=100, show_default=True, help="Most rows to list."
)
@click.option(
    "--after", type=click.IntRange(0, 2**53 - 1), default=0, metavar="N", help="Leave out the first N rows."
)
@common
def cost(call: Invocation, query: tuple[str, ...], by: str, limit: int, after: int) -> None:
    """What was spent, dearest first; QUERY narrows it to matching runs. Sums are over all rows."""
    with call.reader() as reader:
        answer = reader.cost(by, join(query), limit=limit, after=after)
    if call.out.as_json:
        call.out.json(answer)
        return
    call.out.table(COLUMNS if call.out.pretty else _PIPE, answer["rows"])
    total = money(answer["total_nano_usd"], answer["known_nano_usd"], answer["gaps"])
    call.out.say(f"total {total}")
    if answer["more"] is not None:
        shown = f"{count(len(answer['rows']))} of {count(answer['total'])} rows"
        call.out.say(f"{shown}; next page: --after {answer['more']}")
    if answer["gaps"]:
        call.out.say(
            f"{count(answer['gaps'])} steps have no known cost; `tally doctor` names the models without a price"
        )
