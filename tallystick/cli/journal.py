"""``tally journal``: the append-only record of everything that decided or changed something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from tallystick.cli.invocation import Invocation, common
from tallystick.cli.output import Column, json_text
from tallystick.cli.wording import count, moment, short
from tallystick.model.errors import AnswerIsNo, StoreFault
from tallystick.model.journal import Entry


@click.group()
def journal() -> None:
    """Read and verify the journal."""


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
@common
def verify(call: Invocation) -> None:
    """Compute every digest anew; exit code 3 when an entry was changed.

    This finds a change that was not followed by rewriting all later digests. It does not prove that nobody with
    write access to the file rewrote the whole journal: keep the head elsewhere to compare.
    """
    with call.stores(create=False) as stores:
        try:
            entries = stores.control.verify()
        except StoreFault as error:
            raise AnswerIsNo(f"not verified: {error.message}", hint=error.hint, **error.detail) from error
        size, root = stores.control.head()
    if call.out.as_json:
        call.out.json({"verified": True, "entries": entries, "head": {"size": size, "root": root.hex()}})
    else:
        call.out.line(f"verified {count(entries)} entries; root {root.hex()}")


def row(entry: Entry) -> dict[str, Any]:
    """One entry as JSON; ``at`` is RFC 3339."""
    from tallystick.app.shapes import time_text

    return {
        "seq": entry.seq, "id": entry.id, "at": time_text(entry.at), "kind": entry.kind, "subject": entry.subject,
        "run": entry.run, "actor": entry.actor, "body": dict(entry.body), "nth": entry.nth,
        "digest": entry.digest,
    }  # fmt: skip


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
