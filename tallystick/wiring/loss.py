"""The fuse box, loss: counts of a store, and what its spool folder tells."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallystick.ports import Counts, Loss
from tallystick.wiring.machine import clock, say

if TYPE_CHECKING:
    from tallystick.adapters.event_stream import ServerReader
    from tallystick.app.reading.loss import LossBook
    from tallystick.config import Settings
    from tallystick.wiring.stores import Stores

COUNTS, SPOOL = "counts.json", "spool"
_open: dict[str, Counts] = {}


def counts(folder: Path) -> Counts:
    """The counts of a store; this process has one of each."""
    from tallystick.adapters.counts_file import CountsFile

    key = str(folder.absolute())
    if key not in _open:
        made = _open[key] = CountsFile(
            folder / COUNTS, clock().now, on_fault=lambda error: say(f"counts wait: {error.message}")
        )
        # a command that writes several batches ends before the next count is due
        atexit.register(lambda: made.flush() if folder.is_dir() else None)
    return _open[key]


def loss_book(stores: Stores, settings: Settings | None = None) -> LossBook:
    """What came in, what was lost, and what is not indexed yet; with ``settings`` also how archiving stands."""
    from tallystick.app.reading.loss import LossBook
    from tallystick.wiring.keeping import standing

    def aging() -> Mapping[str, Any] | None:
        return None if settings is None else standing(stores, settings)

    return LossBook(stores.traces, counts(stores.path), clock(), also=lambda: spooled(stores), aging=aging)


def spooled(stores: Stores) -> Sequence[Loss]:
    """Losses that lie in the spools beside a store: what had no room, what was refused, what our SDK tripped over."""
    from tallystick.sdk.losses import spool_losses

    return [Loss(*row) for row in spool_losses(stores.path / SPOOL)]


def server_reader(server: str, settings: Settings, say: Callable[[str], None]) -> ServerReader:
    """A server's live stream and its read model, with this process's token."""
    from tallystick.adapters.event_stream import ServerReader

    return ServerReader(server, token=settings.token, say=say)
