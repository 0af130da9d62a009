"""``tally runs export``: runs as OTLP JSON, as JSON lines, or as a Parquet file, for any other tool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import json_text
from tallystick.model.errors import BadInput, Conflict

if TYPE_CHECKING:
    from tallystick.app.keeping.export_runs import RunExport


@click.command()
@click.argument("what", metavar="RUN|QUERY")
@click.option(
    "--format",
    "form",
    type=click.Choice(["otlp", "jsonl", "parquet"]),
    default="otlp",
    show_default=True,
    help="otlp: one document as an exporter would send it; jsonl: a run or a step a line; parquet: a row a step.",
)
@click.option(
    "-o", "--output", "target", type=click.Path(path_type=Path), help="File to write; left out: stdout."
)
@common
def export(call: Invocation, what: str, form: str, target: Path | None) -> None:
    """Write a run, or all runs that match a query, for other tools."""
    if form == "parquet" and target is None:
        raise BadInput("a Parquet file is not text", hint="name a file: -o runs.parquet")
    if target is not None and target.exists():
        raise Conflict(f"{target} exists already", hint="choose another name", file=str(target))
    with call.stores() as stores:
        call.parts.reader(stores)  # takes in what dead processes left
        runs = call.parts.run_export(stores)
        if target is None:
            for text in _texts(runs, what, form):
                call.out.write(text)
            return
        if form == "parquet":
            call.parts.write_parquet(target, runs.pairs(what))
        else:
            _write(target, _texts(runs, what, form))
    if call.out.as_json:
        call.out.json({"file": str(target), "bytes": target.stat().st_size})
    else:
        call.out.say(f"wrote {target}")


def _texts(runs: RunExport, what: str, form: str) -> Iterator[str]:
    if form == "jsonl":
        for line in runs.lines(what):
            yield json_text(line) + "\n"
        return
    groups = runs.otlp(what)
    first = next(groups, None)  # a run that is not there is an error before anything is written
    yield '{"resourceSpans":['
    if first is not None:
        yield json_text(first)
        for group in groups:
            yield "," + json_text(group)
    yield "]}\n"


def _write(target: Path, texts: Iterator[str]) -> None:
    first = next(texts, "")
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(first)
            file.writelines(texts)
    except FileExistsError as error:
        raise Conflict(f"{target} exists already", hint="choose another name", file=str(target)) from error
    except OSError as error:
        raise BadInput(f"{target} cannot be written: {error.strerror}", file=str(target)) from error
