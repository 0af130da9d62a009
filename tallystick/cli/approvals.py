"""``tally approvals``: the held calls, and a person's answers to them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import click

from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import Column, json_text
from tallystick.cli.wording import colour, glyph, moment, short
from tallystick.model.errors import BadInput, TallystickError
from tallystick.model.query import end_of
from tallystick.model.quorum import named

_server = click.option("--server", metavar="URL", help="Ask this server instead of the store.")
MOST_AT_ONCE: Final = 20
STATES = ("waiting", "approved", "rejected", "expired", "consumed", "edited")


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


def _answer(
    call: Invocation, several: Sequence[str], answer: str, note: str | None, server: str | None, **more: Any
) -> None:
    """Answer each; one that cannot be answered keeps none of the others from it. Raises the first that went wrong."""
    named = list(dict.fromkeys(several))
    if len(named) > MOST_AT_ONCE:
        raise BadInput(f"at most {MOST_AT_ONCE} approvals are answered at once", hint="look at each of them")
    at, done = call.server(server), []
    wrong: TallystickError | None = None
    more = {name: value for name, value in more.items() if value}
    with ExitStack() as stack:
        if at is not None:
            desk, name = call.parts.server_people(at, call.settings), None

            def give(one: str) -> Mapping[str, Any]:
                return desk.answer(one, answer, note=note, **more)
        else:
            stores = stack.enter_context(call.stores(create=False, writing=True))
            by = call.parts.caller(stores)
            name = by.name

            def give(one: str) -> Mapping[str, Any]:
                return call.parts.answer(stores, call.settings, one, answer, by=by, note=note, **more)

        reads = stack.enter_context(_reads(call, server)) if len(named) > 1 else None
        for one in named:
            try:
                if reads is not None:
                    _shown(call, reads.approval(one))
                done.append(give(one))
                _said(call, one, done[-1], answer, name)
            except TallystickError as error:
                if len(named) == 1:
                    raise
                call.out.say(f"{one_line(one)}: {error.message}")
                wrong = wrong or error
    if call.out.as_json:
        call.out.json(dict(done[0]) if len(named) == 1 else {"approvals": [dict(one) for one in done]})
    if wrong is not None:
        raise wrong


def _shown(call: Invocation, row: Mapping[str, Any]) -> None:
    """What is about to be answered, one line of talk for each."""
    asked = f"{row['tool']} {json_text(row.get('arguments'))}"
    call.out.say(
        f"{one_line(str(row['approval']))}: {one_line(str(row['agent']))} asks to call {one_line(asked)}"
    )
    if row.get("asks"):
        call.out.say(f"  the rule wants to know: {one_line(str(row['asks']))}")


def _said(call: Invocation, one: str, given: Mapping[str, Any], answer: str, name: str | None) -> None:
    if call.out.as_json:
        return
    by = one_line(name or str(given.get("by")))
    call.out.line(f"{answer} {one_line(str(given.get('approval', one)))} as {by}")
    if answer == "approved" and given.get("state") == "waiting":
        missing = int(given["quorum"]) - len(given["given"])
        call.out.say(
            f"it waits for {missing} more of {one_line(named(given.get('lacking') or [str(given['group'])]))}"
        )


@approvals.command()
@click.argument("approval", nargs=-1, required=True, metavar="APPROVAL…")
@click.option("--note", help="Why; kept with the answer.")
@click.option(
    "--endorse", multiple=True, metavar="NAME", help="The value of this argument is right in later calls too."
)
@click.option(
    "--release", multiple=True, metavar="CLASS", help="Data of this class may flow to this tool from now on."
)
@click.option(
    "--until",
    metavar="DATE",
    help="For the agent, to the end of this day in UTC or a time with its zone. [default: in this run]",
)
@_server
@common
def approve(
    call: Invocation, approval: tuple[str, ...], note: str | None, endorse: tuple[str, ...], release: tuple[str, ...],
    until: str | None, server: str | None,
) -> None:  # fmt: skip
    """Let held calls happen, each once and exactly as it was asked; at most 20 at once."""
    if until is not None and not (endorse or release):
        raise BadInput("--until says how long something is vouched for", hint="give --endorse or --release")
    if len(approval) > 1 and (endorse or release):
        raise BadInput(
            "values are vouched for in one call at a time", hint="approve one, and look at its values"
        )
    _answer(
        call, approval, "approved", note, server, endorse=list(endorse), release=list(release),
        until=None if until is None else end_of(until),
    )  # fmt: skip


@approvals.command()
@click.argument("approval", nargs=-1, required=True, metavar="APPROVAL…")
@click.option("--note", help="Why; kept with the answer.")
@_server
@common
def reject(call: Invocation, approval: tuple[str, ...], note: str | None, server: str | None) -> None:
    """Refuse held calls; the model reads that they were refused."""
    _answer(call, approval, "rejected", note, server)


@approvals.command()
@click.argument("approval")
@click.option(
    "--set",
    "changes",
    multiple=True,
    required=True,
    metavar="NAME=VALUE",
    help="Another value of an argument.",
)
@click.option("--note", help="Why; kept with the answer.")
@_server
@common
def edit(
    call: Invocation, approval: str, changes: tuple[str, ...], note: str | None, server: str | None
) -> None:  # fmt: skip
    """Propose other arguments for a held call. The changed call is decided anew, and may be held again."""
    with _reads(call, server) as reads:
        found = reads.approval(approval)
    edits = dict(_change(one, found.get("arguments") or {}) for one in changes)
    _answer(call, [approval], "edited", note, server, edits=edits)


def _change(text: str, arguments: Mapping[str, Any]) -> tuple[str, Any]:
    """One ``NAME=VALUE``; the value is text where the call has text there, else JSON. Raises BadInput."""
    name, found, value = text.partition("=")
    if not found or name not in arguments:
        raise BadInput(f"the call has no argument {name!r}", hint="its arguments: " + ", ".join(arguments))
    if isinstance(arguments[name], str):
        return name, value
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"the new value of {name!r} is not JSON", hint="for example 20, true or [1, 2]"
        ) from error
