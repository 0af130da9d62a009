"""``tally init``: the files of a project, each explaining itself. Nothing that exists is touched."""

from __future__ import annotations

from pathlib import Path

import click

from tallystick.cli.invocation import Invocation, common
from tallystick.config.sample import sample
from tallystick.model.errors import BadInput

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
@click.option("--agent", default="my-agent", show_default=True, help="Name of the agent.")
@click.option("--dry-run", is_flag=True, help="Say what would be written and write nothing.")
@common
def init(call: Invocation, folder: Path, agent: str, dry_run: bool) -> None:
    """Lay out a project: settings, agents, tools, policies. Files that exist are left as they are."""
    if not agent.replace("-", "").replace("_", "").replace(".", "").isalnum() or agent.startswith("."):
        raise BadInput(f"{agent!r} is no name for an agent", hint="letters, digits, - and _ only")
    files = {
        "tallystick.toml": sample(agent=agent),
        f"agents/{agent}.toml": AGENT.format(name=agent),
        "tools/lookup_order.toml": TOOL,
        "policies/read.cedar": POLICY,
        ".gitignore": IGNORE,
    }
    written, kept = [], []
    for name, text in files.items():
        path = folder / name
        if path.exists():
            kept.append(name)
            continue
        written.append(name)
        if not dry_run:
            _write(path, text)
    if call.out.as_json:
        call.out.json({"folder": str(folder), "written": written, "kept": kept, "dry_run": dry_run})
        return
    for name in written:
        call.out.line(f"{'would write' if dry_run else 'wrote'} {name}")
    for name in kept:
        call.out.line(f"kept {name}")
    call.out.say("next: tally apply, then: tally run -- python my_agent.py")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}", file=str(path)) from error
