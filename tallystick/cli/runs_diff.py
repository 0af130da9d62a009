"""``tally runs diff``: two runs held against each other, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import click

from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import Column, Out, json_text
from tallystick.cli.wording import counted, duration, glyph, money, short

MARKS: Final = {"same": " ", "changed": "~", "only a": "-", "only b": "+", "moved": ">"}
_STYLES: Final = {"same": "dim", "changed": "yellow", "only a": "red", "only b": "green", "moved": "cyan"}
_ALWAYS: Final = ("status", "steps", "cost_nano_usd", "duration_ns")
_NAMES: Final = {
    "stopped_by": "stopped by", "model_calls": "model calls", "tool_calls": "tool calls",
    "input_tokens": "input tokens", "output_tokens": "output tokens", "cost_nano_usd": "cost",
    "duration_ns": "time",
}  # fmt: skip
_INDENT: Final = 8  # deeper steps stand no further to the right


@click.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option(
    "--all", "every", is_flag=True, help="Also what is equal, and steps that only one framework has."
)
@common
def diff(call: Invocation, a: str, b: str, every: bool) -> None:
    """Where two runs differ, and where they first part; A and B may be prefixes of their ids.

    Lines: "-" only in A, "+" only in B, "~" in both and different, ">" in another place. The step where the runs first
    part is marked with ◀.
    """
    with call.reader() as reader:
        answer = reader.diff(a, b, every=every)
    if call.out.as_json:
        call.out.json(answer)
    elif call.out.pretty:
        _show(call.out, answer)
    else:
        _lines(call.out, answer)


def _lines(out: Out, answer: Mapping[str, Any]) -> None:
    """One line a change; a step without one has a single line."""
    columns = ("op", "first", "step_a", "step_b", "kind", "name", "field", "a", "b")
    rows = []
    for at, row in enumerate(answer["rows"]):
        brief = row["a"] or row["b"]
        whole = {
            "op": row["op"], "first": at == answer["first"], "step_a": (row["a"] or {}).get("step"),
            "step_b": (row["b"] or {}).get("step"), "kind": brief["kind"], "name": brief["name"],
        }  # fmt: skip
        rows += [{**whole, **change} for change in row["changes"]] or [whole]
    out.table([Column(name, name) for name in columns], rows)


def _show(out: Out, answer: Mapping[str, Any]) -> None:
    width = out.console().width
    for side, sign, style in (("a", "-", "red"), ("b", "+", "green")):
        out.line(f"{sign} {side.upper()} {_title(answer[side])}", style=style)
    out.line()
    _totals(out, answer["totals"], width)
    out.line()
    if not answer["rows"]:
        out.line("no difference")
    for at, row in enumerate(answer["rows"]):
        if row["equal_before"]:
            out.line(f"  … {counted(row['equal_before'], 'equal step')}", style="dim")
        for text, style in _row(row, width, first=at == answer["first"]):
            out.line(text, style=style)
        if at == answer["first"] and answer["cause"]:
            out.line(f"    {answer['cause']['text']}", style="bold")
    after = answer["hidden"] - sum(row["equal_before"] for row in answer["rows"])
    if after:
        out.line(f"  … {counted(after, 'equal step')}", style="dim")
    out.line()
    if answer["same"]:
        out.line("The runs did the same: what was asked and what came back differs nowhere.", style="green")
    else:
        out.line(f"The runs first part at the step marked ◀. {answer['cause']['text']}")
    for note in answer["notes"]:
        out.say(note)


def _title(run: Mapping[str, Any]) -> str:
    said = [short(run["run"]), one_line(str(run.get("agent") or "–"), 30)]
    if run.get("version"):
        said.append(one_line(str(run["version"]), 20))
    if run.get("goal"):
        said.append(one_line(str(run["goal"]), 60))
    return " · ".join(said)


def _totals(out: Out, totals: Sequence[Mapping[str, Any]], width: int) -> None:
    """What differs in sum, and always status, steps, cost and time."""
    shown = [
        (_NAMES.get(one["field"], one["field"]), *(_value(one["field"], one[side]) for side in ("a", "b")))
        for one in totals if one["field"] in _ALWAYS or one["a"] != one["b"]
    ]  # fmt: skip
    wide = max(12, *(min(len(row[1]), (width - 20) // 2) for row in shown))
    for name, one, two in shown:
        left = one_line(one, wide)
        line = f"  {name:<14}{left:<{wide}}  {one_line(two, max(width - wide - 20, 12))}"
        out.line(line.rstrip(), style="" if one == two else "bold")


def _value(field: str, value: Any) -> str:
    if field == "cost_nano_usd":
        return money(value)
    if field == "duration_ns":
        return duration(value)
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _row(row: Mapping[str, Any], width: int, *, first: bool) -> Iterator[tuple[str, str]]:
    """The lines of one row, each with its style."""
    op, brief = row["op"], row["b"] or row["a"]
    indent = "  " * min(brief["depth"], _INDENT)
    tail = "  ◀" if first else ""
    head = f"{MARKS[op]} {indent}{_label(brief)}"
    yield one_line(head, width - len(tail) - 1).rstrip() + tail, _STYLES[op]
    if op == "moved":
        yield f"  {indent}  stands in another place in B", ""
    for change in row["changes"]:
        field, one, two = one_line(str(change["field"]), 48), change["a"], change["b"]
        if field in ("cost_nano_usd", "duration_ns", "input_tokens", "output_tokens"):
            times = f"  ({two / one:.1f}×)" if one and two else ""
            name = _NAMES.get(field, field)
            yield f"  {indent}  {name}: {_value(field, one)} → {_value(field, two)}{times}", ""
            continue
        left, right = (None if value is None else _text(value) for value in (one, two))
        room = width - len(indent) - 6
        if left is not None and right is not None and len(field) + len(left) + len(right) + 5 <= room:
            yield f"  {indent}  {field}: {left} → {right}", ""
            continue
        yield f"  {indent}  {field}", ""
        for sign, text, style in (("-", left, "red"), ("+", right, "green")):
            if text is not None:
                yield f"  {indent}  {sign} {one_line(text, room)}", style


def _text(value: Any) -> str:
    return one_line(value if isinstance(value, str) else json_text(value))


def _label(brief: Mapping[str, Any]) -> str:
    name = brief["tool"] or (brief["model"] if brief["kind"] == "model" else None) or brief["name"]
    said = f"{glyph(brief['status'])} {brief['kind']} {one_line(str(name or ''), 60)}"
    agent = brief["agent"]
    return said if not agent or agent == name else f"{said} · {one_line(str(agent), 30)}"
