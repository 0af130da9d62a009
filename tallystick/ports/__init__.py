"""The wall: the few things the corridor needs from outside, and nothing more.

Every port has two real adapters (memory and SQLite) that pass one contract suite (tests/contract). A method says
what a caller may rely on; whatever it does not say, a caller must not infer.
"""

from tallystick.ports.blobs import Blobs, BlobTraces
from tallystick.ports.control import ControlStore
from tallystick.ports.counts import Counts, Loss, Tidings
from tallystick.ports.erasure import ErasableTraces, Wiped
from tallystick.ports.records import Account, Charge, Flaw, Kept, Record, RecordLog, Segment
from tallystick.ports.runs import Change, RunPage, RunReader
from tallystick.ports.search import Indexed, Passed, RunTexts, Score, TextLog, Unread
from tallystick.ports.steps import StepReader
from tallystick.ports.sums import (
    TALLY_KEYS,
    WHOLENESS_KEYS,
    Dearest,
    RunSums,
    Sighting,
    Spend,
    TallyRow,
    Wholeness,
)
from tallystick.ports.surroundings import Clock, Ids, Signer
from tallystick.ports.traces import Traces, TraceStore, Written
from tallystick.ports.uses import UseLog

__all__ = [
    "TALLY_KEYS",
    "WHOLENESS_KEYS",
    "Account",
    "BlobTraces",
    "Blobs",
    "Change",
    "Charge",
    "Clock",
    "ControlStore",
    "Counts",
    "Dearest",
    "ErasableTraces",
    "Flaw",
    "Ids",
    "Indexed",
    "Kept",
    "Loss",
    "Passed",
    "Record",
    "RecordLog",
    "RunPage",
    "RunReader",
    "RunSums",
    "RunTexts",
    "Score",
    "Segment",
    "Sighting",
    "Signer",
    "Spend",
    "StepReader",
    "TallyRow",
    "TextLog",
    "Tidings",
    "TraceStore",
    "Traces",
    "Unread",
    "UseLog",
    "Wholeness",
    "Wiped",
    "Written",
]
