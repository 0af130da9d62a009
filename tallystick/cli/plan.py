"""``tally plan``: what ``tally apply`` would change, and where what was observed differs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from tallystick.cli.clean import clean, one_line
from tallystick.cli.invocation import Invocation, common

if TYPE_CHECKING:
    from tallystick.registry.diff import Change, Diff
    from tallystick.registry.plan import Item, Plan

_SIGNS: Final = {
    "add": ("+", "green"), "new version": ("~", "yellow"), "changed card": ("~", "yellow"), "back": ("+", "green"),
    "new limit": ("~", "yellow"), "retire": ("-", "red"), "refused": ("!", "red"), "unchanged": ("=", "dim"),
}  # fmt: skip
_WIDE: Final = 160


@click.command()
@click.option("--prune", is_flag=True, help="Retire what this project declared once and declares no more.")
@common
def plan(call: Invocation, prune: bool) -> None:
    """Say what `tally apply` would change: each object, with what differs. Nothing is written."""
    with call.stores() as stores:
        made = call.parts.plan(stores, call.settings, prune=prune)
    show(call, made)


def show(call: Invocation, made: Plan) -> None:
    """A plan as JSON, or for people."""
    if call.out.as_json:
        call.out.json(made.as_json())
        return
    for text, style in _lines(made):
        call.out.line(text, style=style)
    counts = {name: n for name, n in made.as_json()["counts"].items() if n}
    call.out.say(", ".join(f"{n} {name}" for name, n in counts.items()) or "this project declares nothing")
    if made.refused:
        call.out.say("nothing can be applied while something is refused")


def _lines(made: Plan) -> Iterator[tuple[str, str]]:
    for item in made.items:
        if item.action.value == "unchanged" and not item.why:
            continue
        sign, style = _SIGNS[item.action.value]
        yield f"{sign} {_head(item)}", style
        if item.why:
            yield f"    {one_line(item.why, _WIDE * 3)}", style
        if item.hint:
            yield f"    hint: {one_line(item.hint)}", ""
        yield from _changes(item.diff)
    for one in made.observed:
        text = f"? {one['type']} {one['name']}: {one['standing']}: {one['text']}"
        yield one_line(text, _WIDE * 3), "magenta"


def _head(item: Item) -> str:
    named = f"{item.type} {item.name}"
    before = item.known.version if item.known else None
    after = item.wanted.version if item.wanted else before
    version = f" {before} → {after}" if before and after and before != after else f" {after}" if after else ""
    place = f"  ({item.file})" if item.file else ""
    return one_line(f"{item.action.value}: {named}{version}{place}")


def _changes(diff: Diff) -> Iterator[tuple[str, str]]:
    shown = {one.path for one in diff.texts}
    for change in diff.changes:
        if change.path not in shown and change.keys[0] not in shown:
            yield f"    {one_line(_change(change), _WIDE * 2)}", ""
    for text in diff.texts:
        yield f"    {one_line(text.path)}:", ""
        for line in text.lines:
            style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
            yield f"      {_kept(line)}", style


def _change(change: Change) -> str:
    if change.how == "added":
        return f"{change.path}: {_value(change.after)}"
    if change.how == "removed":
        return f"{change.path}: {_value(change.before)} → (left out)"
    return f"{change.path}: {_value(change.before)} → {_value(change.after)}"


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDE else text[: _WIDE - 1] + "…"


def _kept(line: str) -> str:
    """A line with the blanks that it begins with."""
    return clean(line.replace("\t", "    ").replace("\n", "⏎"))
