"""``tally store``: where the store is, what is in it, and whether its views are true."""

from __future__ import annotations

import click

from tallystick.cli.invocation import Invocation, common
from tallystick.cli.wording import count


@click.group()
def store() -> None:
    """Where the store is and what is in it."""


@store.command()
@common
def info(call: Invocation) -> None:
    """Where the store is, how large, of which version, and what it holds."""
    path = call.store_path
    origin = call.settings.origins["store"]
    if not path.is_dir():
        answer = {"store": str(path), "exists": False, "origin": origin, "traces": None, "control": None}
    else:
        with call.stores(create=False) as stores:
            traces, control = dict(stores.traces.info()), dict(stores.control.info())
        answer = {"store": str(path), "exists": True, "origin": origin, "traces": traces, "control": control}
    if call.out.as_json:
        call.out.json(answer)
        return
    call.out.fields(
        [("store", path), ("found by", "nearest project or user folder" if origin == "default" else origin)]
    )
    if not answer["exists"]:
        call.out.say("it does not exist yet; the first recorded run makes it")
        return
    call.out.fields((f"traces {key}", value) for key, value in traces.items())
    call.out.fields((f"control {key}", value) for key, value in control.items())


@store.command()
@common
def rebuild(call: Invocation) -> int:
    """Make the control plane's views anew from the journal; exit code 3 when they were not true."""
    with call.stores(create=False) as stores:
        answer = dict(stores.control.rebuild())
    changed = answer.pop("changed", 0)
    if call.out.as_json:
        call.out.json({"views": answer, "changed": changed})
    else:
        call.out.fields((view, count(rows)) for view, rows in answer.items())
        call.out.say(
            "the views were true"
            if not changed
            else f"views that were not true and are mended now: {count(changed)}"
        )
    return 3 if changed else 0
