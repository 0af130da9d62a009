"""The journal as people look at it: its head, who vouches for it, and its verification step by step.

Two lamps, never one. *Integrity*: nothing that is written was changed. *Completeness*: nothing was taken away and no
second journal is shown to others; that cannot be seen from inside, so it stays grey until a witness that somebody
else runs has co-signed.

``JournalBook.state()`` gives::

    {"origin": text | None, "size": n, "root": hex, "key": verifier key | None,
     "checkpoints": [{"size": n, "root": hex, "at": RFC 3339 | None, "witnesses": [name]}],
     "witnesses": [{"name": text, "url": text, "outside": bool, "state": "waiting" | "signed" | "behind" | "failed" |
                    "fork", "size": n, "error": text | None}],
     "exports": [{"target": text, "state": "waiting" | "written" | "failed", "error": text | None}],
     "lamps": {"integrity": "unchecked" | "holds" | "broken", "completeness": "grey" | "green" | "red", "why": text}}

``JournalBook.verify_steps()`` yields ``{"step": text, "state": "holds" | "finding" | "not checked", "detail": text,
"count": n}`` as each part is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tallystick.ports import ControlStore


class JournalBook:
    """What may be known of one journal; every answer is JSON-ready."""

    def __init__(self, control: ControlStore) -> None:
        self._control = control

    def state(self) -> dict[str, Any]:
        """Head, checkpoints, witnesses, exports and lamps."""
        size, root = self._control.head()
        return {
            "origin": None,
            "size": size,
            "root": root.hex(),
            "key": None,
            "checkpoints": [],
            "witnesses": [],
            "exports": [],
            "lamps": {
                "integrity": "unchecked",
                "completeness": "grey",
                "why": "No witness outside this operation has co-signed yet.",
            },
        }

    def verify_steps(self) -> Iterator[dict[str, Any]]:
        """Check everything that can be checked here, a step at a time."""
        entries = self._control.verify()
        yield {
            "step": "leaves and tiles",
            "state": "holds",
            "detail": "every entry, tile, text and opening is what it was",
            "count": entries,
        }
