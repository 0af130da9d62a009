"""The fuse box, the index of what runs said: brought up to date behind ingest, or before a question."""

from __future__ import annotations

import threading
from typing import Final

from tallystick.model.errors import TallystickError
from tallystick.ports import Clock, Passed, Traces
from tallystick.wiring.machine import say

MOST_ASKED: Final = 2_000  # runs that a reader indexes before it answers
_AT_ONCE: Final = 200  # runs between two looks at whether the server stops


def index_due(traces: Traces, clock: Clock, stopping: threading.Event) -> None:
    """Index the runs that are due until the server stops. Where that fails it is said, and the server goes on."""
    while not stopping.is_set():
        done = _index(traces, clock, _AT_ONCE)
        if done is None or done.runs < _AT_ONCE:
            return


def index_some(traces: Traces, clock: Clock) -> None:
    """Index a bounded number of runs before a question, and say how far that went where it did not go to the end."""
    done = _index(traces, clock, MOST_ASKED)
    if done is None or done.runs < MOST_ASKED:
        return
    now = traces.indexed()
    if now.behind:
        say(
            f"searched what {now.runs - now.behind} of {now.runs} runs said; ask again for more (tally up indexes all)"
        )


def _index(traces: Traces, clock: Clock, most: int) -> Passed | None:
    from tallystick.app.recording.texts import TextIndexer

    try:
        done = TextIndexer(traces, clock).index_due(most=most)
    except Exception as error:  # noqa: BLE001 - a fault in indexing must stop neither a reader nor the server
        said = error.message if isinstance(error, TallystickError) else repr(error)
        say(f"what runs said could not be indexed: {said}")
        return None
    for fault in done.faults:
        say(f"what a run said could not be indexed: {getattr(fault, 'message', repr(fault))}")
    return done
