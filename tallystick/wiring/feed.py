"""The fuse box, the feed: from which registries a guard hears what is in force."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tallystick.config import Settings
from tallystick.wiring.identity import bearer
from tallystick.wiring.machine import clock, say

if TYPE_CHECKING:
    from tallystick.app.acting.feed import Feed, StoreFeed
    from tallystick.wiring.stores import Stores

PROBE_S = 6.0  # a doctor waits longer than the feed's own timeout
FIRST_ANSWER_S = 2.0  # a process waits so long at its start for a server, and never again


def feed(stores: Stores, settings: Settings) -> tuple[Feed, Callable[[], None]]:
    """The feed of an agent's process, and what closes it: the own registry, and the server's where there is one."""
    own = store_feed(stores)
    if settings.server is None:
        return own, _nothing
    from tallystick.adapters.server_feed import ServerFeed
    from tallystick.app.acting.feed import JoinedFeed

    server = ServerFeed(settings.server, token=bearer(settings), folder=stores.path, say=say)
    server.wait(FIRST_ANSWER_S)
    return JoinedFeed(own, server), server.close


def feed_trouble(settings: Settings) -> str | None:
    """Why the registry of the ``server`` in the settings is not heard now; None where it is, or there is none."""
    if settings.server is None:
        return None
    from tallystick.adapters.server_feed import ServerFeed

    said: list[str] = []
    with TemporaryDirectory(
        prefix="tally-feed-"
    ) as folder:  # what was kept must not hide that nobody answers
        asked = ServerFeed(settings.server, token=bearer(settings), folder=Path(folder), say=said.append)
        try:
            asked.wait(PROBE_S)
            trouble = asked.heard().trouble
        finally:
            asked.close()
    return trouble or (said[0].removeprefix("tallystick: ") if said else None)


def store_feed(stores: Stores, *, every_ns: int | None = None) -> StoreFeed:
    """The feed of the registry of open stores; ``every_ns``: how often it looks, by default once a second."""
    from tallystick.app.acting.feed import POLL_NS, StoreFeed

    every = POLL_NS if every_ns is None else every_ns
    return StoreFeed(stores.control, clock(), stores.traces.uses, every_ns=every)


def _nothing() -> None:
    """A store's feed has nothing to close."""
