"""``tally runs contrast``: what separates two sets of runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import Column
from tallystick.cli.wording import count, counted

_STYLES: Final = {"strong": "bold", "likely": "", "weak": "dim"}


def _style(row: Mapping[str, Any]) -> str:
    return _STYLES[str(row["confidence"])]


def _share(side: str) -> Any:
    def show(row: Mapping[str, Any]) -> tuple[str, str]:
        has, of = row[side]["with"], row[side]["of"]
        return (f"{has}/{of} {has / of:.0%}" if of else "–"), _style(row)

    return show


def _feature(row: Mapping[str, Any]) -> tuple[str, str]:
    more = len(row["aliases"])
    return f"{row['attribute']}: {row['value']}" + (f" (and {more} more)" if more else ""), _style(row)


def _difference(row: Mapping[str, Any]) -> tuple[str, str]:
    return f"{row['difference']:+.0%}", _style(row)


def _chance(q: float) -> str:
    return f"{q:.2g}" if q > 1e-99 else "<1e-99"


def _ends(row: Mapping[str, Any]) -> tuple[str, str]:
    return f"{row['low']:+.0%}…{row['high']:+.0%}", _style(row)


_COLUMNS: Final = (
    Column("runs that have", "attribute", _feature, width=56),
    Column("in A", "a", _share("a"), right=True),
    Column("in B", "b", _share("b"), right=True),
    Column("difference", "difference", _difference, right=True),
    Column("95 %", "low", _ends, right=True, spare=2),
    Column("q", "q", lambda row: (_chance(row["q"]), _style(row)), right=True, spare=1),
    Column("confidence", "confidence", lambda row: (str(row["confidence"]), _style(row))),
)  # fmt: skip
_PIPE: Final = tuple(
    Column(name, name)
    for name in (
        "attribute", "value", "with_a", "of_a", "with_b", "of_b", "difference", "low", "high", "p", "q", "confidence",
    )
)  # fmt: skip


@click.command()
@click.argument("a", metavar="QUERY")
@click.argument("b", metavar="[QUERY]", required=False)
@common
def contrast(call: Invocation, a: str, b: str | None) -> None:
    """What separates two sets of runs: failed from ok, dear from cheap. Quote a query that has spaces.

    Without the second QUERY the first set is held against the rest of its selection: "agent:refunds status:failed"
    against the other runs of refunds.
    """
    with call.reader() as reader:
        answer = reader.contrast(a, b)
    rows = answer["attributes"]
    if call.out.as_json:
        call.out.json(answer)
        return
    if call.out.pretty:
        for name in ("a", "b"):
            one = answer[name]
            looked = "" if one["measured"] == one["runs"] else f", {count(one['measured'])} looked at"
            asked = one_line(one["query"], 80) or "all runs"
            if name == "b" and b is None:
                asked = f"the rest of {asked}"
            call.out.line(f"{name.upper()}  {asked}: {counted(one['runs'], 'run')}{looked}")
        call.out.line()
        call.out.table(_COLUMNS, rows)
    else:
        pairs = [(key, side) for key in ("with", "of") for side in ("a", "b")]
        flat = [{**row, **{f"{key}_{side}": row[side][key] for key, side in pairs}} for row in rows]
        call.out.table(_PIPE, flat)
    if answer["a"]["measured"] and answer["b"]["measured"]:
        tested = f"{counted(answer['tested'], 'feature')} tested"
        call.out.say(tested if rows else f"{tested}: nothing separates these sets")
    for note in answer["notes"]:
        call.out.say(note)
