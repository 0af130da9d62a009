"""``tally apply``: declare what a project's files say."""

from __future__ import annotations

from pathlib import Path

import click

from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would change and change nothing.")
@common
def apply(call: Invocation, dry_run: bool) -> None:
    """Declare agents/*.toml and tools/*.toml of this project; a second time changes nothing."""
    project = call.settings.project or Path.cwd()
    with call.stores(writing=True) as stores:
        answer = dict(call.parts.declare(stores, project, dry_run=dry_run))
    if call.out.as_json:
        call.out.json(answer)
        return
    declared = answer.get("declared", [])
    for item in declared:
        call.out.line("\t".join(one_line(str(item[key])) for key in ("type", "name", "digest")))
    word = "would be declared" if dry_run else "declared"
    call.out.say(f"{len(declared)} {word}, {answer.get('unchanged', 0)} unchanged")
