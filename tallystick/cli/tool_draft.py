"""``tally tools draft``: files for tools, from what a program tells a model of them. Nothing that exists is touched."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from tallystick.cli.clean import one_line
from tallystick.cli.init import write_file
from tallystick.cli.invocation import Invocation, common
from tallystick.model.errors import BadInput

LARGEST: Final = 8_000_000  # bytes


@click.command()
@click.argument("file", metavar="FILE|-")
@click.option("--dry-run", is_flag=True, help="Say what would be written and write nothing.")
@common
def draft(call: Invocation, file: str, dry_run: bool) -> None:
    """Write tools/NAME.toml for tools, from a JSON list of what a model is told of them.

    Effect, roles of arguments and where they may come from are guessed from the tools' own words, on the safe side:
    read each file before `tally apply`. Shapes: functions of the OpenAI API, tools of the Anthropic API, tools of MCP.
    """
    from tallystick.registry.drafting.described import described
    from tallystick.registry.drafting.draft import drafts

    files = drafts(described(_read(file)))
    project = call.settings.project or Path.cwd()
    written, kept = [], []
    for name, text in files.items():
        path = project / name
        if path.exists() or path.is_symlink():
            kept.append(name)
            continue
        written.append(name)
        if not dry_run:
            write_file(path, text)
    if call.out.as_json:
        call.out.json({"folder": str(project), "written": written, "kept": kept, "dry_run": dry_run})
        return
    for name in written:
        call.out.line(f"{'would write' if dry_run else 'wrote'} {one_line(name)}")
    for name in kept:
        call.out.line(f"kept {one_line(name)}")
    call.out.say("read what was drafted and correct it, then: tally plan")


def _read(file: str) -> Any:
    """The JSON in a file, or on standard input for "-". Raises BadInput."""
    try:
        with sys.stdin.buffer if file == "-" else Path(file).open("rb") as stream:
            document = stream.read(LARGEST + 1)
    except OSError as error:
        raise BadInput(
            f"{file} cannot be read: {error.strerror or error}", hint="name a JSON file"
        ) from error
    if len(document) > LARGEST:
        raise BadInput(f"{file} has more than {LARGEST:,} bytes", hint="describe fewer tools in one file")
    try:
        return msgspec.json.decode(document)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadInput(
            f"{file} is not JSON: {error}", hint='a list of {"name", "description", "parameters"}'
        ) from error
