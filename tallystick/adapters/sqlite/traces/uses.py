"""What agents were seen using (``ports.UseLog``)."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.adapters.sqlite.traces.file import TraceFile
from tallystick.adapters.sqlite.uses import read_seen, read_unlisted, read_uses, uses_revision, write_uses
from tallystick.model.registry import Use


class SqliteUses(TraceFile):
    """Uses, run by run and summed up."""

    def unlisted(self, *, now: int, limit: int = 200) -> Sequence[tuple[str, int]]:
        """Runs whose uses are not listed as they stand, oldest change first."""
        self._sweep(now)
        with self._reading() as connection:
            return read_unlisted(connection, limit)

    def list_uses(self, run: str, revision: int, uses: Sequence[Use]) -> None:
        """Put the uses of a run in the place of those it had. UnknownThing for a run that is not here."""
        with self._writing() as connection:
            write_uses(connection, run, revision, uses)

    def uses_revision(self) -> int:
        """A number that grows whenever a run was listed."""
        with self._reading() as connection:
            return uses_revision(connection)

    def seen(self) -> Sequence[tuple[str, str]]:
        """Type and name of every agent, tool, model and workflow that was seen."""
        with self._reading() as connection:
            return read_seen(connection)

    def uses(
        self, *, agent: str | None = None, type: str | None = None, name: str | None = None, since: int | None = None,
        run: str | None = None,
    ) -> Sequence[Use]:  # fmt: skip
        """Uses summed up by agent, type, name and detail, in that order; with ``run`` only that run's."""
        with self._reading() as connection:
            number = None if run is None else self._number(connection, run)
            return read_uses(connection, agent=agent, type=type, name=name, since=since, run=number)
