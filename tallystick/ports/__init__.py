"""The wall: the few things the corridor needs from outside, and nothing more.

Every port has two real adapters (memory and SQLite) that pass one contract suite (tests/contract). A method says
what a caller may rely on; whatever it does not say, a caller must not infer.
"""

from tallystick.ports.control import ControlStore
from tallystick.ports.erasure import ErasableTraces, Wiped
from tallystick.ports.surroundings import Clock, Ids, Signer
from tallystick.ports.traces import (
    WHOLENESS_KEYS,
    Account,
    Change,
    Charge,
    Flaw,
    Kept,
    Record,
    RecordLog,
    RunPage,
    Segment,
    Sighting,
    Spend,
    Traces,
    TraceStore,
    UseLog,
    Wholeness,
    Written,
)

__all__ = [
    "WHOLENESS_KEYS",
    "Account",
    "Change",
    "Charge",
    "Clock",
    "ControlStore",
    "ErasableTraces",
    "Flaw",
    "Ids",
    "Kept",
    "Record",
    "RecordLog",
    "RunPage",
    "Segment",
    "Sighting",
    "Signer",
    "Spend",
    "TraceStore",
    "Traces",
    "UseLog",
    "Wholeness",
    "Wiped",
    "Written",
]
