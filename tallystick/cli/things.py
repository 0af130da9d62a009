"""``tally agents|tools|models|workflows``: what runs, declared and observed, and where the two differ."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import click

from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import Column
from tallystick.cli.tool_import import import_tools
from tallystick.cli.wording import count, moment, money
from tallystick.model.errors import UnknownThing


def _standing(row: Mapping[str, Any]) -> tuple[str, str]:
    if row.get("declared") and row.get("observed"):
        return "declared, observed", ""
    if row.get("declared"):
        return "declared, not seen", "dim"
    return "! seen, not declared", "yellow"


def _cost(row: Mapping[str, Any]) -> tuple[str, str]:
    return money(row.get("cost_nano_usd"), row.get("cost_known_nano_usd"), row.get("cost_gaps")), ""


_FIRST = (
    Column("name", "name", width=40),
    Column("standing", "declared", _standing),
)
_EFFECT = (Column("effect", "effect"),)
_LAST = (
    Column("version", "version"),
    Column("owner", "owner", width=20),
    Column("runs", "runs", lambda row: (count(row.get("runs")), ""), right=True),
    Column("steps", "steps", lambda row: (count(row.get("steps")), ""), right=True),
    Column(
        "errors",
        "errors",
        lambda row: (count(row.get("errors")), "red" if row.get("errors") else ""),
        right=True,
    ),
    Column(
        "cost",
        "cost_nano_usd",
        _cost,
        right=True,
    ),
    Column("last seen", "last", lambda row: (moment(row.get("last")), "")),
)
_PLAIN = Column("observed", "observed")


def one(rows: Sequence[Mapping[str, Any]], noun: str, name: str) -> Mapping[str, Any]:
    """The row with this name. Raises UnknownThing with the name that was probably meant."""
    for row in rows:
        if row["name"] == name:
            return row
    near = difflib.get_close_matches(name, [str(row["name"]) for row in rows], 1)
    hint = f"did you mean {near[0]}?" if near else f"`tally {noun} ls` lists them"
    raise UnknownThing(f"no {noun.removesuffix('s')} is called {name!r}", hint=hint, name=name)


def _columns(noun: str) -> tuple[Column, ...]:
    return (*_FIRST, *(_EFFECT if noun == "tools" else ()), *_LAST)


def _group(noun: str, text: str) -> click.Group:
    @click.group(noun, help=text)
    def group() -> None:
        pass

    @group.command("ls", help=f"All {noun}.")
    @common
    def ls(call: Invocation) -> None:
        with call.reader() as reader:
            rows = getattr(reader, noun)()
        if call.out.as_json:
            call.out.json({"total": len(rows), noun: list(rows)})
            return
        columns = _columns(noun)
        call.out.table(columns if call.out.pretty else (*columns[:2], _PLAIN, *columns[2:]), rows)
        if not rows:
            call.out.say(f"no {noun} yet; start with: tally demo, or tally run -- python my_agent.py")
        elif noun in ("agents", "tools") and any(not row["declared"] for row in rows):
            call.out.say(f"declare what is seen but not declared in {noun}/NAME.toml, then: tally apply")

    @group.command("show", help=f"One {noun.removesuffix('s')}: its declaration and what was seen of it.")
    @click.argument("name")
    @common
    def show(call: Invocation, name: str) -> None:
        with call.reader() as reader:
            row = one(getattr(reader, noun)(), noun, name)
        if call.out.as_json:
            call.out.json(dict(row))
            return
        body = row.get("declaration") or {}
        call.out.fields(
            (key, value) for key, value in row.items() if value is not None and key != "declaration"
        )
        call.out.fields((f"declared {key}", value) for key, value in body.items())

    return group


agents = _group("agents", "Agents, declared and observed.")
tools = _group("tools", "Tools, declared and observed.")
models = _group("models", "Models, declared and observed.")
workflows = _group("workflows", "Workflows that were observed.")
tools.add_command(import_tools)
