"""The proof that one entry is in the journal, and earlier checkpoints as people hand them in."""

from __future__ import annotations

from typing import Any

from tallystick.app.prove.checkpoints import newest_checkpoint
from tallystick.model.errors import BadInput, UnknownThing
from tallystick.model.journal import leaf_bytes
from tallystick.ports import ControlStore
from tallystick.proof.merkle import prove_inclusion


def prove(control: ControlStore, seq: int) -> dict[str, Any]:
    """Entry ``seq`` with its audit path to the newest checkpoint, JSON-ready; hashes are hex.

    Raises UnknownThing for an entry that is not there or that no checkpoint covers yet.
    """
    entries = control.entries(after=seq - 1, limit=1) if seq > 0 else ()
    if not entries or entries[0].seq != seq:
        raise UnknownThing(f"the journal has no entry {seq}", hint="tally journal head")
    newest = newest_checkpoint(control)
    if newest is None or newest.checkpoint.size < seq:
        raise UnknownThing(f"no checkpoint covers entry {seq} yet", hint="tally journal checkpoint")
    size = newest.checkpoint.size
    return {
        "seq": seq,
        "leaf": leaf_bytes(entries[0]).decode(),
        "leaf_hash": entries[0].digest,
        "index": seq - 1,
        "size": size,
        "path": [one.hex() for one in prove_inclusion(seq - 1, size, control.nodes)],
        "root": newest.checkpoint.root.hex(),
        "checkpoint": newest.note,
    }


def notes_in(text: str) -> list[str]:
    """The notes of a file: one, or many as an export appends them (an empty line behind each).

    Raises BadInput when the file holds none.
    """
    parts = [part for part in text.replace("\r\n", "\n").split("\n\n") if part.strip()]
    if not parts or len(parts) % 2:
        raise BadInput(
            "this is no file of checkpoints", hint="a checkpoint is what `tally journal checkpoint` prints"
        )
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return [f"{body.strip()}\n\n{signatures.strip()}\n" for body, signatures in pairs]
