"""Contents that are taken out of runs (``ports.ErasableTraces``)."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tallystick.adapters.sqlite import erased
from tallystick.adapters.sqlite.erasing import RunEraser
from tallystick.adapters.sqlite.scrubbing import erasing, fill, scrub
from tallystick.adapters.sqlite.traces.keeping import SqliteKeeping
from tallystick.observe.summary import PART_TYPES
from tallystick.ports import Wiped

_WAIT_S = 30.0  # an erasure waits so long for the archiver of another process


class SqliteErasing(SqliteKeeping):
    """Erases runs. Those in the archive are brought back first, and its files lose them."""

    def concerning(self, subject: str) -> Sequence[str]:
        """Runs that have a step which concerns a subject, oldest first."""
        with self._database.reading() as connection:
            return [row[0] for row in connection.execute(
                "SELECT r.id FROM part p JOIN name n ON n.id = p.name JOIN run r ON r.no = p.run"
                " WHERE p.type = ? AND n.text = ? ORDER BY r.no",
                (PART_TYPES.index("subject"), subject),
            )]  # fmt: skip

    def unfinished(self) -> Sequence[str]:
        """The erased runs, where an erasure did not come to its end."""
        with self._database.reading() as connection:
            return erased.unfinished(connection)

    def erase(self, runs: Sequence[str]) -> Wiped:
        """Take the contents out of runs (see ``ports.ErasableTraces``)."""
        fill(self._database)
        self.bring_back(runs)  # out of the archive, whose files lose them below
        steps = records = 0
        for run in runs:
            with erasing(self._database) as connection:
                done = RunEraser(connection, run, self._silent_after).erase()
            steps, records = steps + done[0], records + done[1]
        scrubbed = scrub(self._database)
        self.tidy(now=time.time_ns())
        self._wait_for_archiver()
        with self._database.alone:
            self._database.vacuum()
        emptied = self._database.empty_log()
        with self._database.reading() as connection:
            held = connection.execute("SELECT 1 FROM segment WHERE purge").fetchone() is not None
        return Wiped(steps, records, scrubbed.bytes, emptied and not held and not scrubbed.left)

    def finish_erasing(self) -> None:
        """No file of the store holds what was erased any more."""
        with self._writing() as connection:
            erased.end(connection)

    def _wait_for_archiver(self) -> None:
        """Wait for whoever is writing a segment that may hold what was erased: it takes it away when it is done."""
        until = time.monotonic() + _WAIT_S
        while time.monotonic() < until:
            with self._database.reading() as connection:
                row = connection.execute("SELECT 1 FROM segment WHERE purge").fetchone()
            if row is None:
                return
            time.sleep(0.05)
            self.tidy(now=time.time_ns())
