"""``tally policy``: policies looked at before they are in force, and pushed to the agents that match a query."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from tallystick.cli.clean import clean, one_line
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.lazy import LazyGroup
from tallystick.cli.output import Column
from tallystick.cli.wording import count, counted, moment
from tallystick.model.errors import BadInput

_MOST_SHOWN = 50  # agents listed before a question is asked; --json has all


_MODULE = "tallystick.cli.policy"
LAZY = {
    "check": (f"{_MODULE}:check", "Check the policies against the declared tools."),
    "test": ("tallystick.cli.policy_trying:test", "Try the tests beside the policies."),
    "backtest": (
        "tallystick.cli.policy_backtest:backtest",
        "What policies would have said of recorded runs.",
    ),
    "report": (
        "tallystick.cli.policy_backtest:report",
        "What rules that are only reported would have said.",
    ),
    "push": (f"{_MODULE}:push", "Put policies in force for the agents that match a query."),
    "ls": (f"{_MODULE}:ls", "The policies of the registry, with their scopes."),
    "show": (f"{_MODULE}:show", "One policy, and whom it reaches."),
    "withdraw": (f"{_MODULE}:withdraw", "Take a pushed policy out of force."),
    "stop": ("tallystick.cli.policy_stops:stop", "Stop an agent, a tool, a workflow or everything."),
    "resume": ("tallystick.cli.policy_stops:resume", "Let what was stopped go on."),
    "stops": ("tallystick.cli.policy_stops:stops", "What is stopped now."),
}


@click.group(cls=LazyGroup, lazy=LAZY)
def policy() -> None:
    """Check and test policies, put them in force for groups of agents, and stop what must stop."""


@click.command()
@click.option(
    "--policies", type=click.Path(path_type=str), metavar="DIR", help="Folder of the *.cedar files."
)
@common
def check(call: Invocation, policies: str | None) -> None:
    """Parse the policies and check them against the declared tools; a mistake is named with file and line."""
    call.flag(policies=policies)
    answer = dict(call.parts.check_policies(call.settings))
    if call.out.as_json:
        call.out.json(answer)
        return
    call.out.fields(
        (key, count(value) if isinstance(value, int) else one_line(str(value)))
        for key, value in answer.items()
    )


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@click.option(
    "--scope", required=True, metavar="QUERY", help="Which agents: touches:customer_pii, owner:x, …"
)
@click.option("--name", help="What the policy is called; the file's name where it is left out.")
@click.option("--because", help="Why; kept with the entry.")
@click.option("--dry-run", is_flag=True, help="Say whom it would reach and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common
def push(
    call: Invocation, files: Sequence[Path], scope: str, name: str | None, because: str | None, dry_run: bool, yes: bool
) -> None:  # fmt: skip
    """Put policies in force for every agent that matches, now and later; whom they reach is shown before."""
    with call.stores(writing=not dry_run) as stores:
        desk = call.parts.policy_desk(stores)
        pushes = desk.plan([call.parts.policy_file(path) for path in files], scope, name)
        changed = [one for one in pushes if one.changed]
        if not call.out.as_json:
            for one in pushes:
                _show(call, one.as_json())
        if changed and not dry_run and not yes and not _agreed(call, len(changed), pushes[0].reaches):
            call.out.say("nothing was changed")
            return
        done = 0 if dry_run else desk.push(pushes, by=call.parts.caller(stores).name, because=because)
    if call.out.as_json:
        call.out.json({"policies": [one.as_json() for one in pushes], "pushed": done})
        return
    word = f"{len(changed)} would change" if dry_run else f"{done} put in force"
    call.out.say(
        f"{word}, {len(pushes) - len(changed)} unchanged; processes that run hear of it within seconds"
    )


def _agreed(call: Invocation, changed: int, reaches: Sequence[Mapping[str, Any]]) -> bool:
    """Ask the person at the terminal; where there is none, nobody can be asked."""
    if not (call.out.talks and _terminal()):
        return True
    what = "this policy" if changed == 1 else f"these {changed} policies"
    return click.confirm(f"put {what} in force for {counted(len(reaches), 'agent')}?", err=True)


def _show(call: Invocation, row: Mapping[str, Any]) -> None:
    reaches = row["reaches"]
    call.out.line(f"{one_line(row['name'])}  {one_line(row['scope'])}  {row['digest'][:12]}")
    _agents(call, reaches)
    for warning in row["warnings"]:
        call.out.say(f"warning: {one_line(warning)}")
    if not row["changed"]:
        call.out.say("it is in force so already")


def _agents(call: Invocation, reaches: Sequence[Mapping[str, Any]]) -> None:
    for row in reaches[:_MOST_SHOWN]:
        why = ", ".join(
            f"{one['tool']} ({', '.join(one['classes'])})" if one["classes"] else str(one["tool"])
            for one in row["because"]
        )
        others = ", ".join(row["others"]) or "! no other policy: what no rule permits is refused"
        call.out.line(f"    {one_line(row['agent'])}\t{one_line(why, 120)}\t{one_line(others, 120)}")
    if len(reaches) > _MOST_SHOWN:
        call.out.say(f"and {len(reaches) - _MOST_SHOWN} more; --json lists all")
    call.out.say(f"{counted(len(reaches), 'agent')} {'is' if len(reaches) == 1 else 'are'} reached")


def _terminal() -> bool:
    return sys.stdin.isatty()


_COLUMNS = (
    Column("policy", "name", width=40),
    Column("scope", "scope", lambda row: (str(row["scope"] or "where no folder is"), ""), width=60),
    Column("from", "origin", width=24, spare=2),
    Column("since", "at", lambda row: (moment(row.get("at")), ""), spare=1),
    Column("by", "by", width=20, spare=3),
    Column("digest", "digest", lambda row: (str(row["digest"])[:12], ""), spare=4),
)  # fmt: skip


@click.command()
@common
def ls(call: Invocation) -> None:
    """The policies of the registry, with their scopes."""
    with call.stores() as stores:
        answer = call.parts.policy_desk(stores).ls()
    if call.out.as_json:
        call.out.json(answer)
        return
    call.out.table(_COLUMNS, answer["policies"])
    if not answer["policies"]:
        call.out.say(
            "the registry has no policy; put one in force with: tally policy push FILE --scope QUERY"
        )


@click.command()
@click.argument("name")
@common
def show(call: Invocation, name: str) -> None:
    """One policy: its text, its scope, and whom it reaches now."""
    with call.stores() as stores:
        answer = call.parts.policy_desk(stores).show(name)
    if call.out.as_json:
        call.out.json(answer)
        return
    call.out.fields((key, value) for key, value in answer.items() if key not in ("text", "reaches"))
    _agents(call, answer["reaches"])
    call.out.write(clean(answer["text"]).rstrip("\n") + "\n")


@click.command()
@click.argument("name")
@click.option("--because", required=True, help="Why; kept with the entry.")
@common
def withdraw(call: Invocation, name: str, because: str) -> None:
    """Take a pushed policy out of force; agents that run hear of it within seconds."""
    if not because.strip():
        raise BadInput("the reason is empty", hint='--because "…"')
    with call.stores(create=False, writing=True) as stores:
        gone = call.parts.policy_desk(stores).withdraw(
            name, by=call.parts.caller(stores).name, because=because
        )
    if call.out.as_json:
        call.out.json({"name": name, "digest": gone.digest, "because": because})
    else:
        call.out.line(f"withdrawn {one_line(name)} {gone.digest[:12]}")
