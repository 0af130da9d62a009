"""``tally find``: things of every type, by what they are, can do, did or lack."""

from __future__ import annotations

import click

from tallystick.cli.asking import Asking
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import Column
from tallystick.cli.runs import join
from tallystick.cli.things import NAME, STANDING, TYPE

_COLUMNS = (TYPE, NAME, STANDING, Column("owner", "owner", width=20), Column("purpose", "purpose", width=60))


@click.command(cls=Asking)
@click.argument("query", nargs=-1, required=True)
@common
def find(call: Invocation, query: tuple[str, ...]) -> None:
    """Find things of every type that match QUERY, for example: tally find touches:customer_pii missing:owner"""
    with call.catalog() as catalog:
        answer = catalog.find(join(query))
    if call.out.as_json:
        call.out.json(answer)
    else:
        call.out.table(_COLUMNS, answer["objects"])
        if not answer["objects"]:
            call.out.say("nothing matches")
    for warning in answer["warnings"]:
        call.out.say(warning)
