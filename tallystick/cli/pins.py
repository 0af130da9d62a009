"""``tally tools quarantine|accept``: definitions of tools that wait for a person."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from tallystick.cli.clean import clean, one_line
from tallystick.cli.invocation import Invocation, common

_SHORT: Final = 12
_WIDE: Final = 2_000  # characters of a field's text
_AROUND: Final = 60  # characters shown of what is the same around a change
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
                yield f"{name}: {_shown(_text(now))}"
        elif before.get(name) != now:
            old, new = _where_they_differ(_text(before.get(name)), _text(now))
            yield f"{name} before: {_shown(old)}"
            yield f"{name} after:  {_shown(new)}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _where_they_differ(before: str, after: str) -> tuple[str, str]:
    """Two texts without a long beginning and a long end that they share: nobody would see a change behind those."""
    head = _same(before, after)
    tail = _same(before[head:][::-1], after[head:][::-1])
    first, last = max(head - _AROUND, 0), max(tail - _AROUND, 0)

    def cut(text: str) -> str:
        return ("…" if first else "") + text[first : len(text) - last] + ("…" if last else "")

    return cut(before), cut(after)


def _same(one: str, other: str) -> int:
    """How many characters two texts begin with that are the same."""
    length = min(len(one), len(other))
    return next((at for at in range(length) if one[at] != other[at]), length)


def _shown(text: str) -> str:
    """A text on one line; what is left out is counted, so that nothing is accepted that nobody could see."""
    more = len(text) - _WIDE
    if more <= 0:
        return one_line(text)
    return f"{one_line(text[:_WIDE])}… ({more:,} more characters: --json has them)"


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
        given = call.parts.accept(
            stores, tool, definition, by=call.parts.caller(stores).name, because=because
        )
    if call.out.as_json:
        call.out.json(dict(given))
    else:
        call.out.line(f"accepted {one_line(tool)} {given['channel']} {given['definition'][:_SHORT]}")
