"""What a detector says, and how detectors are asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from tallystick.govern.labels.leaves import leaves, opened

LONGEST: Final = 200_000  # characters of one result that are looked at
_MOST: Final = 20
_SHOWN: Final = 120


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing that a detector noticed: which detector, the field it stands in, and the place in words.

    ``shown`` is at most 120 characters of it, and hostile like everything that was read.
    """

    detector: str
    field: str
    shown: str


class Detector(Protocol):
    """Looks at one text. Pure, linear in the length of the text, and never raises for a text."""

    name: str

    def look(self, text: str) -> Iterable[str]:
        """What it noticed, each as the piece of text that shows it."""
        ...


def signs_in(result: Any, detectors: Sequence[Detector]) -> tuple[Sign, ...]:
    """What detectors say of everything that a tool returned, at most 20 signs and one of each kind in a field."""
    found: dict[tuple[str, str], Sign] = {}
    room = LONGEST
    for path, leaf in leaves(opened(result)):
        if not isinstance(leaf, str) or room <= 0:
            continue
        text, room = leaf[:room], room - len(leaf)
        for detector in detectors:
            piece = next(iter(detector.look(text)), None)
            if piece is not None:
                found.setdefault((detector.name, path), Sign(detector.name, path[:_SHOWN], piece[:_SHOWN]))
        if len(found) >= _MOST:
            break
    return tuple(found.values())[:_MOST]
