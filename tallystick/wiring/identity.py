"""The fuse box, identity: the keys of a store, tokens of its agents, and who checks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallystick.config import Settings
from tallystick.wiring.machine import clock

if TYPE_CHECKING:
    from tallystick.app.acting.identity import Identities
    from tallystick.app.acting.issuing import Issuer
    from tallystick.wiring.stores import Stores


def identities(path: Path, settings: Settings, agent: str | None) -> Identities:
    """What checks tokens in a process that has the files of a store and calls itself ``agent``."""
    from tallystick.adapters.identity_keys import IdentityKeys
    from tallystick.app.acting.identity import Identities, IdentitySettings

    asked = IdentitySettings(
        agent, settings.identity == "required", frozenset(settings.identity_after_third_party),
        settings.identity_depth, settings.identity_ttl_s,
    )  # fmt: skip
    return Identities(IdentityKeys(path), clock(), asked)


def issuer(stores: Stores) -> Issuer:
    """What makes and revokes tokens of agents, and looks after the keys that sign them."""
    from tallystick.adapters.identity_keys import IdentityKeys
    from tallystick.app.acting.issuing import Issuer

    return Issuer(stores.control, IdentityKeys(stores.path), clock())


def issue(stores: Stores, settings: Settings, agent: str, **options: Any) -> Mapping[str, Any]:
    """A token for an agent; see ``Issuer.issue``."""
    options["depth"] = settings.identity_depth if options.get("depth") is None else options["depth"]
    return issuer(stores).issue(agent, **options)


def keys(stores: Stores) -> Sequence[Mapping[str, Any]]:
    """The keys that sign tokens; see ``Issuer.keys``."""
    return issuer(stores).keys()
