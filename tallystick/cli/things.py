"""``tally agents|tools|models|data|prompts|policies|suites|workflows``: what runs, declared and observed.

Every noun has ``ls``, ``query``, ``show`` and ``diff``. What only one of them has stands in ``MORE``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from tallystick.cli.asking import Asking
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.lazy import LazyGroup
from tallystick.cli.output import Column
from tallystick.cli.runs import join
from tallystick.cli.wording import count, moment, money

TYPES: Final[Mapping[str, str]] = {
    "agents": "agent", "tools": "tool", "models": "model", "data": "data", "prompts": "prompt",
    "policies": "policy", "suites": "suite", "workflows": "workflow",
}  # fmt: skip
MORE: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "agents": {
        "unused-grants": ("tallystick.cli.access:unused_grants", "Tools and delegates that nobody used."),
        "signals": ("tallystick.cli.agent_signals:signals", "Completion, tool calls, adherence and cost of an agent."),
        "token": ("tallystick.cli.agent_tokens:token", "Make a short-lived token for an agent."),
        "revoke": ("tallystick.cli.agent_tokens:revoke", "Revoke a token, and all that were made from it."),
    },
    "data": {
        "access": ("tallystick.cli.access:access", "Who can read this, under which policy, and did they."),
    },
    "tools": {
        "import": ("tallystick.cli.tool_import:import_tools", "Pin the tools that a server offers."),
        "draft": ("tallystick.cli.tool_draft:draft", "Write files for tools from their own words."),
        "quarantine": ("tallystick.cli.pins:quarantine", "Definitions that wait for a person."),
        "accept": ("tallystick.cli.pins:accept", "Take what a tool says of itself for the tool."),
    },
}  # fmt: skip
_DECLARE: Final[Mapping[str, str]] = {
    "agents": "agents/NAME.toml", "tools": "tools/NAME.toml", "prompts": "prompts/NAME.md",
}  # fmt: skip
_BEGIN: Final[Mapping[str, str]] = {
    "data": "declare them in data/NAME.toml, or let tally init write what it saw, then: tally apply",
    "prompts": "declare them in prompts/NAME.md, or let tally init write what it saw, then: tally apply",
    "policies": "write policies/NAME.cedar, then: tally apply; or: tally policy push FILE --scope QUERY",
    "suites": "write evals/NAME.jsonl, one case a line, then: tally apply",
}
_STYLES: Final = {"observed only": "yellow", "drifted": "yellow", "declared only": "dim"}


def _standing(row: Mapping[str, Any]) -> tuple[str, str]:
    standing = str(row.get("standing"))
    mark = "! " if standing in ("observed only", "drifted") or row.get("quarantined") else ""
    waiting = ", quarantined" if row.get("quarantined") else ""
    return mark + standing + waiting, _STYLES.get(standing, "")


def _cost(row: Mapping[str, Any]) -> tuple[str, str]:
    return money(row.get("cost_nano_usd"), row.get("cost_known_nano_usd"), row.get("cost_gaps")), ""


def _classes(row: Mapping[str, Any]) -> tuple[str, str]:
    return ", ".join(map(str, row.get("classes") or ())), ""


def _number(header: str, spare: int) -> Column:
    return Column(header, header, lambda row: (count(row.get(header)), ""), right=True, spare=spare)


NAME: Final = Column("name", "name", width=40)
TYPE: Final = Column("type", "type")
STANDING: Final = Column("standing", "standing", _standing)
_SEEN: Final = (
    _number("runs", 3), _number("steps", 7),
    Column(
        "errors", "errors", lambda row: (count(row.get("errors")), "red" if row.get("errors") else ""),
        right=True, spare=4,
    ),
    Column("cost", "cost_nano_usd", _cost, right=True, spare=2),
)  # fmt: skip
_LAST: Final = Column("last seen", "last", lambda row: (moment(row.get("last")), ""), spare=1)
_OWNED: Final = (
    Column("version", "version", width=20, spare=6), Column("owner", "owner", width=20, spare=5),
)  # fmt: skip
_TOUCHES: Final = Column("data", "classes", _classes, width=48)
_PIPE: Final = (Column("", "declared"), Column("", "observed"), Column("", "quarantined"))


def columns(noun: str, *, pretty: bool) -> tuple[Column, ...]:
    """The columns of a list; a pipe gets the plain facts beside the standing."""
    special: tuple[Column, ...] = ()
    if noun == "tools":
        special = (Column("effect", "effect"), _TOUCHES)
    elif noun in ("agents", "data"):
        special = (_TOUCHES,)
    seen = _SEEN if noun in ("agents", "tools", "models", "workflows") else ()
    last = () if noun in ("policies", "suites") else (_LAST,)
    plain = () if pretty else _PIPE
    return (NAME, STANDING, *plain, *special, *_OWNED, *seen, *last)


def _list(call: Invocation, noun: str, query: str) -> None:
    with call.catalog() as catalog:
        answer = catalog.objects(TYPES[noun], query)
    rows = answer["objects"]
    if call.out.as_json:
        call.out.json({"total": answer["total"], noun: rows, "warnings": answer["warnings"]})
    else:
        call.out.table(columns(noun, pretty=call.out.pretty), rows)
    for warning in answer["warnings"]:
        call.out.say(warning)
    if call.out.as_json:
        return
    if not rows and query:
        call.out.say(f"no {noun} match")
    elif not rows:
        call.out.say(
            f"no {noun} yet; {_BEGIN.get(noun, 'start with: tally demo, or tally run -- python my_agent.py')}"
        )
    elif noun in _DECLARE and not all(row["declared"] for row in rows):
        call.out.say(f"declare what is seen but not declared in {_DECLARE[noun]}, then: tally apply")


def _group(noun: str, text: str) -> click.Group:
    type_ = TYPES[noun]

    @click.group(noun, cls=LazyGroup, lazy=MORE.get(noun), help=text)
    def group() -> None:
        pass

    @group.command("ls", cls=Asking, help=f"All {noun}, or those that match QUERY.")
    @click.argument("query", nargs=-1)
    @common
    def ls(call: Invocation, query: tuple[str, ...]) -> None:
        _list(call, noun, join(query))

    @group.command("query", cls=Asking, help=f"The {noun} that match QUERY; see: tally help query")
    @click.argument("query", nargs=-1, required=True)
    @common
    def query_(call: Invocation, query: tuple[str, ...]) -> None:
        _list(call, noun, join(query))

    @group.command("show", help="One of them: what is declared, what was seen, and where the two differ.")
    @click.argument("ref", metavar="NAME[@VERSION]")
    @common
    def show(call: Invocation, ref: str) -> None:
        from tallystick.cli.thing import show_thing

        with call.catalog() as catalog:
            thing = catalog.object(type_, ref)
        show_thing(call.out, thing)

    @group.command("diff", help="What changed between two versions; without B, between A and the newest.")
    @click.argument("name")
    @click.argument("a", metavar="A")
    @click.argument("b", metavar="[B]", required=False)
    @common
    def diff(call: Invocation, name: str, a: str, b: str | None) -> None:
        from tallystick.cli.thing import show_diff

        with call.catalog() as catalog:
            changes = catalog.diff(type_, name, a, b)
        show_diff(call.out, changes)

    return group


agents = _group("agents", "Agents, declared and observed.")
tools = _group("tools", "Tools, declared and observed.")
models = _group("models", "Models, declared and observed.")
data = _group("data", "Data sources, and who can read them.")
prompts = _group("prompts", "Prompts, declared and observed.")
policies = _group("policies", "Policies that the registry knows.")
suites = _group("suites", "Evaluation suites that the registry knows.")
workflows = _group("workflows", "Workflows, declared and observed.")
