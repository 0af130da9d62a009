"""What agents were seen using. The trace stores implement it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tallystick.model.registry import Use


class UseLog(Protocol):
    """What agents were seen using, run by run. The trace stores implement it."""

    def unlisted(self, *, now: int, limit: int = 200) -> Sequence[tuple[str, int]]:
        """Runs whose uses are not listed as they stand: (run, revision), oldest change first.

        A run that is open is listed when it is new and whenever it has doubled since, so that a long one costs
        linear time; one that has ended is listed whenever it changed.
        """
        ...

    def list_uses(self, run: str, revision: int, uses: Sequence[Use]) -> None:
        """Put the uses of a run in the place of those it had. UnknownThing for a run that is not here."""
        ...

    def uses_revision(self) -> int:
        """A number that grows whenever a run was listed: while it stands, so does what ``uses`` answers. Cheap."""
        ...

    def seen(self) -> Sequence[tuple[str, str]]:
        """Type and name of every agent, tool, model and workflow that was seen, in that order; see ``sightings``."""
        ...

    def uses(
        self, *, agent: str | None = None, type: str | None = None, name: str | None = None, since: int | None = None,
        run: str | None = None,
    ) -> Sequence[Use]:  # fmt: skip
        """Uses summed up by agent, type, name and detail, in that order; ``since``: those last seen then or later.

        With ``run`` only that run's. Costs what it answers, not the number of runs.
        """
        ...
