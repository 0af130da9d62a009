"""``tally promote``: move an alias of an agent to one of its versions."""

from __future__ import annotations

import click

from tallystick.app.registry.promote import Wish
from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.wording import short
from tallystick.registry.version_refs import split_ref


@click.command()
@click.argument("agent", metavar="AGENT[@VERSION]")
@click.option(
    "--to", "alias", required=True, metavar="ALIAS", help="The alias to move, for example production."
)
@click.option("--because", metavar="TEXT", help="Why; the journal keeps it.")
@click.option(
    "--override",
    metavar="REASON",
    help="Go on with what is missing; the journal keeps the reason and what it was.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done and change nothing.")
@common
def promote(
    call: Invocation, agent: str, alias: str, because: str | None, override: str | None, dry_run: bool
) -> None:
    """Move an alias to a version: its label, another alias, or the start of its digest; else the one declared now.

    An alias in the setting gated_aliases moves only to a version that is ready; exit 3 says what is missing. Going back
    is promoting the older version.
    """
    name, version = split_ref(agent)
    wish = Wish(name, version, alias, because, override)
    with call.stores(create=False, writing=True) as stores:
        answer = call.parts.promote(
            stores, call.settings, wish, by=call.parts.caller(stores).name, dry_run=dry_run
        )
    if call.out.as_json:
        call.out.json(dict(answer))
        return
    to = answer["to"]["version"] or short(answer["to"]["digest"])
    if not answer["changed"]:
        call.out.say(f"{name}@{alias} is {to} already")
        return
    was = answer["from"] and (answer["from"]["version"] or short(answer["from"]["digest"]))
    word = "would move" if dry_run else "moved"
    call.out.line(
        one_line(f"{name}@{alias} {word} from {was} to {to}" if was else f"{name}@{alias} {word} to {to}")
    )
    for reason in answer["missing"]:
        call.out.say(f"missing, and overridden: {one_line(reason)}")
