"""``tally approvals``: the held calls, and a person's answers to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import Column, json_text
from tallystick.cli.wording import colour, glyph, moment, short

_server = click.option("--server", metavar="URL", help="Ask this server instead of the store.")
STATES = ("waiting", "approved", "rejected", "expired", "consumed")


@click.group()
def approvals() -> None:
    """List, show and answer held calls."""


def _state(row: Mapping[str, Any]) -> tuple[str, str]:
    state = str(row.get("state"))
    return f"{glyph(state)} {state}", colour(state)


COLUMNS = (
    Column("approval", "approval", lambda row: (str(row["approval"]), "bold")),
    Column("state", "state", _state),
    Column("agent", "agent", width=20),
    Column("tool", "tool", width=24),
    Column("arguments", "arguments", lambda row: (json_text(row.get("arguments")), ""), width=48),
    Column("for", "group", width=16),
    Column("expires", "expires", lambda row: (moment(row.get("expires")), "")),
    Column("run", "run", lambda row: (short(row.get("run")), "")),
)


@approvals.command()
@_server
@click.option("--state", type=click.Choice(STATES), help="Only approvals in this state.")
@common
def ls(call: Invocation, state: str | None, server: str | None) -> None:
    """Held calls, newest first."""
    with _reads(call, server) as reads:
        answer = reads.approvals(state)
    if call.out.as_json:
        call.out.json(answer)
        return
    rows = answer["approvals"]
    plain = (
        rows if call.out.pretty else [{**row, "arguments": json_text(row.get("arguments"))} for row in rows]
    )
    call.out.table(COLUMNS, plain)
    waiting = [row["approval"] for row in rows if row["state"] == "waiting"]
    if waiting:
        call.out.say(f"look at one: tally approvals show {waiting[0]}")
    elif not rows:
        call.out.say("nothing is held")


@approvals.command()
@click.argument("approval")
@_server
@common
def show(call: Invocation, approval: str, server: str | None) -> None:
    """One held call: what exactly was asked, by whom, under which rule, and until when."""
    with _reads(call, server) as reads:
        answer = reads.approval(approval)
    if call.out.as_json:
        call.out.json(answer)
        return
    rows = {**answer, "arguments": json_text(answer.get("arguments"))}
    call.out.fields(rows.items())
    if answer["state"] == "waiting":
        call.out.say(
            f"answer it: tally approvals approve {answer['approval']}, or reject {answer['approval']}"
        )


@contextmanager
def _reads(call: Invocation, server: str | None) -> Iterator[Any]:
    """What tells of approvals: the server that is meant, or the store."""
    at = call.server(server)
    if at is not None:
        yield call.parts.server_people(at, call.settings)
        return
    with call.reader() as reader:
        yield reader


def _answer(call: Invocation, approval: str, answer: str, note: str | None, server: str | None) -> None:
    at = call.server(server)
    if at is not None:
        given = call.parts.server_people(at, call.settings).answer(approval, answer, note=note)
        name = str(given.get("by"))
    else:
        with call.stores(create=False, writing=True) as stores:
            by = call.parts.caller(stores)
            given = call.parts.answer(stores, call.settings, approval, answer, by=by, note=note)
        name = by.name
    if call.out.as_json:
        call.out.json(dict(given))
    else:
        call.out.line(f"{answer} {one_line(str(given.get('approval', approval)))} as {one_line(name)}")


@approvals.command()
@click.argument("approval")
@click.option("--note", help="Why; kept with the answer.")
@_server
@common
def approve(call: Invocation, approval: str, note: str | None, server: str | None) -> None:
    """Let a held call happen, once and exactly as it was asked."""
    _answer(call, approval, "approved", note, server)


@approvals.command()
@click.argument("approval")
@click.option("--note", help="Why; kept with the answer.")
@_server
@common
def reject(call: Invocation, approval: str, note: str | None, server: str | None) -> None:
    """Refuse a held call; the model reads that it was refused."""
    _answer(call, approval, "rejected", note, server)
