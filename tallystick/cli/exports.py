"""``tally runs export``: a run's spans as OTLP JSON, for any other tool that speaks OTLP."""

from __future__ import annotations

from pathlib import Path

import click

from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import json_text
from tallystick.model.errors import BadInput, Conflict


@click.command()
@click.argument("run")
@click.option(
    "-o", "--output", "target", type=click.Path(path_type=Path), help="File to write; left out: stdout."
)
@common
def export(call: Invocation, run: str, target: Path | None) -> None:
    """Write a run's spans as OTLP JSON (an ExportTraceServiceRequest), as they were received."""
    from tallystick.app.exporting import otlp_json

    with call.reader() as reader:
        document = json_text(otlp_json(reader.spans(run)[1])) + "\n"
    if target is None:
        call.out.write(document)
        return
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(document)
    except FileExistsError as error:
        raise Conflict(f"{target} exists already", hint="choose another name", file=str(target)) from error
    except OSError as error:
        raise BadInput(f"{target} cannot be written: {error.strerror}", file=str(target)) from error
    if call.out.as_json:
        call.out.json({"file": str(target), "bytes": len(document.encode())})
    else:
        call.out.say(f"wrote {target}")
