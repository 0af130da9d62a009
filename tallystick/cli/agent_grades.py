"""``tally agents grades``: what is really done at an agent's calls of each tool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import Column
from tallystick.cli.wording import count

_COLOURS: Final = {
    "observed only": "red",
    "decided but not enforced": "yellow",
    "enforced before execution": "green",
}


def _grade(row: Mapping[str, Any]) -> tuple[str, str]:
    return str(row["grade"]), _COLOURS.get(row["grade"], "")


COLUMNS: Final = (
    Column("tool", "tool", width=32),
    Column("grade", "grade", _grade),
    Column("calls", "calls", lambda row: (count(row["calls"]), ""), right=True),
    Column("only seen", "observed", lambda row: (count(row["observed"]), ""), right=True),
    Column("not enforced", "decided", lambda row: (count(row["decided"]), ""), right=True),
    Column("enforced", "enforced", lambda row: (count(row["enforced"]), ""), right=True),
    Column("declared", "declared", lambda row: ("yes" if row["declared"] else "no", ""), spare=1),
)


@click.command()
@click.argument("agent")
@click.option("--since", metavar="AGE|DATE", default="30d", show_default=True, help="From when on.")
@common
def grades(call: Invocation, agent: str, since: str) -> None:
    """For each tool of AGENT: whether its calls were only observed, decided without effect, or enforced.

    From the newest 50 runs; a tool has the grade of the call that was looked after least, and one that was not called
    is not measured.
    """
    with call.catalog() as catalog:
        answer = catalog.grades(agent, since)
    if call.out.as_json:
        call.out.json(answer)
        return
    call.out.table(COLUMNS, answer["tools"])
    if not answer["tools"]:
        call.out.say("it has no tool, and was seen calling none")
    elif answer["more"]:
        call.out.say(f"from its newest {answer['runs']} runs; there are more")
