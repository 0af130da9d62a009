"""The journal as static files in the layout of C2SP tlog-tiles, so that anybody may hold and check a copy of it.

Entry bundles hold leaves: what people, agents and models wrote stands in them as commitments only.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Protocol

from tallystick.app.prove.checkpoints import Signed, newest_checkpoint, read
from tallystick.app.prove.continuity import check_continuity
from tallystick.model.errors import BadInput, StoreFault, UnknownThing
from tallystick.model.journal import leaf_bytes
from tallystick.ports import ControlStore
from tallystick.proof.tiles import (
    CHECKPOINT_PATH,
    Bundle,
    Tile,
    bundles_of,
    encode_bundle,
    parse_path,
    tiles_of,
)


class Folder(Protocol):
    """Where a copy is kept (``adapters.tile_folder.TileFolder``). Paths are those of tlog-tiles."""

    def read(self, path: str) -> bytes | None:
        """What stands there, or None."""
        ...

    def write(self, path: str, content: bytes) -> None:
        """Put a whole file there. Raises StoreFault."""
        ...


def content_of(control: ControlStore, path: str) -> bytes:
    """The file of one path: ``checkpoint`` or a tile or entry bundle. Raises UnknownThing."""
    if path == CHECKPOINT_PATH:
        newest = newest_checkpoint(control)
        if newest is None:
            raise UnknownThing(
                "the journal has no checkpoint yet", hint="make one with: tally journal checkpoint"
            )
        return newest.note.encode()
    try:
        wanted = parse_path(path)
    except BadInput as error:
        raise UnknownThing("the journal has no such tile", hint="paths are those of tlog-tiles") from error
    return _made(control, wanted)


def _made(control: ControlStore, wanted: Tile | Bundle) -> bytes:
    if isinstance(wanted, Tile):
        return control.tile(wanted.level, wanted.index, wanted.width)
    entries = control.entries(after=wanted.index * 256, limit=wanted.width)
    if len(entries) != wanted.width:
        raise UnknownThing(f"the journal has no entry bundle of {wanted.width} entries there")
    return encode_bundle([leaf_bytes(entry) for entry in entries])


def mirror(control: ControlStore, folder: Folder) -> tuple[Signed, int]:
    """Bring a copy up to the newest checkpoint; gives it and the number of files written.

    The copy's own checkpoint says how far it goes; it is written last, so a copy that was interrupted is taken up
    again. Raises UnknownThing without a checkpoint, and StoreFault when the copy is of another journal.
    """
    newest = newest_checkpoint(control)
    if newest is None:
        raise UnknownThing(
            "the journal has no checkpoint yet", hint="make one with: tally journal checkpoint"
        )
    size, old = newest.checkpoint.size, 0
    had = folder.read(CHECKPOINT_PATH)
    if had is not None:
        try:
            before = read(had.decode("utf-8", "replace"))
        except BadInput as error:
            raise StoreFault(f"the copy's checkpoint cannot be read: {error.message}") from error
        check_continuity(control, before.size, before.root)
        old = before.size
    written = 0
    files: tuple[Iterator[Tile | Bundle], ...] = (tiles_of(size, old), bundles_of(size, old))
    for wanted in chain.from_iterable(files):
        folder.write(wanted.path, _made(control, wanted))
        written += 1
    if had != newest.note.encode():
        folder.write(CHECKPOINT_PATH, newest.note.encode())
        written += 1
    return newest, written
