"""The fuse box, what the machine gives: time, fresh ids, and the rate card that ships with this release."""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING

from tallystick.adapters.clock import SystemClock
from tallystick.adapters.ids import TimeIds
from tallystick.ports import Clock, Ids

if TYPE_CHECKING:
    from tallystick.cost.rates import RateCard


def clock() -> Clock:
    """The machine's clock."""
    return SystemClock()


@cache
def ids() -> Ids:
    """Ids that sort by time."""
    return TimeIds()


@cache
def rate_card() -> RateCard:
    """The rate card that ships with this release."""
    from importlib.resources import files

    import msgspec

    from tallystick.cost.rates import load_card

    return load_card(msgspec.json.decode(files("tallystick.cost").joinpath("card.json").read_bytes()))


def say(text: str) -> None:
    """Tell people something, on standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
