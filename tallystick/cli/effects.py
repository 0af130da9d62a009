"""``tally effects``: what became of consequential calls, and the queue of those in doubt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import Column, json_text
from tallystick.cli.wording import colour, glyph, moment, short
from tallystick.model.errors import Unconfirmed


@click.group()
def effects() -> None:
    """List, show and settle the effects of calls."""


def _state(row: Mapping[str, Any]) -> tuple[str, str]:
    state = str(row.get("state"))
    return f"{glyph(state)} {state}", colour(state)


COLUMNS = (
    Column("effect", "effect", lambda row: (str(row["effect"]), "bold")),
    Column("state", "state", _state),
    Column("agent", "agent", width=20, spare=2),
    Column("tool", "tool", width=24),
    Column("recovery", "recovery", spare=1),
    Column("run", "run", lambda row: (short(row.get("run")), "")),
    Column("started", "started", lambda row: (moment(row.get("started")), "")),
    Column("because", "because", width=40, spare=3),
)


@effects.command()
@click.option("--in-doubt", is_flag=True, help="Only effects of which nobody knows whether they happened.")
@click.option("--run", metavar="RUN", help="Only effects of this run (its whole id).")
@common
def ls(call: Invocation, in_doubt: bool, run: str | None) -> None:
    """Effects of calls, newest first."""
    with call.stores(create=False) as stores:
        answer = call.parts.deeds.desk(stores).effects(in_doubt=in_doubt, run=run)
    if call.out.as_json:
        call.out.json(answer)
        return
    call.out.table(COLUMNS, answer["effects"])
    if not answer["effects"]:
        call.out.say("nothing is in doubt" if in_doubt else "no effect was let through")
    elif in_doubt:
        call.out.say(f"look at one: tally effects show {answer['effects'][0]['effect']}")


@effects.command()
@click.argument("effect")
@common
def show(call: Invocation, effect: str) -> None:
    """One effect: its call, what came back, what can be done. EFFECT may be a prefix that only it has."""
    with call.stores(create=False) as stores:
        answer = call.parts.deeds.desk(stores).effect(effect)
    if call.out.as_json:
        call.out.json(answer)
        return
    texts = {key: json_text(answer[key]) for key in ("arguments", "result", "undo")}
    call.out.fields({**answer, **texts}.items())
    if answer["next"]:
        call.out.say(one_line(answer["next"]))


@effects.command()
@click.argument("effect")
@click.argument("answer", type=click.Choice(["landed", "did-not-happen"]))
@click.option("--because", required=True, help="How you know; kept in the journal.")
@common
def settle(call: Invocation, effect: str, answer: str, because: str) -> None:
    """Say what became of an effect in doubt; the money held for it is settled with it."""
    with call.stores(create=False, writing=True) as stores:
        done = call.parts.deeds.desk(stores).settle(
            effect, answer, by=call.parts.caller(stores).name, because=because
        )
    if call.out.as_json:
        call.out.json(done)
    else:
        call.out.line(f"{one_line(done['effect'])} {one_line(done['state'])}, by {one_line(done['by'])}")


@effects.command()
@click.argument("effect", required=False)
@click.option("--module", required=True, metavar="MODULE", help="The code that declares the tools.")
@click.option("--repeat", is_flag=True, help="Call again what may be repeated, with the key that it had.")
@common
def reconcile(call: Invocation, effect: str | None, module: str, repeat: bool) -> None:
    """Settle effects in doubt by the reads that their tools declare. Exit code 6 while some stay in doubt."""
    with call.stores(create=False, writing=True) as stores:
        by = call.parts.caller(stores).name
        done = call.parts.deeds.reconcile(stores, effect, module=module, by=by, repeat=repeat)
    if call.out.as_json:
        call.out.json(done)
    else:
        call.out.table(COLUMNS, done["effects"])
        for row in done["left"]:
            call.out.say(one_line(f"{row['effect']} ({row['tool']}) stays in doubt: {row['why']}"))
        if not done["effects"] and not done["left"]:
            call.out.say("nothing is in doubt")
    if done["left"]:
        raise Unconfirmed(
            f"{len(done['left'])} effects stay in doubt",
            hint="tally effects ls --in-doubt",
            left=done["left"],
        )
