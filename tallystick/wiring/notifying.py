"""The fuse box, notices: where a server tells people of approvals that wait, and what came of it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tallystick.config import Settings
from tallystick.model.errors import TallystickError
from tallystick.wiring.machine import clock, say

if TYPE_CHECKING:
    from tallystick.adapters.state_file import StateFile
    from tallystick.app.acting.notifying import Notifying
    from tallystick.wiring.stores import Stores

FILE: Final = "notices.json"
_EVERY_S: Final = 2.0


def notices(path: Path) -> StateFile:
    """What was sent and what failed, beside a store."""
    from tallystick.adapters.state_file import StateFile

    return StateFile(path / FILE, private=True)


def places(path: Path) -> dict[str, Any]:
    """Of each place: how many notices it got, how many did not arrive, and why the last did not. Raises StoreFault."""
    return dict(notices(path).read().get("places", {}))


def notifying(stores: Stores, settings: Settings, address: str) -> Notifying:
    """What tells people. Raises ConfigError for a place that none can be."""
    from tallystick.adapters.notify import notifier_of
    from tallystick.app.acting.notifying import Notifying

    found = [
        notifier_of(one, secret=settings.notify_secret, password=settings.notify_password)
        for one in settings.notify
    ]
    return Notifying(
        stores.control, clock(), found, notices(stores.path), address=settings.notify_address or address
    )


def keep_notifying(told: Notifying, stopping: threading.Event) -> None:
    """Look every two seconds until stopped; what goes wrong is said once, and tried again."""
    said = ""
    while not stopping.wait(_EVERY_S):
        try:
            told.round()
        except TallystickError as error:
            if error.message != said:
                said = error.message
                say(f"people could not be told of approvals: {said}")
