"""``tally tools quarantine|accept``: definitions of tools that wait for a person."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from tallystick.cli.clean import clean, one_line
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.person import this_person

_SHORT: Final = 12
_WIDE: Final = 300  # characters of a field's text; --json has it whole
_FIELDS: Final = ("name", "description", "input", "output", "annotations", "server")


@click.command()
@common
def quarantine(call: Invocation) -> None:
    """Definitions that wait for a person: what each tool said before, and what it says now."""
    with call.catalog() as catalog:
        answer = catalog.quarantine()
    if call.out.as_json:
        call.out.json(answer)
        return
    rows = answer["definitions"]
    for row in rows:
        tool = one_line(str(row["tool"]))
        call.out.line(f"{tool}  {row['channel']}  {row['why']}  {row['definition'][:_SHORT]}", style="yellow")
        for line in _changes(row):
            call.out.line("    " + clean(line))
    if rows:
        call.out.say(f"accept one: tally tools accept {one_line(str(rows[0]['tool']))}")
    else:
        call.out.say("no definition waits")


def _changes(row: Mapping[str, Any]) -> Iterator[str]:
    """One line for what is new, two for what changed: before and after."""
    before, after = row.get("before"), row.get("after") or {}
    for name in _FIELDS:
        now = after.get(name)
        if before is None:
            if now and name != "name":
                yield f"{name}: {_text(now)}"
        elif before.get(name) != now:
            yield f"{name} before: {_text(before.get(name))}"
            yield f"{name} after:  {_text(now)}"


def _text(value: Any) -> str:
    return one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), _WIDE)


@click.command()
@click.argument("tool")
@click.option(
    "--definition", metavar="PREFIX", help="Which one, where several wait: the start of its digest."
)
@click.option("--because", help="Why; kept with the entry.")
@common
def accept(call: Invocation, tool: str, definition: str | None, because: str | None) -> None:
    """Take what a tool says of itself now for the tool; what was accepted before no longer counts."""
    with call.stores(create=False, writing=True) as stores:
        given = call.parts.accept(stores, tool, definition, by=this_person(), because=because)
    if call.out.as_json:
        call.out.json(dict(given))
    else:
        call.out.line(f"accepted {one_line(tool)} {given['channel']} {given['definition'][:_SHORT]}")
