"""``tally apply``: make the registry what a project's files say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.plan import show


@click.command()
@click.option("--prune", is_flag=True, help="Retire what this project declared once and declares no more.")
@click.option("--because", metavar="TEXT", help="Why, for the journal.")
@click.option("--dry-run", is_flag=True, help="Like `tally plan`: say what would change and change nothing.")
@common
def apply(call: Invocation, prune: bool, because: str | None, dry_run: bool) -> None:
    """Declare agents, tools, data, prompts, policies and suites of this project; a second time changes nothing.

    It does what `tally plan` says, all of it or nothing. A version that is there is never overwritten (exit code 7).
    """
    with call.stores(writing=True) as stores:
        if dry_run:
            show(call, call.parts.plan(stores, call.settings, prune=prune))
            return
        answer = call.parts.declare(
            stores, call.settings, by=call.parts.caller(stores).name, prune=prune, because=because
        )
    if call.out.as_json:
        call.out.json(dict(answer))
        return
    for line in _lines(answer):
        call.out.line(line)
    call.out.say(
        f"{len(answer['declared'])} declared, {len(answer['retired'])} retired, {answer['unchanged']} unchanged"
    )


def _lines(answer: Mapping[str, Any]) -> list[str]:
    rows = [(one["type"], one["name"], one["digest"], one["action"]) for one in answer["declared"]]
    rows += [(one["type"], one["name"], "", "retire") for one in answer["retired"]]
    rows += [("budget", one["scope"], "", "set") for one in answer["budgets"]]
    return ["\t".join(one_line(str(cell)) for cell in row) for row in rows]
