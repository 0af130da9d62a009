"""The fuse box, identity: the keys of a store, tokens of its agents, and who checks them."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from tallystick.config import Settings
from tallystick.wiring.machine import clock

if TYPE_CHECKING:
    from tallystick.app.acting.identity import Bearers, Identities
    from tallystick.app.acting.issuing import Issuer
    from tallystick.wiring.stores import Stores


def identities(stores: Stores, settings: Settings, agent: str | None) -> Identities:
    """What checks tokens in a process that has the files of a store and calls itself ``agent``."""
    from tallystick.adapters.identity_keys import IdentityKeys
    from tallystick.app.acting.identity import Identities, IdentitySettings
    from tallystick.app.acting.issuing import enrol
    from tallystick.model.identity import VARIABLE, Shown

    asked = IdentitySettings(
        agent, settings.identity == "required", frozenset(settings.identity_after_third_party),
        settings.identity_depth,
        Shown(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None,
    )  # fmt: skip
    keys = IdentityKeys(stores.path, told=partial(enrol, stores.control))
    return Identities(keys, clock(), asked)


def bearer(settings: Settings) -> str | None:
    """What an agent's process shows to a server: the server's token, else the token that it was started with."""
    from tallystick.model.identity import VARIABLE

    return settings.token or os.environ.get(VARIABLE)


def bearers(stores: Stores, settings: Settings) -> Bearers:
    """What checks the tokens of agents that are shown to a server."""
    from tallystick.app.acting.identity import Bearers
    from tallystick.wiring.feed import store_feed

    return Bearers(identities(stores, settings, None), store_feed(stores).heard)


def issuer(stores: Stores) -> Issuer:
    """What makes and revokes tokens of agents, and looks after the keys that sign them."""
    from tallystick.adapters.identity_keys import IdentityKeys
    from tallystick.app.acting.issuing import Issuer, enrol

    return Issuer(stores.control, IdentityKeys(stores.path, told=partial(enrol, stores.control)), clock())
