"""``tally store``: where the store is, what is in it, and whether its views are true."""

from __future__ import annotations

from pathlib import Path

import click

from tallystick.cli.invocation import Invocation, common
from tallystick.cli.wording import count
from tallystick.model.errors import BadInput


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
@click.option(
    "--before",
    "days",
    metavar="AGE",
    help="Archive runs that ended so many days ago, as 7d; left out: hot_days.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be archived.")
@common
def archive(call: Invocation, days: str | None, dry_run: bool) -> int:
    """Move old runs into Parquet files; they are read as before."""
    age = call.settings.hot_days if days is None else _days(days)
    with call.stores(create=False, writing=True) as stores:
        done = call.parts.archive(stores, days=age, dry_run=dry_run, say=call.out.say)
    answer = {
        "runs": done.runs, "steps": done.steps, "bytes": done.bytes, "segments": done.segments,
        "busy": done.busy, "dry_run": dry_run,
    }  # fmt: skip
    if call.out.as_json:
        call.out.json(answer)
    elif dry_run:
        call.out.say(f"would archive {count(done.runs)} runs with {count(done.steps)} steps")
    else:
        call.out.say(
            f"archived {count(done.runs)} runs with {count(done.steps)} steps in {count(done.bytes)} bytes"
        )
    return 7 if done.busy else 0


@store.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@common
def expire(call: Invocation, dry_run: bool) -> None:
    """Delete the runs that keep_days and the rules of retention let go; the journal says so."""
    with call.stores(create=False, writing=True) as stores:
        done = call.parts.expire(stores, call.settings, dry_run=dry_run)
    if call.out.as_json:
        rules = [{"rule": rule, "runs": runs} for rule, runs in done.rules]
        call.out.json(
            {"runs": done.runs, "steps": done.steps, "kept": done.kept, "rules": rules, "dry_run": dry_run}
        )
        return
    call.out.fields((rule, f"{count(runs)} runs") for rule, runs in done.rules)
    if not done.rules:
        call.out.say("runs are kept for ever: neither keep_days nor retention is set")
    what = "would delete" if dry_run else "deleted"
    call.out.say(f"{what} {count(done.runs)} runs" + ("" if dry_run else f" with {count(done.steps)} steps"))
    if done.kept:
        call.out.say(
            f"{count(done.kept)} runs are due and stay until the journal holds them and no approval waits"
        )


@store.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--with-key", is_flag=True, help="Copy the journal's private key too: who has the backup can sign then."
)
@common
def backup(call: Invocation, folder: Path, with_key: bool) -> None:
    """Copy the store into an empty folder, while others write; the copy is a store that opens."""
    with call.stores(create=False) as stores:
        done = call.parts.backup(stores, folder, with_key=with_key, say=call.out.say)
    if call.out.as_json:
        call.out.json(
            {"folder": str(folder), "files": done.files, "bytes": done.bytes, "linked": done.linked}
        )
    else:
        call.out.say(f"{folder} is a copy: {count(done.files)} files, {count(done.bytes)} bytes")


def _days(text: str) -> int:
    number = text.removesuffix("d")
    if not (number.isascii() and number.isdigit() and len(number) < 6):
        raise BadInput(f"{text!r} is not an age in days", hint="write 7d, or 0d for all that has ended")
    return int(number)


@store.command()
@click.option("--subject", help="Whose contents: the end user's id, as senders give it.")
@click.option("--run", help="One run instead, by id or an unambiguous prefix.")
@click.option("--because", required=True, help="Why; kept with the entry. Name nobody in it.")
@click.option("--dry-run", is_flag=True, help="Only say what would be erased.")
@common
def erase(call: Invocation, subject: str | None, run: str | None, because: str, dry_run: bool) -> None:
    """Erase all contents of a subject's runs, everywhere in the store; what happened stays and can be proved.

    Run again after a crash it finishes. What agents deliver later for these runs is stored without contents.
    """
    with call.stores(create=False, writing=True) as stores:
        call.parts.reader(stores)  # takes in what processes that died left in the spool
        eraser = call.parts.eraser(stores)
        runs = eraser.runs_of(subject, run)
        done = (
            eraser.plan(runs)
            if dry_run
            else eraser.erase(runs, by=call.parts.caller(stores).name, because=because, subject=subject)
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
    elif not done.runs:
        call.out.say("all runs were erased before; what was left of them in files is gone now")
    if done.done and not done.log_emptied:
        call.out.say("somebody still reads from before: run this again when they are done, to empty the log")
