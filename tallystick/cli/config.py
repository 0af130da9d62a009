"""``tally config``: the settings in force."""

from __future__ import annotations

import click

from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import Column


@click.group()
def config() -> None:
    """Settings in force, and where each came from."""


@config.command()
@click.option("--origin", is_flag=True, help="Also say where each value came from.")
@common
def show(call: Invocation, origin: bool) -> None:
    """Every setting with its value; secrets are masked."""
    rows = call.settings.as_json()
    if call.out.as_json:
        shown = {row["key"]: {"value": row["value"], "origin": row["origin"]} for row in rows}
        project = call.settings.project
        call.out.json({"settings": shown, "project": str(project) if project else None})
        return
    columns = [Column("setting", "key"), Column("value", "value")]
    if origin:
        columns.append(Column("from", "origin"))
    call.out.table(columns, rows)
