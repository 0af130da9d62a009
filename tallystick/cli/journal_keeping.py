"""``tally journal``, the rarer commands: its keys, a copy of it, a witness, and lost history."""

from __future__ import annotations

from pathlib import Path

import click

from tallystick.cli.clean import clean, one_line
from tallystick.cli.invocation import Invocation, common


@click.command()
@click.argument("action", required=False, type=click.Choice(["rotate"]))
@click.option("--because", default="rotated by hand", show_default=True, help="Why; kept in the journal.")
@common
def key(call: Invocation, action: str | None, because: str) -> None:
    """The journal's public key, to hand to auditors and witnesses; `rotate` puts a new key in its place.

    The private key before is gone then. What it signed still verifies: its public key stays in the journal. Without
    journal_origin a new key also gives the journal a new name, and witnesses must be handed the new key.
    """
    with call.stores(writing=True) as stores:
        if action == "rotate":
            call.parts.rotate_key(stores, call.settings, because)
        keys = call.parts.public_keys(stores, call.settings)
    now = next(one for one in reversed(keys) if one.retired is None)
    retired = [one for one in keys if one.retired is not None]
    if call.out.as_json:
        rows = [{"key": one.key.text, "created": one.created, "retired": one.retired} for one in retired]
        call.out.json({"key": now.key.text, "origin": now.key.name, "created": now.created, "retired": rows})
        return
    call.out.line(one_line(now.key.text))
    for one in retired:
        call.out.say(f"retired at entry {one.retired}: {one.key.text}")


@click.command()
@click.option("--because", required=True, help="What happened; kept in the journal for ever.")
@common
def reopen(call: Invocation, because: str) -> None:
    """Admit that history was lost (a backup was put back, say), and begin anew from what is there.

    The journal says so from then on. The earlier checkpoints are moved aside, not deleted. Witnesses go on refusing:
    they know better; a new key (`tally journal key rotate`) makes a new journal for them.
    """
    with call.stores(create=False) as stores:
        signed, place = call.parts.reopen(
            stores, call.settings, because=because, by=call.parts.caller(stores).name
        )
    size = signed.checkpoint.size
    if call.out.as_json:
        call.out.json({"size": size, "note": signed.note, "aside": str(place) if place else None})
        return
    call.out.line(f"reopened at {size} entries; the earlier checkpoints are in {place}")


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@common
def export(call: Invocation, folder: Path) -> None:
    """Copy the journal to FOLDER as static files (C2SP tlog-tiles); run again, it adds what is new.

    The copy holds every entry, with commitments in the place of what people, agents and models wrote.
    """
    with call.stores(create=False) as stores:
        signed, written = call.parts.mirror(stores, folder)
    size = signed.checkpoint.size
    if call.out.as_json:
        call.out.json({"folder": str(folder), "size": size, "files": written, "note": signed.note})
        return
    call.out.line(f"{one_line(str(folder))}: {size} entries, {written} files written")


@click.command()
@click.option(
    "--log", "logs", required=True, multiple=True, metavar="KEY",
    help="Public key of a journal to watch (what `tally journal key` prints there); may be given several times.",
)  # fmt: skip
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), default="witness", show_default=True,
              help="Folder for the key and for what was seen.")  # fmt: skip
@click.option("--key", "key_file", type=click.Path(dir_okay=False, path_type=Path),
              help="File of the witness's private key; by default in the state folder.")  # fmt: skip
@click.option("--name", help="Name of the witness, for example witness.example.org; for a new key only.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=4779, show_default=True, help="0 picks a free one."
)
@click.option("--alarm", metavar="URL", help="Address that a proven fork is posted to, as JSON.")
@common
def witness(
    call: Invocation, logs: tuple[str, ...], state: Path, key_file: Path | None, name: str | None, host: str,
    port: int, alarm: str | None,
) -> None:  # fmt: skip
    """Run a witness: it co-signs checkpoints that continue what it saw, and raises the alarm when one does not.

    Best run by somebody else than those who run the agents, on another machine. It speaks C2SP tlog-witness, keeps no
    entries, and anybody may call it.
    """

    def ready(public: str, address: str) -> None:
        """Say where the witness is and what its key is."""
        if call.out.as_json:
            call.out.json({"key": public, "url": address})
        call.out.say(f"witness {public}")
        call.out.say(f"  address {address}")
        call.out.say(f'  in the watched side\'s settings: witnesses = ["{public} {address} outside"]')

    call.parts.serve_witness(
        logs, key=key_file or state / "witness.key", state=state, name=name, host=host, port=port,
        alarm=alarm, say=lambda text: call.out.say(clean(text)), ready=ready,
    )  # fmt: skip


COMMANDS = (key, reopen, export, witness)
