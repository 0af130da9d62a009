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


_process: list[tuple[int, str]] = []


def process_name() -> str:
    """This process, as entries name it; asked anew after a fork."""
    import os

    from tallystick.adapters.process import identity

    pid = os.getpid()
    if not _process or _process[-1][0] != pid:
        _process[:] = [(pid, identity())]
    return _process[-1][1]


def say(text: str) -> None:
    """Tell people something, on standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
