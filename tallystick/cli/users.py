"""``tally users``: who may sign in, what each may do, and what each did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import click

from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import Column
from tallystick.cli.wording import counted, moment
from tallystick.model.errors import BadInput
from tallystick.model.people import PERSON_ROLES, Caller
from tallystick.model.query import end_of

_because = click.option("--because", help="Why; kept in the journal.")
_server = click.option("--server", metavar="URL", help="Ask this server instead of the store.")
_role = click.Choice(PERSON_ROLES)


@click.group()
def users() -> None:
    """People who may sign in: add, change and remove them, make tokens, delegate groups."""


@contextmanager
def _desk(
    call: Invocation, server: str | None, *, writing: bool = True
) -> Iterator[tuple[Any, Caller | None]]:
    """The people of the server or the store that is meant, and who asks (None: the server knows)."""
    at = call.server(server)
    if at is not None:
        yield call.parts.server_people(at, call.settings), None
        return
    with call.stores(writing=writing) as stores:
        yield call.parts.people(stores), call.parts.caller(stores)


def _list(title: str) -> Any:
    return lambda row: (", ".join(row[title]) or "–", "")


COLUMNS: Final = (
    Column("person", "person", lambda row: (row["person"], "bold")),
    Column("role", "role", lambda row: ("removed", "dim") if row["removed"] else (row["role"], "")),
    Column("groups", "groups", _list("groups"), width=32),
    Column("may answer for", "answers", _list("answers"), width=32, spare=2),
    Column("tokens", "tokens_in_force", right=True),
    Column("last seen", "last_seen", lambda row: (moment(row["last_seen"]), "")),
    Column("added", "added", lambda row: (moment(row["added"]), ""), spare=1),
)


@users.command()
@_server
@common
def ls(call: Invocation, server: str | None) -> None:
    """Everybody who was ever added, and what is delegated."""
    with _desk(call, server, writing=False) as (desk, _):
        found = desk.list()
    if call.out.as_json:
        call.out.json(found)
        return
    rows = found["people"]
    call.out.table(COLUMNS, rows if call.out.pretty else [_flat(row) for row in rows])
    for one in found["delegations"]:
        if one["in_force"]:
            call.out.say(_told(one))
    if not rows:
        call.out.say(
            "nobody was added yet; whoever owns the store's files is admin: tally users add NAME --role admin"
        )


@users.command()
@click.argument("name")
@click.option("--log", is_flag=True, help="What they did, from the journal.")
@click.option(
    "--most", type=click.IntRange(1, 1000), default=50, show_default=True, help="Entries of the log."
)
@_server
@common
def show(call: Invocation, name: str, log: bool, most: int, server: str | None) -> None:
    """One person: role, groups, tokens, delegations; with --log what they did, newest first."""
    with _desk(call, server, writing=False) as (desk, _):
        found = desk.show(name, log=most if log else 0)
    if call.out.as_json:
        call.out.json(found)
    elif log:
        call.out.table(LOG, [{**row, "told": _did(row)} for row in found["log"]])
    else:
        _say_person(call, found)


LOG: Final = (
    Column("at", "at", lambda row: (moment(row["at"]), "")),
    Column("entry", "seq", right=True),
    Column("kind", "kind"),
    Column("subject", "subject", width=32),
    Column("what", "told", width=60),
)


@users.command()
@click.argument("name")
@click.option("--role", type=_role, required=True, help="What they may do.")
@click.option(
    "--group", "groups", multiple=True, metavar="GROUP", help="A group whose approvals ask them; repeat it."
)
@click.option(
    "--os-user", metavar="USER", help="The user of this machine that they are, on the store's own files."
)
@_because
@_server
@common
def add(
    call: Invocation, name: str, role: str, groups: Sequence[str], os_user: str | None, because: str | None,
    server: str | None,
) -> None:  # fmt: skip
    """Add a person. A name means one person for good: it is not used again after they were removed."""
    with _desk(call, server) as (desk, by):
        first = not desk.list()["people"]
        found = desk.add(name, role, groups, by, os_user=os_user, because=because)
    _done(call, found, f"added {found['person']} as {found['role']}")
    if first:
        call.out.say(
            "people sign in with tokens of their own from now on; the server's token lets in programs only"
        )
    call.out.say(f"let them sign in: tally users token {found['person']}")


@users.command()
@click.argument("name")
@click.argument("role", type=_role, required=False)
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="All groups from now on; repeat it.")
@click.option("--no-groups", is_flag=True, help="No group from now on.")
@click.option("--os-user", metavar="USER", help='The user of this machine that they are; "" for none.')
@_because
@_server
@common
def role(
    call: Invocation, name: str, role: str | None, groups: Sequence[str], no_groups: bool, os_user: str | None,
    because: str | None, server: str | None,
) -> None:  # fmt: skip
    """Change the role or the groups of a person; in force at once, also where they are signed in."""
    if groups and no_groups:
        raise BadInput("--group and --no-groups exclude each other")
    changes: dict[str, Any] = {}
    if role is not None:
        changes["role"] = role
    if groups or no_groups:
        changes["groups"] = list(groups)
    if os_user is not None:
        changes["os_user"] = os_user or None
    if not changes:
        raise BadInput("nothing is to change", hint="give a role, --group, --no-groups or --os-user")
    with _desk(call, server) as (desk, by):
        found = desk.change(name, by, **changes, because=because)
    _done(call, found, f"{found['person']} is {found['role']} in {', '.join(found['groups']) or 'no group'}")


@users.command()
@click.argument("name")
@_because
@_server
@common
def remove(call: Invocation, name: str, because: str | None, server: str | None) -> None:
    """Remove a person: their tokens, sessions and delegations end at once. What they did stays in the journal."""
    with _desk(call, server) as (desk, by):
        found = desk.remove(name, by, because=because)
    _done(call, found, f"removed {found['person']}")


@users.command()
@click.argument("name")
@click.option("--days", type=click.IntRange(1, 366), default=90, show_default=True, help="How long it lasts.")
@click.option("--label", help="What it is for.")
@_server
@common
def token(call: Invocation, name: str, days: int, label: str | None, server: str | None) -> None:
    """Make a token of a person. It is shown once; only its SHA-256 is kept."""
    with _desk(call, server) as (desk, by):
        made = desk.make_token(name, by, days=days, label=label)
    if call.out.as_json:
        call.out.json(made)
        return
    call.out.line(one_line(str(made["secret"])))
    call.out.say(
        f"token {made['token']} of {made['person']}, until {moment(made['expires'])}; it is not shown again"
    )
    call.out.say("sign in with it on the pages, or set TALLYSTICK_TOKEN")


@users.command()
@click.argument("what", metavar="TOKEN|DELEGATION")
@_because
@_server
@common
def revoke(call: Invocation, what: str, because: str | None, server: str | None) -> None:
    """End a token with its sessions, or a delegation, at once. `tally users show NAME` lists their ids."""
    with _desk(call, server) as (desk, by):
        if what.startswith("dlg_"):
            found = desk.end_delegation(what, by, because=because)
        else:
            found = desk.revoke_token(what, by, because=because)
    _done(call, found, f"revoked {found.get('delegation') or found.get('token')}")


@users.command()
@click.argument("group")
@click.option("--to", required=True, metavar="NAME", help="Who may answer the group's approvals.")
@click.option(
    "--until", required=True, metavar="DATE", help="To the end of this day in UTC, or a time with its zone."
)
@click.option("--from", "giver", metavar="NAME", help="Who is represented; for admins. [default: you]")
@_because
@_server
@common
def delegate(
    call: Invocation,
    group: str,
    to: str,
    until: str,
    giver: str | None,
    because: str | None,
    server: str | None,
) -> None:
    """Let somebody answer the approvals of your group until a time. They cannot pass it on."""
    with _desk(call, server) as (desk, by):
        found = desk.delegate(group, to, end_of(until), by, giver=giver, because=because)
    _done(call, found, _told(found))


def _done(call: Invocation, found: Mapping[str, Any], told: str) -> None:
    if call.out.as_json:
        call.out.json(dict(found))
    else:
        call.out.line(one_line(told))


def _told(one: Mapping[str, Any]) -> str:
    what = f"{one['to']} answers for {one['group']} in place of {one['giver']}"
    return f"{what} until {moment(one['until'])} ({one['delegation']})"


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "groups": ",".join(row["groups"]), "answers": ",".join(row["answers"])}


def _did(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row["told"].items())


def _say_person(call: Invocation, found: Mapping[str, Any]) -> None:
    rows = _flat({key: value for key, value in found.items() if key not in ("tokens", "delegations", "log")})
    call.out.fields(rows.items())
    for one in found["tokens"]:
        state = one["why"] or f"in force until {moment(one['expires'])}"
        call.out.say(f"token {one['token']} {one['label'] or ''}: {state}; last used {moment(one['used'])}")
    for one in found["delegations"]:
        call.out.say(_told(one) if one["in_force"] else f"delegation {one['delegation']} is not in force")
    call.out.say(
        f"{counted(len(found['tokens']), 'token')}; what they did: tally users show {found['person']} --log"
    )
