"""``tally ready``: which of the five layers an agent needs, has and misses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common

NOT_READY = 3


@click.command()
@click.argument("agent", metavar="AGENT[@VERSION]")
@common
def ready(call: Invocation, agent: str) -> int:
    """Which layers an agent needs from what it can do, which it has, and what adds the rest.

    Exit 3 where something needed is missing.
    """
    with call.stores() as stores:
        answer = call.parts.ready(stores)(agent)
    if call.out.as_json:
        call.out.json(answer)
    else:
        _say(call, answer)
    return 0 if answer["ready"] else NOT_READY


def _say(call: Invocation, answer: Mapping[str, Any]) -> None:
    call.out.line(one_line(answer["sentence"]))
    for layer in answer["layers"] if answer["needed"] else ():
        missing = layer["missing"]
        state, style = (
            ("✗ missing", "red") if missing else ("✓", "green") if layer["needed"] else ("not needed", "dim")
        )
        call.out.line(f"{layer['layer']:<14} {state}: {one_line(layer['why'])}", style=style)
        for has in layer["has"]:
            call.out.line(f"  has    {one_line(has)}")
        for gap in missing:
            call.out.line(f"  lacks  {one_line(gap['what'])}")
            call.out.line(f"         {one_line(gap['fix'])}", style="dim")
