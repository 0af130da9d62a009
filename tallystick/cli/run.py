"""``tally run -- COMMAND``: a program with recording switched on and nothing in it changed."""

from __future__ import annotations

import os
import shutil

import click

from tallystick.cli.invocation import Invocation, common
from tallystick.model.errors import BadInput, UnknownThing


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--agent", help="Name of the agent, where the program does not give one.")
@click.option("--server", help="Server to send records to, instead of the local store.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@common
def run(call: Invocation, command: tuple[str, ...], agent: str | None, server: str | None) -> None:
    """Run a program with recording switched on: tally run -- python my_agent.py

    Recording uses whatever instrumentors are installed beside the program. The program takes the place of this
    process: its signals and its exit code are its own.
    """
    if not command:
        raise BadInput("no program was named", hint="tally run -- python my_agent.py")
    if shutil.which(command[0]) is None:
        raise UnknownThing(
            f"there is no program {command[0]!r}", hint="give a path, or check PATH", command=command[0]
        )
    call.flag(agent=agent, server=server)
    environment = {**os.environ, **call.parts.run_environment(call.settings)}
    if call.settings.origins["store"].startswith("flag"):
        environment["TALLYSTICK_STORE"] = str(call.settings.store)
    call.parts.execute(command, environment)
