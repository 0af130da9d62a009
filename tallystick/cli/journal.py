"""``tally journal``: the append-only record of everything that decided or changed something."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from tallystick.cli.clean import clean, one_line
from tallystick.cli.invocation import Invocation, common
from tallystick.cli.journal_keeping import COMMANDS
from tallystick.cli.output import Column, json_text
from tallystick.cli.wording import colour, count, moment, short
from tallystick.model.errors import BadInput
from tallystick.model.journal import Entry


@click.group()
def journal() -> None:
    """Read, verify, sign and copy the journal."""


for command in COMMANDS:
    journal.add_command(command)


@journal.command()
@common
def head(call: Invocation) -> None:
    """The number of entries and the root of the Merkle tree over them."""
    with call.stores() as stores:
        size, root = stores.control.head()
    if call.out.as_json:
        call.out.json({"size": size, "root": root.hex()})
    else:
        call.out.line(f"{size}\t{root.hex()}")


@journal.command()
@click.option(
    "--checkpoint", "earlier", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with earlier checkpoints of this journal, kept elsewhere.",
)  # fmt: skip
@common
def verify(call: Invocation, earlier: Path | None) -> int:
    """Check everything that can be checked here, step by step; exit code 3 on a finding.

    It ends with two lamps. Integrity: nothing that is written was changed. Completeness: nothing was taken away; that
    stays grey until a witness that somebody else runs has co-signed, or an earlier checkpoint is compared.
    """
    notes = _earlier(earlier)
    steps = []
    with call.stores(create=False) as stores:
        book = call.parts.journal_book(stores, call.settings)
        for step in book.verify_steps(notes):
            steps.append(step)
            if not call.out.as_json:
                _tell(call, step)
        lamps = book.lamps()
        size, root = stores.control.head()
    found = any(step["state"] == "finding" for step in steps) or lamps["completeness"] == "red"
    if call.out.as_json:
        head = {"size": size, "root": root.hex()}
        call.out.json({"verified": not found, "head": head, "steps": steps, "lamps": lamps})
    else:
        for lamp in ("integrity", "completeness"):
            call.out.line(f"{lamp}: {lamps[lamp]}", style=colour(_LAMPS[lamps[lamp]]))
        call.out.line(one_line(lamps["why"]))
    return 3 if found else 0


_STATES = {"holds": "ok", "finding": "fail", "not checked": "warn"}
_LAMPS = {"holds": "ok", "green": "ok", "unchecked": "warn", "grey": "warn", "broken": "fail", "red": "fail"}


def _tell(call: Invocation, step: Mapping[str, Any]) -> None:
    counted = count(step["count"]) if step["state"] == "holds" else ""
    line = f"{step['state']:<11}  {step['step']:<19}  {counted:>9}  {one_line(step['detail'])}"
    call.out.line(line, style=colour(_STATES[step["state"]]))


def _earlier(path: Path | None) -> list[str]:
    if path is None:
        return []
    from tallystick.app.prove.entries import notes_in

    try:
        return notes_in(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read as a file of checkpoints", file=str(path)) from error


@journal.command()
@click.argument("seq", type=click.IntRange(1))
@common
def prove(call: Invocation, seq: int) -> None:
    """The proof that entry SEQ is in the journal: its leaf, the audit path, and the signed checkpoint."""
    from tallystick.app.prove.entries import prove as make

    with call.stores(create=False) as stores:
        proof = make(stores.control, seq)
    if call.out.as_json:
        call.out.json(proof)
        return
    call.out.fields((name, proof[name]) for name in ("leaf", "leaf_hash", "index", "size", "root"))
    for number, sibling in enumerate(proof["path"], 1):
        call.out.line(f"path {number}\t{sibling}")
    call.out.write(clean(proof["checkpoint"]))


@journal.command()
@common
def checkpoint(call: Invocation) -> int:
    """Sign the journal's head, and pass it on to witnesses and exports; exit code 3 when a witness sees a fork."""
    with call.stores(create=False, writing=True) as stores:
        signed = call.parts.keep(stores, call.settings, call.out.say)
        state = call.parts.journal_book(stores, call.settings).state()
    made = signed.checkpoint
    if call.out.as_json:
        call.out.json({
            "origin": made.origin, "size": made.size, "root": made.root.hex(), "fresh": signed.fresh,
            "note": signed.note, "witnesses": state["witnesses"], "exports": state["exports"],
        })  # fmt: skip
    else:
        call.out.write(clean(signed.note))
    return 3 if any(one["state"] == "fork" for one in state["witnesses"]) else 0


def row(entry: Entry) -> dict[str, Any]:
    """One entry as JSON; ``at`` is RFC 3339."""
    from tallystick.app.reading.shapes import entry_json

    return entry_json(entry)


def _body(row: Mapping[str, Any]) -> tuple[str, str]:
    return json_text(row["body"]), "dim"


COLUMNS = (
    Column("seq", "seq", right=True),
    Column("at", "at", lambda row: (moment(row["at"]), "")),
    Column("kind", "kind"),
    Column("subject", "subject", width=32),
    Column("run", "run", lambda row: (short(row["run"]), "")),
    Column("actor", "actor", width=16),
    Column("body", "body", _body, width=80),
)


@journal.command()
@click.option("--after", type=click.IntRange(0), default=0, help="Only entries after this number.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Most entries to list."
)
@click.option("--kind", help="Only this kind; `approval.*` takes all that begin so.")
@click.option("--run", "run", help="Only entries of this run (its whole id).")
@click.option("--subject", help="Only entries about this id or name.")
@common
def ls(
    call: Invocation, after: int, limit: int, kind: str | None, run: str | None, subject: str | None
) -> None:
    """Entries in the order they were written."""
    with call.stores() as stores:
        rows = [
            row(entry)
            for entry in stores.control.entries(after=after, limit=limit, kind=kind, run=run, subject=subject)
        ]
    if call.out.as_json:
        call.out.json({"entries": rows})
        return
    plain = rows if call.out.pretty else [{**entry, "body": json_text(entry["body"])} for entry in rows]
    call.out.table(COLUMNS, plain)
    if len(rows) == limit:
        call.out.say(f"more may follow: --after {rows[-1]['seq']}")
