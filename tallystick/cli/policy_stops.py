"""``tally policy stop|resume|stops``: what a person stopped, whatever the policies say."""

from __future__ import annotations

import click

from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import Column
from tallystick.cli.wording import moment

_COLUMNS = (
    Column("stopped", "scope", width=40),
    Column("because", "because", width=60),
    Column("by", "by", width=20, spare=2),
    Column("since", "at", lambda row: (moment(row.get("at")), ""), spare=1),
)  # fmt: skip
_SCOPE = "agent:NAME|tool:NAME|workflow:NAME|all"


@click.command()
@click.argument("scope", metavar=_SCOPE)
@click.option("--because", required=True, help="Why; kept with the entry and shown with every refusal.")
@common
def stop(call: Invocation, scope: str, because: str) -> None:
    """Stop an agent, a tool, a workflow or everything: every guard refuses within a second, until it is resumed.

    Runs of a stopped agent or workflow end at their next call of a tool or a model; calls of a stopped tool are denied.
    What is stopped already stays as it was stopped first.
    """
    with call.stores(create=False, writing=True) as stores:
        answer = call.parts.stop(stores, scope, by=call.parts.caller(stores).name, because=because)
    if call.out.as_json:
        call.out.json(answer)
    else:
        call.out.line(
            f"stopped {one_line(answer['scope'])} by {one_line(answer['by'])}: {one_line(answer['because'])}"
        )


@click.command()
@click.argument("scope", metavar=_SCOPE)
@click.option("--because", required=True, help="Why; kept with the entry.")
@common
def resume(call: Invocation, scope: str, because: str) -> None:
    """Let what was stopped go on. Runs that ended stay ended; new ones begin."""
    with call.stores(create=False, writing=True) as stores:
        answer = call.parts.resume(stores, scope, by=call.parts.caller(stores).name, because=because)
    if call.out.as_json:
        call.out.json(answer)
    else:
        call.out.line(f"resumed {one_line(answer['scope'])}")


@click.command()
@common
def stops(call: Invocation) -> None:
    """What is stopped now, by whom and why."""
    with call.stores(create=False) as stores:
        answer = call.parts.stops(stores)
    if call.out.as_json:
        call.out.json(answer)
        return
    call.out.table(_COLUMNS, answer["switches"])
    if not answer["switches"]:
        call.out.say("nothing is stopped")
