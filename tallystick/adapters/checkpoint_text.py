"""What a control store must read of a checkpoint to keep it: its size, its root, and which signatures it has.

Whether signatures are true is for those who have keys; see proof/notes.py for the whole format.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass

from tallystick.model.errors import BadInput, Conflict
from tallystick.proof.merkle import HASH_BYTES


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed note of a checkpoint: ``text`` is what was signed, ``signatures`` the lines below it."""

    text: str
    size: int
    root: bytes
    signatures: tuple[str, ...]


def read_checkpoint(note: str) -> Signed:
    """Take a checkpoint's note apart. Raises BadInput for what is none."""
    text, gap, below = note.rpartition("\n\n")
    lines = (text + "\n").split("\n")
    signatures = tuple(below.split("\n")[:-1])
    try:
        size = int(lines[1]) if gap and lines[1].isdecimal() and lines[1].isascii() else -1
        root = b64decode(lines[2], validate=True)
        note.encode("utf-8")
    except (IndexError, binascii.Error, ValueError) as error:
        raise _bad() from error
    signed = bool(signatures) and all(line.startswith("\u2014 ") for line in signatures)
    if size < 0 or str(size) != lines[1] or len(root) != HASH_BYTES or not signed or not below.endswith("\n"):
        raise _bad()
    return Signed(text + "\n", size, root, signatures)


def _bad() -> BadInput:
    return BadInput("this is no signed checkpoint", hint="see docs/reference/proof-format.md, section 4")


def grown(known: str, given: str) -> str:
    """A note with all signatures of two of the same checkpoint. Raises Conflict where their texts differ."""
    old, new = read_checkpoint(known), read_checkpoint(given)
    if old.text != new.text:
        raise Conflict(
            f"a checkpoint of {old.size} entries with another text was signed before", size=old.size
        )
    more = [line for line in new.signatures if line not in old.signatures]
    return "".join([old.text, "\n", *(line + "\n" for line in (*old.signatures, *more))])
