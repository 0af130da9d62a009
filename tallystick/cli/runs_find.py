"""``tally runs find``: where in a run a text was said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import Column
from tallystick.cli.wording import count

MOST = 1_000  # matches that the read model gives at once
_LEAD = 24  # characters that stand before a match in a terminal
_COLUMNS = (
    Column("step", "step", lambda value: (str(value["step"]), "bold")),
    Column("field", "field", width=32),
    Column("text", "snippet", lambda value: (one_line(_marked(value), 200), ""), width=100),
)


@click.command()
@click.argument("run")
@click.argument("text", nargs=-1, required=True)
@click.option(
    "--limit", type=click.IntRange(1, MOST), default=50, show_default=True, help="Most matches to give."
)
@click.option("--after", metavar="CURSOR", help='Go on behind an answer: "more" of it.')
@common
def find(call: Invocation, run: str, text: tuple[str, ...], limit: int, after: str | None) -> None:
    """Find TEXT in what the steps of RUN carried; upper and lower case are alike.

    One match a step and field: goal, input, output, arguments, result, reasoning, system, error, name, attribute:KEY.
    """
    with call.reader() as reader:
        answer = reader.find(run, " ".join(text), limit=limit, after=after)
        matches = list(answer["matches"])
        while answer["more"] is not None and len(matches) < limit:  # a long run is looked through bit by bit
            answer = reader.find(run, " ".join(text), limit=limit - len(matches), after=answer["more"])
            matches += answer["matches"]
    answer = {**answer, "matches": matches}
    out = call.out
    if out.as_json:
        out.json(answer)
        return
    out.table(_COLUMNS, answer["matches"])
    if not answer["matches"]:
        out.say(f"nothing in {count(answer['searched'])} steps says that")
    elif answer["more"] is not None:
        out.say(f"there are more matches; go on with: --after {answer['more']}")


def _marked(match: Mapping[str, Any]) -> str:
    """The snippet with the match between angle quotes, and so near its beginning that no terminal cuts it off."""
    text, at = str(match["snippet"]), int(match["at"])
    end = at + int(match["length"])
    before = text[:at] if at <= _LEAD else f"…{text[at - _LEAD : at]}"
    return f"{before}»{text[at:end]}«{text[end:]}"
