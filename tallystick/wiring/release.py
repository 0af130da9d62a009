"""The fuse box, releases: whether an agent is ready, and its aliases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tallystick.config import Settings
from tallystick.wiring.machine import clock
from tallystick.wiring.stores import Stores, catalog

if TYPE_CHECKING:
    from tallystick.app.registry.catalog import Catalog
    from tallystick.app.registry.promote import Wish
    from tallystick.app.registry.ready import Ready


def ready(stores: Stores, known: Catalog | None = None) -> Ready:
    """What says whether agents are ready."""
    from tallystick.app.registry.ready import Ready as TheReady

    return TheReady(known or catalog(stores), stores.control, stores.traces, clock())


def promote(
    stores: Stores, settings: Settings, wish: Wish, *, by: str, dry_run: bool = False
) -> Mapping[str, Any]:
    """Move an alias of an agent; see ``app.registry.promote``."""
    from tallystick.app.registry.promote import promote as move

    return move(
        stores.control, ready(stores).judge, wish, gated=settings.gated_aliases, by=by, dry_run=dry_run
    )
