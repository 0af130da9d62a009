"""``tally runs``: list, show, follow, import and export runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.asking import Asking
from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.lazy import LazyGroup
from tallystick.cli.output import Column, Out
from tallystick.cli.tree import depth_first, row
from tallystick.cli.wording import colour, count, duration, glyph, moment, money, short, tokens

if TYPE_CHECKING:
    from tallystick.app.reading.read import Reader

PAGE = 1000  # most runs that the read model gives at once
LAZY = {
    "ls": ("tallystick.cli.runs:ls", "Runs that match a query, newest first."),
    "show": ("tallystick.cli.runs:show", "One run as a tree of its steps."),
    "completeness": (
        "tallystick.cli.wholeness:completeness",
        "How many runs were recorded whole, by agent or by day.",
    ),
    "find": ("tallystick.cli.runs_find:find", "Where in a run a text was said."),
    "tail": ("tallystick.cli.tail:tail", "Follow runs as they change."),
    "diff": ("tallystick.cli.runs_diff:diff", "Where two runs differ, and where they first part."),
    "contrast": ("tallystick.cli.runs_contrast:contrast", "What separates two sets of runs."),
    "undo": ("tallystick.cli.runs_undo:undo", "Take the effect of a step back, under the same rules."),
    "import": ("tallystick.cli.imports:import_command", "Import recorded runs; a second time adds nothing."),
    "export": ("tallystick.cli.exports:export", "Write a run's spans as OTLP JSON."),
}


@click.group(cls=LazyGroup, lazy=LAZY)
def runs() -> None:
    """List, show, follow, import and export runs."""


def _state(value: Mapping[str, Any]) -> tuple[str, str]:
    status = str(value.get("status"))
    return f"{glyph(status)} {status}", colour(status)


def _whole(value: Mapping[str, Any]) -> tuple[str, str]:
    word = str(value.get("completeness"))
    missing = value.get("missing")
    return (f"{word}, {missing} missing" if missing else word), "" if word == "complete" else colour(word)


def _cost(value: Mapping[str, Any]) -> tuple[str, str]:
    total = value.get("cost_nano_usd")
    return money(
        total, value.get("cost_known_nano_usd"), value.get("cost_gaps")
    ), "yellow" if total is None else ""


COLUMNS = (
    Column("run", "run", lambda value: (short(value["run"]), "bold")),
    Column("status", "status", _state),
    Column("record", "completeness", _whole, spare=2),
    Column("agent", "agent", width=24),
    Column("workflow", "workflow", width=16, spare=6),
    Column("steps", "steps", lambda value: (count(value.get("steps")), ""), right=True, spare=7),
    Column(
        "errors",
        "errors",
        lambda value: (count(value.get("errors")), "red" if value.get("errors") else ""),
        right=True,
        spare=4,
    ),
    Column("tokens", "tokens", lambda value: (tokens(value.get("usage")), ""), right=True, spare=8),
    Column("cost", "cost_nano_usd", _cost, right=True, spare=1),
    Column(
        "time", "duration_ns", lambda value: (duration(value.get("duration_ns")), ""), right=True, spare=5
    ),
    Column("started", "started", lambda value: (moment(value.get("started")), ""), spare=3),
    Column("goal", "goal", width=48),
)


def flat(run: Mapping[str, Any]) -> dict[str, Any]:
    """A run as one row of a pipe: tokens beside the rest."""
    usage = run.get("usage") or {}
    return {**run, "tokens": tokens(usage)}


@click.command(cls=Asking)
@click.argument("query", nargs=-1)
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=50, show_default=True, help="Most runs to list."
)
@click.option("--before", metavar="RUN", help="Only runs listed after this one (the next page).")
@common
def ls(call: Invocation, query: tuple[str, ...], limit: int, before: str | None) -> None:
    """Runs that match a query, newest first.

    A query reads: agent:refunds status:failed cost:>0.50 attr.KEY:value score.NAME:>0.8 since:7d "free text"
    """
    with call.reader() as reader:
        page = pages(reader, join(query), limit, before)
    out = call.out
    if out.as_json:
        out.json(page)
        return
    listed = page["runs"]
    out.table(COLUMNS, [flat(run) for run in listed])
    if not listed:
        out.say(
            "no run matches"
            if query
            else "no runs yet; start with: tally demo, or tally run -- python my_agent.py"
        )
    elif page["total"] > len(listed):
        most = f"{page['total']} or more" if page.get("at_least") else page["total"]
        out.say(f"{len(listed)} of {most} runs; next page: --before {listed[-1]['run']}")
    elif out.pretty:
        out.say(f"{count(page['total'])} runs; look into one: tally runs show {short(listed[0]['run'])}")


def pages(reader: Reader, query: str, limit: int, before: str | None) -> dict[str, Any]:
    """As many pages as ``limit`` runs need, as one."""
    page = reader.runs(query, limit=min(limit, PAGE), before=before)
    listed = list(page["runs"])
    while page["runs"] and len(listed) < min(limit, page["total"]):
        page = reader.runs(query, limit=min(limit - len(listed), PAGE), before=listed[-1]["run"])
        listed += page["runs"]
    return {**page, "runs": listed}


def join(words: tuple[str, ...]) -> str:
    """Words of a command line as one query: a word with spaces that is no term of its own was quoted free text."""
    joined = []
    for word in words:
        head, colon, rest = word.partition(":")
        plain = " " in word and '"' not in word
        if plain and colon and head.lstrip("-").isidentifier() and ":" not in rest:
            joined.append(f'{head}:"{rest}"')
        elif plain and not colon:
            joined.append(f'"{word}"')
        else:
            joined.append(word)
    return " ".join(joined)


@click.command()
@click.argument("run")
@common
def show(call: Invocation, run: str) -> None:
    """One run as a tree of its steps; RUN may be any prefix of its id that only it has."""
    with call.stores() as stores:
        answer = call.parts.reader(stores).run(run)
        whole, failed = answer["run"]["run"], answer["run"].get("status") in ("failed", "stopped", "crashed")
        back = call.parts.deeds.desk(stores).undoable(whole)["effects"] if failed else []
    if call.out.as_json:
        call.out.json(answer)
        return
    (_tree if call.out.pretty else _lines)(call.out, answer)
    for effect in back:
        call.out.say(one_line(taken_back(effect, whole)))


def taken_back(effect: Mapping[str, Any], run: str) -> str:
    """What can be done about one effect of a failed run, as a sentence."""
    what = f"{effect['tool']} ({effect['state']})"
    if effect["undone_by"] is not None:
        return f"{what} was taken back by {effect['undone_by']}"
    if effect["undo"] is None:
        return f"{what} cannot be taken back: {effect['why']}"
    return f"{what} can be taken back: tally runs undo {short(run)} {effect['step']} --module MODULE"


_FLAT = (
    "step", "parent", "depth", "kind", "name", "agent", "tool", "model", "status", "duration_ns", "input_tokens",
    "output_tokens", "cost_nano_usd", "cost_gap", "decision", "outcome", "error", "same_as",
)  # fmt: skip


def _lines(out: Out, answer: Mapping[str, Any]) -> None:
    rows = [
        {**(step.get("usage") or {}), **step, "depth": depth}
        for step, depth, _ in depth_first(answer["steps"])
    ]
    out.table([Column(name, name) for name in _FLAT], rows)


def _tree(out: Out, answer: Mapping[str, Any]) -> None:
    from rich.text import Text

    from tallystick.cli.laying import lay

    run, totals = answer["run"], answer["totals"]
    title, style = _state(run)
    out.line(f"{title} · {one_line(run.get('agent') or run['run'])} · {_whole(run)[0]}", style=style)
    if run.get("goal"):
        out.line(one_line(run["goal"], 200))
    out.line()
    console = out.console()
    for line in lay(
        [row(step, lasts) for step, _depth, lasts in depth_first(answer["steps"])], console.width
    ):
        console.print(Text.assemble(*line), soft_wrap=True)
    out.line()
    spent = money(totals.get("cost_nano_usd"), totals.get("cost_known_nano_usd"), totals.get("cost_gaps"))
    facts = [
        f"{count(totals.get('steps'))} steps", f"{count(totals.get('model_calls'))} model calls",
        f"{count(totals.get('tool_calls'))} tool calls", f"{count(totals.get('errors'))} errors",
        f"{count(totals.get('denials'))} denials", f"{tokens(totals.get('usage'))} tokens", f"cost {spent}",
        duration(run.get("duration_ns")),
    ]  # fmt: skip
    out.line(" · ".join(facts))
    if run.get("stopped_by"):
        out.line(f"stopped by {one_line(str(run['stopped_by']))}", style="magenta")


def told_state(run: Mapping[str, Any]) -> tuple[str, str]:
    """How a run stands, in a word, and its colour."""
    return _state(run)


def told_cost(run: Mapping[str, Any]) -> str:
    """What a run cost, as far as it is known."""
    return _cost(run)[0]
