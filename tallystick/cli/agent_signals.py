"""``tally agents signals``: the four signals of an agent, in all or by version, day or week."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import Column, Out
from tallystick.cli.wording import count, counted
from tallystick.model.money import usd_text

SIGNALS: Final = (
    ("completion", "task completion", "runs that ended: the part that was ok"),
    ("tool_calls", "tool calls", "tool steps: the part without error"),
    ("adherence", "policy adherence", "calls, made or denied: the part not denied"),
    ("cost_per_run_nano_usd", "cost per run", "runs of known cost"),
    ("cost_per_success_nano_usd", "cost per successful run", "runs that were ok"),
)
_HEADERS: Final = ("completion", "tool calls", "adherence", "cost per run", "per success")
_BARS: Final = "▁▂▃▄▅▆▇█"
_LONGEST: Final = 60  # bars of one line: the newest


@click.command()
@click.argument("agent")
@click.option("--since", metavar="AGE|DATE", help="From when on. [default: 30d; with --by: all runs]")
@click.option("--by", type=click.Choice(("version", "day", "week")), help="One row for each.")
@common
def signals(call: Invocation, agent: str, since: str | None, by: str | None) -> None:
    """Task completion, tool calls, policy adherence and cost per run of AGENT; what was not measured is said.

    With --by each row has the interval that holds 95 % of the time, and how many runs could not be measured.
    """
    with call.catalog() as catalog:
        answer = (
            catalog.signals(agent, since or "30d") if by is None else catalog.signals_over(agent, by, since)
        )
    if call.out.as_json:
        call.out.json(answer)
    elif by is None:
        _one(call.out, answer)
    else:
        _rows(call.out, answer)


def _one(out: Out, answer: Mapping[str, Any]) -> None:
    for key, name, unit in SIGNALS:
        out.line(f"{name:<24}{signal_text(key, answer[key])}" + (f"  (of {count(answer[key]['n'])} {unit})"))
    if answer["took_part"]:
        out.say("measured in the runs of others, in which it took part: it had none of its own")


def _rows(out: Out, answer: Mapping[str, Any]) -> None:
    rows, by = answer["rows"], answer["by"]
    if not out.pretty:
        columns = [Column(name, name) for name in ("version", "from", "to", "runs")]
        parts = ("value", "low", "high", "n", "unmeasured")
        columns += [
            Column(name, name) for key, _, _ in SIGNALS for part in parts for name in [f"{key}.{part}"]
        ]
        out.table(columns, [
            {**row, **{f"{key}.{part}": row[key][part] for key, _, _ in SIGNALS for part in parts}} for row in rows
        ])  # fmt: skip
        return
    key_column = Column("version", "version", lambda row: (str(row["version"] or "not said"), ""), width=24)
    when = Column("from" if by == "version" else by, "from", lambda row: (str(row["from"] or "–")[:10], ""))
    out.table(
        (
            *((key_column,) if by == "version" else ()), when,
            Column("runs", "runs", lambda row: (count(row["runs"]), ""), right=True),
            *(_column(key, header) for (key, _, _), header in zip(SIGNALS, _HEADERS, strict=True)),
        ),
        rows,
    )  # fmt: skip
    if len(rows) > 2:
        out.line()
        for key, name, _ in SIGNALS:
            bars = sparkline(
                [row[key]["value"] for row in rows][-_LONGEST:], share=not key.endswith("nano_usd")
            )
            out.line(f"{name:<24}{bars}")
    out.say(
        f"{counted(len(rows), by)}; intervals hold 95 % of the time"
        if rows
        else "no run of this agent; one that only takes part in the runs of others is measured without --by"
    )


def _column(key: str, header: str) -> Column:
    def show(row: Mapping[str, Any]) -> tuple[str, str]:
        signal = row[key]
        if signal["value"] is None:
            return "not measured", "dim"
        said = signal_text(key, signal)
        if signal["low"] is not None:
            ends = (signal_text(key, {"value": signal[end]}) for end in ("low", "high"))
            said += f" ({'…'.join(ends)})"
        return said + (f" ?{count(signal['unmeasured'])}" if signal["unmeasured"] else ""), ""

    spare = {"cost_per_success_nano_usd": 3, "adherence": 2, "tool_calls": 1}.get(key, 0)
    return Column(header, key, show, right=True, spare=spare)


def sparkline(values: Sequence[float | None], *, share: bool) -> str:
    """One bar a value, a space where it was not measured; a share is drawn from 0 to 1, money from 0 to the most."""
    most = 1.0 if share else max((value for value in values if value is not None), default=0) or 1.0
    return "".join(
        " " if value is None else _BARS[min(len(_BARS) - 1, int(value / most * len(_BARS)))]
        for value in values
    )


def signal_text(key: str, signal: Mapping[str, Any]) -> str:
    """The value of a signal as people read it."""
    if signal["value"] is None:
        return "not measured"
    return usd_text(signal["value"]) if key.endswith("nano_usd") else f"{signal['value']:.1%}"
