"""``tally store``: where the store is, what is in it, and whether its views are true."""

from __future__ import annotations

import click

from tallystick.cli.invocation import Invocation, common
from tallystick.cli.person import this_person
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


@store.command()
@click.option("--subject", help="Whose contents: the end user's id, as senders give it.")
@click.option("--run", help="One run instead, by id or an unambiguous prefix.")
@click.option("--because", required=True, help="Why; kept with the entry. Name nobody in it.")
@click.option("--dry-run", is_flag=True, help="Only say what would be erased.")
@common
def erase(call: Invocation, subject: str | None, run: str | None, because: str, dry_run: bool) -> None:
    """Erase all contents of a subject's runs, everywhere in the store; what happened stays and can be proved.

    Run again after a crash it finishes. Spans that agents deliver later are erased by running it again.
    """
    with call.stores(create=False, writing=True) as stores:
        call.parts.reader(stores)  # takes in what processes that died left in the spool
        eraser = call.parts.eraser(stores)
        runs = eraser.runs_of(subject, run)
        done = (
            eraser.plan(runs)
            if dry_run
            else eraser.erase(runs, by=this_person(), because=because, subject=subject)
        )
    if call.out.as_json:
        call.out.json({
            "runs": list(done.runs), "steps": done.steps, "records": done.records, "openings": done.openings,
            "bytes": done.bytes, "done": done.done, "log_emptied": done.log_emptied,
        })  # fmt: skip
        return
    call.out.fields([
        ("runs", count(len(done.runs))), ("steps without contents" if done.done else "steps", count(done.steps)),
        ("records without salt" if done.done else "records", count(done.records)),
        ("journal contents", count(done.openings)),
    ])  # fmt: skip
    if not done.done:
        call.out.say("nothing was erased: this was a dry run")
    elif not done.log_emptied:
        call.out.say("somebody still reads from before: run this again when they are done, to empty the log")
