"""``tally policy``: policies looked at before they are in force."""

from __future__ import annotations

import click

from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.wording import count


@click.group()
def policy() -> None:
    """Check policies before they are in force."""


@policy.command()
@click.option(
    "--policies", type=click.Path(path_type=str), metavar="DIR", help="Folder of the *.cedar files."
)
@common
def check(call: Invocation, policies: str | None) -> None:
    """Parse the policies and check them against the declared tools; a mistake is named with file and line."""
    call.flag(policies=policies)
    answer = dict(call.parts.check_policies(call.settings))
    if call.out.as_json:
        call.out.json(answer)
        return
    call.out.fields(
        (key, count(value) if isinstance(value, int) else one_line(str(value)))
        for key, value in answer.items()
    )
