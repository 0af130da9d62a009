"""The fuse box, the access API: a guard of the server's own, for enforcement points elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tallystick.config import Settings
from tallystick.wiring.agent import guard_settings, rules
from tallystick.wiring.feed import store_feed
from tallystick.wiring.identity import identities
from tallystick.wiring.machine import clock, ids, rate_card
from tallystick.wiring.redacting import cleaner

if TYPE_CHECKING:
    from tallystick.app.acting.access import Access
    from tallystick.wiring.stores import Stores


def access(stores: Stores, settings: Settings) -> Access:
    """Decides under the policies of the settings' project and of the store's registry. Raises ConfigError."""
    from tallystick.app.acting.access import Access as TheAccess
    from tallystick.app.acting.deferring import DeferringGuard

    heard = store_feed(stores)
    guard = DeferringGuard(
        stores.control, clock(), ids(), rules(stores, settings.project, settings, heard), rate_card(),
        settings=guard_settings(settings), feed=heard, clean=cleaner(settings),
        identities=identities(stores, settings, None),
    )  # fmt: skip
    return TheAccess(guard, clock(), ids())
