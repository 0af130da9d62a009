"""The root of the command line: the table of commands and the one place where errors become exit codes."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import click

from tallystick.cli.clean import clean
from tallystick.cli.lazy import LazyGroup
from tallystick.model.errors import TallystickError

COMMANDS = {
    "demo": ("tallystick.cli.demo:demo", "Play the refund desk and show it: needs no key and no network."),
    "up": ("tallystick.cli.up:up", "Start the server: pages, JSON API, OTLP."),
    "doctor": ("tallystick.cli.doctor:doctor", "Check this installation, its store and its settings."),
    "init": ("tallystick.cli.init:init", "Lay out a project: settings, agents, tools, policies."),
    "run": ("tallystick.cli.run:run", "Run a program with recording switched on."),
    "runs": ("tallystick.cli.runs:runs", "List, show, follow, import and export runs."),
    "agents": ("tallystick.cli.things:agents", "Agents, declared and observed."),
    "tools": ("tallystick.cli.things:tools", "Tools, declared and observed."),
    "models": ("tallystick.cli.things:models", "Models, declared and observed."),
    "data": ("tallystick.cli.things:data", "Data sources, and who can read them."),
    "prompts": ("tallystick.cli.things:prompts", "Prompts, declared and observed."),
    "policies": ("tallystick.cli.things:policies", "Policies that the registry knows."),
    "suites": ("tallystick.cli.things:suites", "Evaluation suites that the registry knows."),
    "workflows": ("tallystick.cli.things:workflows", "Workflows, declared and observed."),
    "find": ("tallystick.cli.find:find", "Find things of every type by what they are, can do, did or lack."),
    "cost": ("tallystick.cli.cost:cost", "What was spent, by agent, tool, workflow, run or model."),
    "approvals": ("tallystick.cli.approvals:approvals", "List, show and answer held calls."),
    "users": ("tallystick.cli.users:users", "People who may sign in: roles, tokens, delegations."),
    "keys": ("tallystick.cli.agent_tokens:keys", "The keys that sign tokens of agents."),
    "policy": ("tallystick.cli.policy:policy", "Check, test and push policies; stop agents and tools."),
    "budgets": ("tallystick.cli.budgets:budgets", "List, show and set budgets."),
    "plan": ("tallystick.cli.plan:plan", "Say what apply would change."),
    "apply": ("tallystick.cli.apply:apply", "Make the registry what a project's files declare."),
    "ready": ("tallystick.cli.ready:ready", "Which layers an agent needs, has and misses."),
    "promote": ("tallystick.cli.promote:promote", "Move an alias of an agent to a version that is ready."),
    "cards": ("tallystick.cli.cards:cards", "Import and export A2A agent cards."),
    "bom": ("tallystick.cli.bom:bom", "A bill of materials of agents, as CycloneDX."),
    "evidence": ("tallystick.cli.evidence:evidence", "Write a file that proves a run."),
    "verify": ("tallystick.cli.verify:verify", "Check an evidence file, offline."),
    "journal": ("tallystick.cli.journal:journal", "Read, verify, sign and copy the journal."),
    "store": ("tallystick.cli.store:store", "Where the store is and what is in it."),
    "config": ("tallystick.cli.config:config", "Settings in force, and where each came from."),
    "help": ("tallystick.cli.help:help_command", "Help on a command or a topic."),
}


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        from tallystick import __version__

        click.echo(f"tallystick {__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup, lazy=COMMANDS, invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Every command takes --store DIR and --json. Start with: tally demo",
)  # fmt: skip
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Print the version."
)
@click.pass_context
def root(ctx: click.Context) -> None:
    """Tallystick: what your agents did, whether they were allowed to, and what it cost."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; never shows a traceback unless TALLYSTICK_DEBUG=1."""
    spare_collector()
    sys.exit(invoke(sys.argv[1:] if arguments is None else list(arguments)))


