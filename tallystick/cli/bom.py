"""``tally bom``: a bill of materials of agents."""

from __future__ import annotations

import click

from tallystick.cli.cards import write_file
from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common


@click.command()
@click.argument("what", default="", metavar="[AGENT[@VERSION]|QUERY]")
@click.option("-o", "--output", metavar="FILE", help="Write it there; a file that is there is replaced.")
@common
def bom(call: Invocation, what: str, output: str | None) -> None:
    """What agents consist of: tools, models, prompts, policies, data sources and delegates, as CycloneDX 1.6 JSON.

    Of one agent, of those that a query finds, or of all.
    """
    with call.stores(create=False) as stores:
        text = call.parts.bill(stores, what)
    if output is None:
        call.out.write(text)
        return
    write_file(output, text)
    call.out.say(f"wrote {one_line(output)}")
