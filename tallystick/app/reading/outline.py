"""Outline: a run as columns, as JSON for programs and packed for the tree in the browser.

Fifty thousand steps are sent as a dozen arrays in the order they are shown (root first, depth first, children by
start), so that the page never builds an object for a step that is not on the screen.
"""

from __future__ import annotations

import json
import sys
import threading
from array import array
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from tallystick.observe.outline import Outline, agents_in, arrange

MAGIC: Final = b"TLO1"
_NAN: Final = float("nan")
_LOOK: Final = ("kind", "status", "name", "decision", "gap", "derived", "tool", "model")


def columns(outline: Outline, started: int) -> dict[str, list[Any]]:
    """The columns of a run's tree; ``started_ns`` counts from the run's start, unknown values are None.

    A step that names no agent has that of the nearest step around it that does.
    """
    tree = arrange(outline)
    order = tree.places
    looks = [outline.looks[outline.look[place]] for place in order]
    began = outline.started
    twins = outline.same_as
    return {
        "step": [outline.spans[place].hex() for place in order],
        "parent": tree.parents,
        "depth": tree.depths,
        "kind": [look.kind for look in looks],
        "name": [look.name for look in looks],
        "agent": list(agents_in(outline, tree)),
        "status": [look.status for look in looks],
        "started_ns": [began[place] - started if began[place] else None for place in order],
        "duration_ns": [outline.durations[place] for place in order],
        "cost_nano_usd": [outline.costs[place] for place in order],
        "tokens": [outline.tokens[place] for place in order],
        "decision": [look.decision for look in looks],
        "same_as": [None if (twin := twins[place]) is None else twin.hex() for place in order],
    }


def packed(outline: Outline, started: int, run: dict[str, Any]) -> bytes:
    """The same columns as bytes that a browser reads in place.

    ``TLO1``, the length of the head (32 bits), the head (JSON, padded with spaces to a multiple of eight bytes), then
    the columns it names, each padded so: ``{"run", "rows", "looks": [{…}], "agents": [name], "columns": [[name, type,
    byte length]]}``. Everything is little-endian; an unknown number is NaN. ``repeat`` is 1 for a step that repeats
    another one; ``agent`` is a place in ``agents`` or -1.
    """
    tree = arrange(outline)
    agents: dict[str, int] = {}
    by_row = [
        -1 if agent is None else agents.setdefault(agent, len(agents)) for agent in agents_in(outline, tree)
    ]
    began = outline.started
    twins = outline.same_as
    order = tree.places
    parts: list[tuple[str, str, bytes]] = [
        ("step", "u8", b"".join([outline.spans[place] for place in order])),
        ("started_ns", "f64", _floats([began[p] - started if began[p] else None for p in order])),
        ("duration_ns", "f64", _floats([outline.durations[place] for place in order])),
        ("cost_nano_usd", "f64", _floats([outline.costs[place] for place in order])),
        ("tokens", "f64", _floats([outline.tokens[place] for place in order])),
        ("parent", "i32", _ints(tree.parents)),
        ("depth", "i32", _ints(tree.depths)),
        ("look", "i32", _ints([outline.look[place] for place in order])),
        ("agent", "i32", _ints(by_row)),
        ("repeat", "u8", bytes([twins[place] is not None for place in order])),
    ]
    head = {
        "run": run,
        "rows": len(order),
        "looks": [{key: getattr(look, key) for key in _LOOK} for look in outline.looks],
        "agents": list(agents),
        "columns": [(name, kind, len(body)) for name, kind, body in parts],
    }
    return _joined(_json(head), [body for _, _, body in parts])


def _json(head: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(head)
    except UnicodeEncodeError:  # half a surrogate pair: only the slow encoder can write it (as an escape)
        return json.dumps(head).encode()


def _joined(head: bytes, bodies: Iterable[bytes]) -> bytes:
    """All together, each part beginning at a multiple of eight bytes."""
    head += b" " * (-len(head) % 8)
    pieces = [MAGIC, len(head).to_bytes(4, "little"), head]
    for body in bodies:
        pieces += [body, bytes(-len(body) % 8)]
    return b"".join(pieces)


def _floats(values: Sequence[int | None]) -> bytes:
    return _little(array("d", [_NAN if value is None else value for value in values]))


def _ints(values: Sequence[int]) -> bytes:
    return _little(array("i", values))


def _little(values: array[Any]) -> bytes:
    if sys.byteorder != "little":
        values.byteswap()
    return values.tobytes()


class Shelf:
    """Packed outlines that were asked for last: the newest few, as long as their runs stand as they stood."""

    def __init__(self, most_bytes: int = 32 * 1024 * 1024) -> None:
        self._most = most_bytes
        self._held: dict[str, tuple[int, bytes]] = {}
        self._lock = threading.Lock()

    def get(self, run: str, revision: int) -> bytes | None:
        """The outline of a run at a revision, if it is here."""
        with self._lock:
            found = self._held.pop(run, None)
            if found is None or found[0] != revision:
                return None
            self._held[run] = found  # the last one asked for is the last to go
            return found[1]

    def put(self, run: str, revision: int, outline: bytes) -> None:
        """Keep an outline; those asked for longest ago go when there is no room."""
        with self._lock:
            self._held.pop(run, None)
            self._held[run] = (revision, outline)
            while sum(len(body) for _, body in self._held.values()) > self._most and self._held:
                del self._held[next(iter(self._held))]
