"""The text index: what runs said, so that a word, an attribute or a score finds them. The trace stores implement it.

It is made behind ingest, from the recorded steps alone, and can be made anew from them at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tallystick.model.span import Span
from tallystick.model.step import Step

Score = tuple[str, float | None, str | None]  # name, value, label


@dataclass(frozen=True, slots=True)
class Unread:
    """The steps of a run that are not in the index.

    ``seen``: the texts of the run that were indexed before (``observe.texts.SEEN`` bytes
    each). ``mark`` belongs to the store: it goes back
    with what was read. Reading ``steps`` raises UnknownThing where the run is gone, and StoreFault.
    """

    run: str
    revision: int
    steps: Iterator[tuple[Step, Span]]
    seen: Iterable[bytes]
    mark: Any


@dataclass(frozen=True, slots=True)
class RunTexts:
    """What was read of one run: its words and tags (a text that ``observe.texts.split`` reads), its scores, and the
    least and the most of each attribute that is a number (integers of up to 63 bits, else floats, never "nan").

    ``read`` is what it was read from.
    """

    read: Unread
    text: str
    scores: Iterable[Score] = ()
    seen: Iterable[bytes] = ()
    numbers: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Indexed:
    """How far the index is: runs in the store, how many of them are not in it as they stand, and up to which revision
    of the store it goes."""

    runs: int
    behind: int
    revision: int


@dataclass(frozen=True, slots=True)
class Passed:
    """What a pass over runs did: runs that were indexed, and the faults of those that could not be read."""

    runs: int = 0
    steps: int = 0
    faults: tuple[Exception, ...] = field(default=())


class TextLog(Protocol):
    """What runs said, run by run."""

    def unindexed(self, *, now: int, limit: int = 200) -> Sequence[tuple[str, int]]:
        """Runs whose texts are not indexed as they stand: (run, revision), oldest change first.

        A run that is open is indexed when it is new and whenever it has doubled since; one that has ended whenever it
        changed.
        """
        ...

    def unread(self, run: str, revision: int) -> Unread:
        """What of a run is not in the index. Raises UnknownThing."""
        ...

    def index_texts(self, texts: Sequence[RunTexts], *, upto: int) -> None:
        """Add texts to the index; ``upto``: all runs that changed up to this revision were read, or are not due."""
        ...

    def indexed(self) -> Indexed:
        """How far the index is. Cheap."""
        ...

    def forget_texts(self, runs: Iterable[str]) -> bool:
        """Take runs out of the index, so that nothing of what they said is left in any file of it.

        False where somebody still reads from before: a log holds old bytes until then.

        Runs that are still in the store are indexed again when they change. Call it after the contents are gone.
        """
        ...

    def holding(
        self, run: str, text: str, *, after: int = 0, most: int | None = None
    ) -> Iterator[tuple[int, Step, Span]]:
        """The steps of a run that may hold a text, upper or lower case alike, and no step that does is left out.

        In order of arrival, each with its place in that order: those of the ``most`` steps (None: of all) from place
        ``after`` on. Raises UnknownThing when it is begun, and StoreFault.
        """
        ...
