"""Runs and which of them meet a query (``ports.RunReader``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tallystick.adapters.naming import trace_range, unknown_run
from tallystick.adapters.sqlite.runs import READ_RUN, run_from
from tallystick.adapters.sqlite.searching import choose, page
from tallystick.adapters.sqlite.traces.file import TraceFile
from tallystick.model.query import Query
from tallystick.model.run import Run
from tallystick.ports import Change, RunPage


class SqliteRuns(TraceFile):
    """Lists of runs, one run, and what changed."""

    def runs(self, query: Query, *, now: int, limit: int = 50, before: str | None = None) -> RunPage:
        """Runs that match, newest first."""
        self._sweep(now)
        choice = choose(query, self.text_index)
        with self._reading() as connection:
            after = None
            if before is not None:
                after = connection.execute(
                    "SELECT sort, id FROM run WHERE no=?", (self._number(connection, before),)
                ).fetchone()
            return page(connection, choice, self._pairs_of, now=now, limit=limit, after=after)

    def statuses(self, query: Query, *, now: int) -> Mapping[str, int] | None:
        """Runs that match, counted by status."""
        self._sweep(now)
        choice = choose(query, self.text_index)
        if choice.unsure:
            return None
        where, values = choice.condition(now)
        with self._reading() as connection:
            return dict(
                connection.execute(f"SELECT r.status, count(*) FROM run r WHERE {where} GROUP BY 1", values)
            )

    def run(self, run: str, *, now: int) -> Run:
        """One run by id. Raises UnknownThing."""
        self._sweep(now)
        with self._reading() as connection:
            row = connection.execute(f"{READ_RUN} WHERE r.no=?", (self._number(connection, run),)).fetchone()
            return run_from(*row)

    def resolve(self, prefix: str) -> str:
        """The one run id that starts with ``prefix``; ids of merged runs and of traces lead to their run."""
        end = prefix + chr(0x10FFFF)
        with self._reading() as connection:
            exact = connection.execute("SELECT id FROM run WHERE id=?", (prefix,)).fetchone()
            if exact is not None:
                return str(exact[0])
            found = {row[0] for row in connection.execute(
                "SELECT id FROM run WHERE id >= ? AND id < ? UNION"
                " SELECT r.id FROM alias a JOIN run r ON r.no = a.run WHERE a.id >= ? AND a.id < ? LIMIT 3",
                (prefix, end, prefix, end),
            )}  # fmt: skip
            if not found:
                found = {row[0] for row in connection.execute(
                    "SELECT DISTINCT r.id FROM trace t JOIN run r ON r.no = t.run"
                        " WHERE t.id >= ? AND t.id <= ? LIMIT 3",
                    trace_range(prefix),
                )}  # fmt: skip
        if len(found) == 1 and prefix:
            return str(found.pop())
        raise unknown_run(prefix, several=len(found) > 1)

    def changes(self, after: int, *, limit: int = 500) -> Sequence[Change]:
        """Runs changed since a cursor, oldest first."""
        with self._reading() as connection:
            if after < 0:
                newest = connection.execute("SELECT value FROM meta WHERE key='revision'").fetchone()[0]
                return [Change(newest, "")]
            return [Change(*row) for row in connection.execute(
                "SELECT revision, id FROM run WHERE revision > ?1 UNION ALL"
                " SELECT revision, id FROM alias WHERE revision > ?1 ORDER BY 1 LIMIT ?2", (after, limit),
            )]  # fmt: skip
