"""``tally budgets``: limits on what may be spent, and how much of each is spent and held."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import click

from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import Column
from tallystick.cli.wording import money
from tallystick.model.errors import BadInput, UnknownThing
from tallystick.model.journal import Draft
from tallystick.model.money import nano_from_usd

MODES = ("hard", "soft", "observe")
_SCOPE = re.compile(r"(run|agent|workflow|tool):\S+")


@click.group()
def budgets() -> None:
    """List, show and set budgets."""


def _usd(key: str) -> Any:
    def show(row: Mapping[str, Any]) -> tuple[str, str]:
        return money(row[key]), "red" if row[key] < 0 else ""

    return show


COLUMNS = (
    Column("budget", "name", width=32),
    Column("scope", "scope", width=32),
    Column("mode", "mode"),
    *(
        Column(key.split("_")[0], key, _usd(key), right=True)
        for key in ("limit_nano_usd", "spent_nano_usd", "held_nano_usd", "available_nano_usd")
    ),
)


@budgets.command()
@click.option("--scope", help="Only budgets on this scope.")
@common
def ls(call: Invocation, scope: str | None) -> None:
    """Budgets with what is spent and held."""
    with call.reader() as reader:
        rows = [row for row in reader.budgets() if scope in (None, row["scope"])]
    if call.out.as_json:
        call.out.json({"total": len(rows), "budgets": rows})
        return
    call.out.table(COLUMNS, rows)
    if not rows:
        call.out.say("no budgets; set one: tally budgets set every-run --scope 'run:*' --limit 0.50")


def one(rows: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """The budget with this name. Raises UnknownThing with the name that was probably meant."""
    for row in rows:
        if row["name"] == name:
            return row
    near = difflib.get_close_matches(name, [str(row["name"]) for row in rows], 1)
    hint = f"did you mean {near[0]}?" if near else "`tally budgets ls` lists them"
    raise UnknownThing(f"no budget is called {name!r}", hint=hint, name=name)


@budgets.command()
@click.argument("name")
@common
def show(call: Invocation, name: str) -> None:
    """One budget."""
    with call.reader() as reader:
        found = one(reader.budgets(), name)
    if call.out.as_json:
        call.out.json(dict(found))
    else:
        call.out.fields(found.items())


@budgets.command("set")
@click.argument("name")
@click.option(
    "--scope",
    required=True,
    help="run:* (each run by itself), run:ID, agent:NAME, workflow:NAME or tool:NAME.",
)
@click.option("--limit", required=True, metavar="USD", help='US dollars, for example "0.50".')
@click.option(
    "--mode",
    type=click.Choice(MODES),
    default="hard",
    show_default=True,
    help="hard refuses what does not fit.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be set and change nothing.")
@common
def set_budget(call: Invocation, name: str, scope: str, limit: str, mode: str, dry_run: bool) -> None:
    """Set a budget; setting it again changes its limit and keeps what is spent."""
    if not _SCOPE.fullmatch(scope):
        raise BadInput(
            f"{scope!r} is not a scope", hint="write run:*, run:ID, agent:NAME, workflow:NAME or tool:NAME"
        )
    nano = nano_from_usd(limit.removeprefix("$"))
    if nano < 0:
        raise BadInput("a budget cannot be below zero", hint='for example --limit "0.50"')
    body = {"budget": name, "scope": scope, "limit_nano": nano, "mode": mode}
    seq = None
    if not dry_run:
        with call.stores(writing=True) as stores:
            draft = Draft("budget.set", name, body, actor=call.parts.caller(stores).name)
            seq = stores.control.append([draft])[0].seq
    if call.out.as_json:
        call.out.json({
            "name": name, "scope": scope, "mode": mode, "limit_nano_usd": nano, "changed": not dry_run, "entry": seq,
        })  # fmt: skip
    else:
        call.out.line(f"{'would set' if dry_run else 'set'} {mode} budget {name} on {scope}: {money(nano)}")