def spare_collector() -> None:
    """Let Python look for circles of garbage more seldom: this process is Tallystick's own, and makes hardly any.

    Reading a large registry makes hundreds of thousands of objects that stay; looking through them again and again
    costs a third of the time.
    """
    gc.set_threshold(50_000, 25, 25)


def invoke(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code: 0 to 7 (see ``tally help exit-codes``), 130 when interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a narrow terminal must not stop a command
    as_json = "--json" in _before_dashes(arguments)
    try:
        answer = root.main(args=list(arguments), prog_name="tally", standalone_mode=False)
        sys.stdout.flush()
        return answer if isinstance(answer, int) else 0
    except TallystickError as error:
        return report(error, as_json=as_json)
    except click.ClickException as error:
        return _usage(error, as_json=as_json)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    except BrokenPipeError:
        # The reader went away (`tally runs ls | head`): leave quietly, and keep Python from flushing into it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ModuleNotFoundError as error:
        return _not_installed(error, as_json=as_json)
    except Exception as error:  # noqa: BLE001 - the last edge: whatever arrives here is a bug, said as one
        return _unexpected(error, as_json=as_json)


def _before_dashes(arguments: Sequence[str]) -> Sequence[str]:
    listed = list(arguments)
    return listed[: listed.index("--")] if "--" in listed else listed


def report(error: TallystickError, *, as_json: bool) -> int:
    """Print a designed error on stderr, as text with its hint or in the JSON error shape; returns its exit code."""
    if _debugging():
        traceback.print_exception(error)
    if as_json:
        from tallystick.cli.output import json_text

        click.echo(json_text(error.as_json()), err=True)
    else:
        first = {"message": error.message, "hint": error.hint, **error.detail}
        for problem in error.detail.get("problems") or [first]:
            click.echo(f"tally: {clean(_placed(problem))}", err=True)
            if problem.get("hint"):
                click.echo(f"  hint: {clean(str(problem['hint']))}", err=True)
    return error.exit_code


def _placed(problem: Mapping[str, Any]) -> str:
    """A message with its file and line before it, where it does not name the file itself."""
    message, file, line = str(problem["message"]), problem.get("file"), problem.get("line")
    if not file or str(file) in message:
        return message
    return f"{file}:{line}: {message}" if line else f"{file}: {message}"


def _usage(error: click.ClickException, *, as_json: bool) -> int:
    if as_json:
        from tallystick.model.errors import BadInput

        context = getattr(error, "ctx", None)
        hint = f"{context.command_path} --help" if context else "tally --help"
        return report(BadInput(error.format_message(), hint=hint), as_json=True)
    error.show()
    return error.exit_code


# What an extra brings that a command may miss, by the name it is imported by.
_EXTRAS = {
    **dict.fromkeys(("litestar", "uvicorn", "httptools", "uvloop", "jinja2"), "server"),
    "duckdb": "archive", "grpc": "grpc", "mcp": "mcp", "cyclonedx": "bom", "phonenumbers": "privacy",
    "openai": "server,demo",
}  # fmt: skip


def _not_installed(error: ModuleNotFoundError, *, as_json: bool) -> int:
    """A part that is not installed is no fault of ours; anything else that cannot be imported is."""
    from tallystick.model.errors import Fault

    part = str(error.name).partition(".")[0]
    if part not in _EXTRAS:
        return _unexpected(error, as_json=as_json)
    hint = f"pip install 'tallystick[{_EXTRAS[part]}]'"
    return report(Fault(f"this needs {part}, which is not installed", hint=hint), as_json=as_json)


def _unexpected(error: Exception, *, as_json: bool) -> int:
    from tallystick.model.errors import Fault

    if _debugging():
        traceback.print_exception(error)
    fault = Fault(
        f"something in Tallystick broke: {type(error).__name__}: {error}",
        hint="run it again with TALLYSTICK_DEBUG=1 and report the traceback with `tally doctor --json`",
    )
    return report(fault, as_json=as_json)


def _debugging() -> bool:
    return os.environ.get("TALLYSTICK_DEBUG", "") not in ("", "0")
