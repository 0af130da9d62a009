"""Shipped test kit: a settable clock, countable ids, in-memory stores and a scripted model server.

>>> from tallystick.testing import FakeClock
>>> clock = FakeClock(1_000)
>>> clock.advance(seconds=1)
>>> clock.now()
1000001000
"""

from tallystick.testing.clock import FakeClock
from tallystick.testing.ids import CountingIds
from tallystick.testing.model_server import ModelServer, Served
from tallystick.testing.stores import memory_stores
from tallystick.testing.turns import Ask, Call, Fail, Say, Script, ScriptError, Turn

__all__ = [
    "Ask",
    "Call",
    "CountingIds",
    "Fail",
    "FakeClock",
    "ModelServer",
    "Say",
    "Script",
    "ScriptError",
    "Served",
    "Turn",
    "memory_stores",
]
