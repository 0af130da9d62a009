"""``tally init``: the files of a project, from what was observed or as a sample. Nothing that exists is touched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common
from tallystick.config.sample import sample
from tallystick.model.errors import BadInput, UnknownThing

if TYPE_CHECKING:
    from tallystick.registry.sketch import Sketch

AGENT = """\
# An agent as declared. What it does is recorded; `tally agents ls` shows where the two differ.
name = "{name}"
version = "0.1.0"
owner = "you@example.com"
purpose = "Say in one sentence what it is for."
tools = ["lookup_order"]
"""
TOOL = """\
# A tool as declared. effect: none, read, write or irreversible; what is not declared is refused once policies exist.
name = "lookup_order"
effect = "read"
description = "Find one order by its number."

[arguments]
order_id = "string"
"""
POLICY = """\
// Policies are Cedar. Every tool is an action, and stands in the group of its effect:
// effect:none, effect:read, effect:write, effect:irreversible. What no rule permits is denied.

permit (principal, action in Action::"effect:read", resource);

// A call can be held until a person says yes. Uncomment, with a tool of yours:
//
// permit (principal, action == Action::"refund", resource);
//
// @hold("finance")
// @because("Refunds over 100 USD need a yes from finance.")
// forbid (principal, action == Action::"refund", resource)
// when { context.args.amount.greaterThan(decimal("100.00")) }
// unless { context.approvals.contains("finance") };
"""
IGNORE = "# what is recorded does not belong in a repository\n.tallystick/\n"


@click.command()
@click.argument("folder", required=False, default=".", type=click.Path(path_type=Path))
@click.option(
    "--agent", default="my-agent", show_default=True, help="Name of the agent, where none was observed."
)
@click.option("--dry-run", is_flag=True, help="Say what would be written and write nothing.")
@common
def init(call: Invocation, folder: Path, agent: str, dry_run: bool) -> None:
    """Lay out a project, with the agents and tools that were observed and are not declared; else with a sample.

    Files that exist are left as they are. What nobody can see (what a tool does to the world) is left to be filled in,
    and `tally plan` names it.
    """
    if not agent.replace("-", "").replace("_", "").replace(".", "").isalnum() or agent.startswith("."):
        raise BadInput(f"{agent!r} is no name for an agent", hint="letters, digits, - and _ only")
    files, left_out = _files(call, folder, agent)
    written, kept = [], []
    for name, text in files.items():
        path = folder / name
        if path.exists() or path.is_symlink():
            kept.append(name)
            continue
        written.append(name)
        if not dry_run:
            write_file(path, text)
    if call.out.as_json:
        call.out.json(
            {
                "folder": str(folder), "written": written, "kept": kept, "left_out": list(left_out),
                "dry_run": dry_run,
            }
        )  # fmt: skip
        return
    for name in written:
        call.out.line(f"{'would write' if dry_run else 'wrote'} {one_line(name)}")
    for name in kept:
        call.out.line(f"kept {one_line(name)}")
    for sentence in left_out:
        call.out.say(sentence)
    call.out.say("next: tally plan, then: tally apply, then: tally run -- python my_agent.py")


def _files(call: Invocation, folder: Path, agent: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """The project's files: with what was observed, else with a sample of an agent and a tool."""
    seen, found = _observed(call, folder)
    files = {"tallystick.toml": sample(agent=None if seen else agent)}
    if found is None or not seen:
        files |= {f"agents/{agent}.toml": AGENT.format(name=agent), "tools/lookup_order.toml": TOOL}
    else:
        files |= dict(found.files)
    if not any(
        (folder / "policies").glob("*.cedar")
    ):  # where rules are, another one may permit what they do not
        files["policies/read.cedar"] = POLICY
    return {**files, ".gitignore": IGNORE}, found.left_out if found else ()


def _observed(call: Invocation, folder: Path) -> tuple[bool, Sketch | None]:
    try:
        with call.stores(create=False) as stores:
            return call.parts.sketch(stores, folder)
    except UnknownThing:  # there is no store yet, and so nothing was observed
        return False, None


def write_file(path: Path, text: str) -> None:
    """Write a file of a project, with the folders above it. Raises BadInput where that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}", file=str(path)) from error
