"""The fuse box, people: who they are in a store, or at a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tallystick.config import Settings
from tallystick.wiring.machine import clock, ids

if TYPE_CHECKING:
    from tallystick.adapters.server_people import ServerPeople
    from tallystick.app.people.desk import PeopleDesk
    from tallystick.wiring.stores import Stores


def desk(stores: Stores) -> PeopleDesk:
    """The people of open stores."""
    from tallystick.app.people.desk import PeopleDesk

    return PeopleDesk(stores.control, clock(), ids())


def at_server(server: str, settings: Settings) -> ServerPeople:
    """The people of a server, asked with this process's token. Raises ConfigError for what is no address."""
    from tallystick.adapters.server_people import ServerPeople

    return ServerPeople(server, token=settings.token)
